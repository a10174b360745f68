"""Sections of notes by their headings."""

from clinspan.text.sentences import section_at, sections


def test_a_heading_may_have_a_remark_in_brackets():
    text = "Allergies:\n* Codeine - nausea\n\nCURRENT MEDICATIONS (taking)\n\n1. Losartan for hypertension.\n"
    found = sections(text)
    assert section_at(found, text.index("nausea")) == "allergies"
    assert section_at(found, text.index("hypertension")) == "medications"


def test_a_heading_that_ends_the_text_opens_no_section():
    assert sections("HPI: Cough.\nCONCLUSIONS:")[-1].name == "present-illness"
