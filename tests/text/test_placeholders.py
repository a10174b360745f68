import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import Entity, Span
from clinspan.labels import LabelSet
from clinspan.tagging.tagger import Tagger
from clinspan.text.placeholders import as_words, outside, placeholders, without_placeholders
from clinspan.text.sentences import sentences


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Dr. [**First Name4 (NamePattern1) **] [**2151-3-4**] at [**Hospital1 18**].", 3),
        ("Known [**Known\nlastname 1234**] here", 1),
        ("Mr. ___ came on _____.", 2),
        ("<DATE> <PATIENT_1> [REDACTED] [PATIENT NAME] {{NAME}} <US_SSN> <PHONE NUMBER> [DE-IDENTIFIED]", 8),
        ("XXXX-year-old with XXXX opacity", 2),
        ("<date> <location> <NAME/> [Date Range (1) 123]", 4),
        ("BP < 90, [HTN], WBC <5>, [**open, snake_case, a__b, [x] and <b>, [see DATE below], XXX", 0),
    ],
)
def test_what_is_a_placeholder(text, found):
    assert len(placeholders(text)) == found


@pytest.mark.parametrize(
    ("text", "marked", "left"),
    [
        ("Seen at [**Hospital1 18**] today.", "[**Hospital1 18**]", None),
        ("Seen at [**Hospital1 18**] today.", "Hospital1", None),
        ("Dr. ___ saw him.", "Dr. ___", None),
        ("Given on <DATE>.", "DATE", None),
        ("<DATE> [REDACTED] fell", "<DATE> [REDACTED]", None),
        ("fracture of the [**Location**] femur", "fracture of the [**Location**] femur", "same"),
        ("He has ___ pneumonia.", "___ pneumonia", "pneumonia"),
        ("[**Name**]'s cough", "[**Name**]'s cough", "cough"),
        ("chest pain on [**2151-3-4**] again", "chest pain on [**2151-3-4**]", "chest pain"),
        ("chest pain [**2151-3-4**] again", "chest pain [**2151", "chest pain"),
        ("aspirin from the ___", "aspirin from the ___", "aspirin"),
        ("[**A**] cough [**B**] fever [**C**]", "[**A**] cough [**B**] fever [**C**]", "cough [**B**] fever"),
        ("fever, <DATE>", "fever", "same"),
        ("no placeholder here", "placeholder", "same"),
    ],
)
def test_an_entity_runs_over_a_placeholder_and_never_begins_or_ends_with_one(text, marked, left):
    start = text.index(marked)
    entity = Entity(Span(start, start + len(marked)), "x", marked, score=0.5)
    got = outside(entity, text)
    if left is None:
        assert got is None
    elif left == "same":
        assert got is entity
    else:
        assert (got.text, text[got.start : got.end], got.score) == (left, left, 0.5)


def test_a_discontinuous_entity_goes_only_when_all_its_parts_are_placeholders():
    text = "pain ___ and <DATE> leg"
    whole = Entity(Span(0, 23), "x", text, fragments=(Span(0, 4), Span(20, 23)))
    assert outside(whole, text) is whole
    assert outside(Entity(Span(5, 19), "x", text[5:19], fragments=(Span(5, 8), Span(13, 19))), text) is None


@given(st.lists(st.sampled_from(["[**A\nB 1.**]", "___", "<DATE>", "chest pain.", "\n", " ", "No fever"]), max_size=9))
def test_blanks_and_words_in_their_place_move_no_offset(parts):
    text = "".join(parts)
    bare, flat = without_placeholders(text), as_words(text)
    assert len(bare) == len(flat) == len(text)
    for span in placeholders(text):
        assert not span.of(bare).strip()
    kept = [at for at in range(len(text)) if not any(span.start <= at < span.end for span in placeholders(text))]
    assert all(text[at] == bare[at] == flat[at] for at in kept)
    for sentence in sentences(text):
        assert not any(sentence.span.overlaps(one) and not sentence.span.contains(one) for one in placeholders(text))


@pytest.mark.parametrize(
    ("text", "mention"),
    [
        ("Fracture of the [**Location (un) **] femur.", "Fracture of the [**Location (un) **] femur"),
        ("Fracture of the <LOCATION> femur.", "Fracture of the <LOCATION> femur"),
        ("acute [**Age over 90 **] myocardial infarction", "acute [**Age over 90 **] myocardial infarction"),
        ("He has chest [**Hospital1 18**] pain today.", "chest [**Hospital1 18**] pain"),
        ("He has chest ___ pain today.", "chest ___ pain"),
    ],
)
def test_a_placeholder_breaks_no_mention(text, mention):
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    labels = LabelSet.builtin("problem-treatment-test")
    with Tagger.open(labels=labels, dictionary=None) as tagger:
        assert [entity.text for entity in tagger.tag(text).entities] == [mention]
