import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.conftest import texts

from clinspan.document import Span
from clinspan.formats.fidelity import DriftKind, align_copy

TEXT = "Two brothers with ataxia-telangiectasia (AT) developed T-cell leukaemia before the age of ten.\nNo fever today."


@pytest.mark.parametrize(
    ("copy", "kind"),
    [
        (TEXT, "exact"),
        (f"Here is the text:\n\n```\n{TEXT}\n```\nI marked two.", "exact"),
        (TEXT.replace("\n", " "), "white space"),
        (f"Answer: {TEXT.replace(chr(10), '  ')} Note: none.", "white space"),
        (TEXT.replace("leukaemia", "leukemia"), "edited"),
        (TEXT.replace("T-cell ", ""), "edited"),
        (TEXT.replace("Two", "Three"), "edited"),
        (TEXT.replace("today.", "tonight."), "edited"),
        (f"Sure! {TEXT.replace('leukaemia', 'leukemia')} Hope that helps.", "edited"),
        (TEXT[:60], "truncated"),
        (TEXT[:58].replace("Two", "2"), "truncated"),
        (TEXT[:57], "truncated"),
        (TEXT + "\n" + TEXT, "exact"),
        ("None", "other"),
        ("", "other"),
        ("I am sorry, I cannot mark medical notes.", "other"),
        ("The text speaks of leukaemia in brothers.", "other"),
        (" ".join(reversed(TEXT.split())), "other"),
    ],
)
def test_names_the_drift(copy, kind):
    found = align_copy(copy, TEXT).drift
    assert found.kind == kind
    assert found.faithful == (kind in ("exact", "white space"))


def test_a_cut_copy_says_how_far_it_reaches():
    assert TEXT[: align_copy(TEXT[:54].replace("Two", "2"), TEXT).drift.reached].endswith("developed")
    # "the" stands in what is missing too: the copy's last words must not be laid along it.
    early = TEXT.replace("Two", "2")[: TEXT.index("e age of ten") - 1]
    found = align_copy(early, TEXT).drift
    assert (found.kind, TEXT[: found.reached][-10:]) == (DriftKind.TRUNCATED, "before the")


def test_a_sentence_left_out_is_no_small_edit():
    sentence = "There was no history of stroke or seizures in the family. "
    text = f"{TEXT} " * 2 + sentence + f"{TEXT} " * 3
    copy = text.replace(sentence, "")
    found = align_copy(copy, text)
    assert found.drift.kind == DriftKind.TRUNCATED
    assert text[found.drift.reached :].lstrip().startswith("There was no history")
    at = copy.rindex("leukaemia")
    assert found.span(Span(at, at + 9)) == Span(at + len(sentence), at + len(sentence) + 9)
    headless = align_copy((f"{TEXT} " * 5)[60:], f"{TEXT} " * 5).drift
    assert (headless.kind, headless.reached) == (DriftKind.TRUNCATED, 0)


def test_counts_changed_tokens():
    assert align_copy(TEXT.replace("leukaemia", "leukemia").replace("Two", "Three"), TEXT).drift.changed == 2
    assert align_copy(TEXT.replace("AT", "at"), TEXT).drift.changed == 1


@pytest.mark.parametrize(
    ("copy", "mention", "expected"),
    [
        (f"Text: {TEXT}", "ataxia-telangiectasia", "ataxia-telangiectasia"),
        (TEXT.replace("leukaemia", "leukemia"), "T-cell leukemia", "T-cell leukaemia"),
        (TEXT.replace("T-cell leukaemia", "t-cell leukaemia"), "t-cell leukaemia", "T-cell leukaemia"),
        (TEXT.replace("\n", " "), "ten. No", "ten.\nNo"),
        (TEXT.replace("leukaemia", "leukemia"), " leukemia ", "leukaemia"),
        (TEXT.replace("Two", "2"), "taxia", "taxia"),
        (TEXT + " Note: diabetes.", "diabetes", None),
        (TEXT.replace("Two", "2") + " Note: diabetes is not here at all.", "diabetes", None),
        (TEXT.replace("leukaemia", "leukemia"), "kem", "kaem"),
        (TEXT.replace("leukaemia", "lymphoma"), "pho", None),
        ("no copy", "copy", None),
    ],
)
def test_leads_back_to_the_text(copy, mention, expected):
    start = copy.find(mention)
    found = align_copy(copy, TEXT).span(Span(max(start, 0), max(start, 0) + len(mention)))
    assert (found and found.of(TEXT)) == expected


def test_the_second_of_two_equal_mentions_stays_the_second():
    text = "fever, cough, then fever again"
    copy = text.replace("cough", "coughs")
    assert align_copy(copy, text).span(Span(20, 25)) == Span(19, 24)


@given(texts, texts.filter(bool), texts, st.data())
def test_an_exact_copy_maps_letter_for_letter(before, text, after, data):
    copy = before + text + after
    found = align_copy(copy, text)
    assert found.drift.kind == "exact"
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    mapped = found.span(Span(found.drift.start + start, found.drift.start + end))
    said = text[start:end]
    assert mapped is None if not said.strip() else mapped.of(text) == said.strip()


@given(texts, texts)
def test_whatever_is_mapped_lies_in_the_text(copy, text):
    found = align_copy(copy, text)
    for start in range(len(copy)):
        for end in range(start + 1, min(start + 5, len(copy)) + 1):
            mapped = found.span(Span(start, end))
            assert mapped is None or mapped.end <= len(text)


def test_very_long_texts_are_cut_at_tokens_that_stand_once():
    rng = random.Random(5)
    words = [rng.choice(["fever", "the", "and"]) if rng.random() < 0.9 else f"w{i}" for i in range(20_000)]
    text = " ".join(words)
    words[5_000] = "changed"
    copy = " ".join(words)
    found = align_copy(copy, text)
    assert (found.drift.kind, found.drift.changed) == (DriftKind.EDITED, 1)
    at = copy.index(words[19_999 - 1], len(copy) - 20)
    assert found.span(Span(at, at + 3)) is not None


def test_long_texts_without_such_tokens_are_not_compared_at_all():
    found = align_copy("a b " * 30_000, "b a " * 30_000).drift
    assert found.kind in (DriftKind.OTHER, DriftKind.EDITED)
