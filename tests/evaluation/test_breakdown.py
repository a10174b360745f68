import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import Document, Entity, Span
from clinspan.evaluation import Kind, break_down, pair, score

TEXT = "".join(chr(97 + n % 26) for n in range(60))


def doc(*entities, id="1", alternatives=()):
    made = []
    for label, *spans in entities:
        spans = [Span(*span) for span in spans]
        hull = Span(spans[0].start, spans[-1].end)
        made.append(Entity(hull, label, hull.of(TEXT), fragments=tuple(spans) if len(spans) > 1 else ()))
    return Document(id, TEXT, tuple(made), metadata={"alternatives": [list(a) for a in alternatives]})


def kinds(gold, predicted, **settings):
    found = break_down(pair([gold], [predicted], labels=["a", "b"]), **settings)
    return {kind: count for kind, count in found.counts.items() if count}


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ([("a", (0, 5))], [("a", (0, 5))], {}),
        ([("a", (0, 5))], [], {Kind.MISSED: 1}),
        ([], [("a", (0, 5))], {Kind.SPURIOUS: 1}),
        ([("a", (0, 5))], [("a", (6, 9))], {Kind.MISSED: 1, Kind.SPURIOUS: 1}),
        ([("a", (0, 5))], [("a", (1, 5))], {Kind.LEFT: 1}),
        ([("a", (0, 5))], [("a", (0, 4))], {Kind.RIGHT: 1}),
        ([("a", (2, 5))], [("a", (0, 9))], {Kind.BOTH: 1}),
        ([("a", (0, 2), (4, 6))], [("a", (0, 6))], {Kind.PARTS: 1}),
        ([("a", (0, 5))], [("b", (0, 5))], {Kind.TYPE: 1}),
        ([("a", (0, 5))], [("b", (0, 4))], {Kind.TYPE_AND_BOUNDARY: 1}),
        # the same place comes before the same label, and that before any overlap
        ([("a", (0, 5))], [("b", (0, 5)), ("a", (0, 4))], {Kind.TYPE: 1, Kind.SPURIOUS: 1}),
        ([("a", (0, 5))], [("b", (0, 4)), ("a", (4, 9))], {Kind.BOTH: 1, Kind.SPURIOUS: 1}),
        ([("a", (0, 9))], [("a", (0, 3)), ("a", (2, 9))], {Kind.LEFT: 1, Kind.SPURIOUS: 1}),
        # given twice is given once; a nested one is an entity of its own
        ([("a", (0, 9))], [("a", (0, 9)), ("a", (0, 9)), ("a", (2, 4))], {Kind.SPURIOUS: 1}),
        # another label is not looked at
        ([("c", (0, 9))], [("c", (20, 29))], {}),
    ],
)
def test_kinds(gold, predicted, expected):
    assert kinds(doc(*gold), doc(*predicted)) == expected


def test_alternative_places_are_no_errors_where_that_is_the_rule():
    gold, predicted = doc(("a", (0, 5)), alternatives=[(2, 5)]), doc(("a", (2, 5)))
    assert kinds(gold, predicted) == {Kind.LEFT: 1}
    assert kinds(gold, predicted, alternatives=True) == {}
    assert kinds(gold, doc(("a", (3, 5))), alternatives=True) == {Kind.LEFT: 1}


def test_examples_are_as_many_as_asked_for_with_text_around_and_by_label():
    gold = [doc(("a", (10, 15)), id=str(n)) for n in range(4)]
    predicted = [doc(("a", (10, 14)), id="0"), doc(("b", (10, 15)), id="1"), doc(id="2"), doc(id="3")]
    found = break_down(pair(gold, predicted, labels=["a", "b"]), examples=1, context=4)
    assert [(one.kind, one.document) for one in found.examples] == [
        (Kind.MISSED, "2"),
        (Kind.RIGHT, "0"),
        (Kind.TYPE, "1"),
    ]
    right = found.examples[1]
    assert (right.before, right.text, right.after) == (TEXT[6:10], TEXT[10:15], TEXT[15:19])
    assert (right.gold.text, right.predicted.text) == (TEXT[10:15], TEXT[10:14])
    assert found.by_label["a"][Kind.MISSED] == 2
    assert sum(found.by_label["b"].values()) == 0
    assert break_down(pair(gold, predicted, labels=["a"]), examples=0).examples == ()


ENTITIES = st.lists(
    st.tuples(st.sampled_from("ab"), st.tuples(st.integers(0, 20), st.integers(1, 9)).map(lambda p: (p[0], sum(p)))),
    max_size=8,
)


@given(ENTITIES, ENTITIES, st.integers(0, 9))
def test_every_entity_that_is_not_right_is_in_one_error_whatever_the_order(gold, predicted, seed):
    found = kinds(doc(*gold), doc(*predicted))
    strict = score([doc(*gold)], [doc(*predicted)], labels=["a", "b"]).micro
    paired = sum(count for kind, count in found.items() if kind not in (Kind.MISSED, Kind.SPURIOUS))
    assert paired + found.get(Kind.MISSED, 0) == strict.gold - strict.found
    assert paired + found.get(Kind.SPURIOUS, 0) == strict.predicted - strict.found
    shuffler = random.Random(seed)
    shuffled = [shuffler.sample(side, len(side)) for side in (gold, predicted)]
    assert kinds(doc(*shuffled[0]), doc(*shuffled[1])) == found
