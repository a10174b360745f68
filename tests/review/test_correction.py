"""Corrections: what was known of an entity stays while it stays, and what cannot be is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from room import DOSE, DRUG, GOUT, LABELS, TEXT, mark

from clinspan.document import Document, Entity, Span
from clinspan.errors import InputError
from clinspan.review.note import Mark, State, corrected, measured, text_hash
from clinspan.review.store import Store

BEFORE = (GOUT, DRUG, DOSE)


def done(*marks: Mark) -> tuple[Entity, ...]:
    return corrected(marks, TEXT, BEFORE, LABELS)


def test_what_is_sent_back_unchanged_is_the_same() -> None:
    assert done(*map(mark, BEFORE)) == BEFORE
    # A page need not send ids, and cannot change what the label does not declare.
    bare = [mark(one, id=None, attributes={"assertion": "present"} if one is GOUT else {}) for one in BEFORE]
    assert done(*bare) == (GOUT, DRUG, replace(DOSE, attributes={}))
    assert done(*(mark(one, id=None) for one in BEFORE)) == BEFORE


def test_another_value_has_no_probability_and_the_rest_stays() -> None:
    (denied,) = done(mark(GOUT, attributes={"assertion": "absent", "section": "hpi"}))
    assert denied == replace(GOUT, attributes={"assertion": "absent", "section": "hpi"}, attribute_scores=())


def test_what_was_moved_relabelled_or_added_has_no_score_and_no_concept() -> None:
    for changed in ({"end": GOUT.end + 2}, {"label": "drug", "attributes": {}}):
        (made,) = done(mark(GOUT, **{"attributes": {}, **changed}))
        assert (made.score, made.concepts, made.id) == (None, (), "e1")
        assert made.text == TEXT[made.start : made.end]


def test_what_no_label_declares_goes_along_when_a_boundary_is_moved() -> None:
    (moved,) = done(mark(GOUT, end=GOUT.end + 2))
    assert moved.attributes == GOUT.attributes
    assert moved.attribute_scores == ()


def test_what_was_left_to_a_person_is_settled_when_the_note_is_accepted() -> None:
    left = replace(DRUG, attributes={"review": "yes"})
    assert corrected([mark(left)], TEXT, (left,), LABELS) == (left,)
    for before in (left, DRUG):  # a page that does not know of the first save sends it once more
        assert corrected([mark(left)], TEXT, (before,), LABELS, accepted=True) == (DRUG,)
    assert measured(Document("a", TEXT, (left, replace(GOUT, score=1.0)))).doubt == 0.5


def test_a_detail_of_a_deleted_drug_belongs_to_none() -> None:
    assert done(mark(DOSE)) == (replace(DOSE, attributes={}),)


def test_a_discontinuous_entity_keeps_its_parts() -> None:
    start = TEXT.index("gout")
    parts = (Span(start, start + 2), Span(start + 3, start + 4))
    split = Entity(GOUT.span, "problem", "gout", fragments=parts)
    again = [Mark(split.start, split.end, "problem", fragments=tuple((p.start, p.end) for p in parts))]
    assert corrected(again, TEXT, (split,), LABELS) == (split,)
    assert corrected([mark(split, fragments=())], TEXT, (split,), LABELS) == (split,)
    moved = corrected([mark(split, start=split.start - 1, fragments=())], TEXT, (split,), LABELS)
    assert moved[0].fragments == ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"start": -1}, "does not lie in the text"),
        ({"end": len(TEXT) + 1}, "does not lie in the text"),
        ({"start": GOUT.end}, "does not lie in the text"),
        ({"start": GOUT.end, "end": GOUT.end + 1}, "white space"),
        ({"label": "Zebedee"}, "label"),
        ({"attributes": {"assertion": "Zebedee"}}, "value"),
        ({"attributes": {"Zebedee": "1"}}, "does not declare"),
        ({"attributes": {"section": "Zebedee"}}, "does not declare"),
        ({"fragments": ((0, 2), (4, 5))}, "parts"),
        ({"fragments": ((5, 2), (4, 5))}, "parts"),
    ],
)
def test_what_cannot_be_is_refused_and_not_repeated(changed, said) -> None:
    with pytest.raises(InputError, match=said) as caught:
        done(mark(DRUG), mark(GOUT, **changed))
    assert "Zebedee" not in str(caught.value)
    assert str(caught.value).startswith("entities[1]")


def test_two_entities_are_not_one() -> None:
    with pytest.raises(InputError, match="twice"):
        done(mark(GOUT), mark(GOUT, id="e9", attributes={"assertion": "absent"}))
    with pytest.raises(InputError, match="one id"):
        done(mark(GOUT), mark(DRUG, id="e1"))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip)


@st.composite
def notes(draw) -> tuple[str, list[Mark], list[Mark]]:
    text = draw(TEXTS)
    sets = []
    for _ in range(2):
        places = draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))), max_size=6))
        marks = {
            (min(a, b), max(a, b), label): Mark(min(a, b), max(a, b), label, attributes)
            for a, b in places
            if text[min(a, b) : max(a, b)].strip()
            for label, attributes in [
                draw(
                    st.sampled_from([("drug", {}), ("problem", {}), ("problem", {"assertion": "absent"}), ("dose", {})])
                )
            ]
        }
        sets.append([*marks.values()])
    return text, *sets


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("corrections") / "reviews.sqlite"


@given(note=notes())
def test_corrections_come_back_as_they_were_made(file, note) -> None:
    text, first, second = note
    with Store(file, create=True) as store:
        key = store.listed()[0] + 1
        store.add([Document(f"{key}", text)], labels=LABELS)
        hash = text_hash(text)
        for version, marks in enumerate((first, second, second), 1):
            saved = store.save(key, marks, version=min(version, len(store.history(key))), hash=hash, by="ann")
            stored = store.note(key).document
            assert {(e.start, e.end, e.label, *e.attributes.items()) for e in stored.entities} == {
                (m.start, m.end, m.label, *m.attributes.items()) for m in marks
            }
            assert all(text[e.start : e.end] == e.text for e in stored.entities)
            assert saved.count == len(marks)
        again = [mark(one) for one in stored.entities]
        store.save(key, again, version=store.note(key).version.number, hash=hash, by="ben", state=State.ACCEPTED)
        assert store.note(key).document == stored
        (gold,) = [one for one in store.documents() if one.id == f"{key}"]
        assert gold.entities == stored.entities
