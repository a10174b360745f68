"""The best set without overlap, held against trying every set."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import Span
from clinspan.fusion.heard import best_apart

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
