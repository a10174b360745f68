"""The best set without overlap, held against trying every set."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import Entity, Span
from clinspan.fusion.heard import Candidate, Heard, best_apart, chosen

SPANS = st.builds(lambda start, length: Span(start, start + length), st.integers(0, 12), st.integers(1, 5))
GAINS = st.integers(-4, 9).map(lambda tenths: tenths / 8)  # exact sums, so that equal sets are equal


def apart(spans):
    return not any(a.overlaps(b) for a, b in combinations(spans, 2))


@given(st.lists(st.tuples(SPANS, GAINS), max_size=9))
def test_no_other_set_without_overlap_is_better(items):
    spans, gains = [span for span, _ in items], [gain for _, gain in items]
    taken = best_apart(spans, gains)
    assert apart([spans[number] for number in taken])
    assert [spans[number].start for number in taken] == sorted(spans[number].start for number in taken)
    every = (
        sum(gains[number] for number in chosen)
        for size in range(len(items) + 1)
        for chosen in combinations(range(len(items)), size)
        if apart([spans[number] for number in chosen])
    )
    assert sum(gains[number] for number in taken) == max(every)


def test_two_short_ones_may_be_worth_more_than_a_long_one():
    spans = [Span(0, 9), Span(0, 4), Span(5, 9)]
    assert best_apart(spans, [0.5, 0.3, 0.3]) == [1, 2]
    assert best_apart(spans, [0.7, 0.3, 0.3]) == [0]


def test_what_gains_nothing_is_not_taken():
    assert best_apart([Span(0, 1), Span(2, 3)], [0.0, -0.1]) == []


def test_each_span_has_a_gain():
    with pytest.raises(ValueError):
        best_apart([Span(0, 1)], [])


TEXT = "Chronic kidney disease, stage 3b. Gout."
WHOLE, PART, STAGE, GOUT = Span(0, 32), Span(0, 22), Span(24, 32), Span(34, 38)


def heard(*found):
    """Candidates of a text: each a span and a label."""
    entities = [Entity(span, label, span.of(TEXT)) for span, label in found]
    return Heard(TEXT, tuple(Candidate(entity, {"encoder": 0.5}) for entity in entities), (), ())


def test_a_mention_whose_bounds_are_in_doubt_is_not_lost():
    problems = heard((WHOLE, "problem"), (PART, "problem"), (STAGE, "problem"), (GOUT, "problem"))
    assert chosen(problems, [0.42, 0.4, 0.1, 0.3], [0.5] * 4) == {0: pytest.approx(0.92)}
    # One that is likely enough alone stays, and so does what is not likely together.
    assert chosen(problems, [0.3, 0.6, 0.1, 0.7], [0.5] * 4) == {1: 0.6, 3: 0.7}
    assert chosen(problems, [0.3, 0.3, 0.05, 0.4], [0.5] * 4) == {}


def test_another_label_says_nothing_of_a_mention():
    assert chosen(heard((WHOLE, "problem"), (PART, "test")), [0.45, 0.45], [0.5] * 2) == {}


@given(st.lists(st.tuples(SPANS, st.sampled_from(["a", "b"]), st.integers(0, 100)), max_size=9))
def test_what_is_chosen_is_apart_and_holds_the_best_set(items):
    text = "x" * 20
    candidates = tuple(Candidate(Entity(span, label, span.of(text)), {"encoder": None}) for span, label, _ in items)
    own = [hundredths / 100 for _, _, hundredths in items]
    found = chosen(Heard(text, candidates, (), ()), own, [0.5] * len(own))
    assert apart([candidates[number].span for number in found])
    assert set(best_apart([one.span for one in candidates], [p - 0.5 for p in own])) <= set(found)
    assert all(own[number] <= together for number, together in found.items())
