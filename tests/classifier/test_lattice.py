import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clinspan.classifier.scheme import LONGEST, Head, Segment, decode, lattice

HEAD = Head(("chemical", "disease"))


@st.composite
def segmented(draw):
    """A number of units, and segments on them that do not overlap."""
    count = draw(st.integers(1, 40))
    cuts = sorted(draw(st.sets(st.integers(0, count), max_size=12)))
    runs = [(a, b) for a, b in itertools.pairwise(cuts) if b - a <= LONGEST]
    kept = [run for run in runs if draw(st.booleans())]
    return count, [Segment(a, b, draw(st.sampled_from(HEAD.labels))) for a, b in kept]


def certain(outputs):
    """Log-probabilities that are next to sure of these tags."""
    rows = np.full((len(outputs), HEAD.end), math.log(1e-9))
    rows[np.arange(len(outputs)), outputs] = math.log(1 - (HEAD.end - 1) * 1e-9)
    return rows


@given(segmented())
def test_what_was_encoded_is_decoded(made):
    count, segments = made
    found = decode(lattice(certain(HEAD.encode(segments, count))))
    assert [Segment(f.first, f.end, HEAD.labels[f.label]) for f in found] == segments
    assert all(f.score > 0.999 for f in found)


def ways(count):
    """All ways through so many units: lists of (first, end, label)."""
    if count == 0:
        return [[]]
    found = [list(way) for way in ways(count - 1)]
    for first in range(count):
        found += [[*way, (first, count, label)] for way in ways(first) for label in range(2)]
    return found


@given(st.integers(1, 5).flatmap(lambda n: arrays(np.float64, (n, HEAD.end), elements=st.floats(-6, 0))))
def test_the_best_way_and_its_probabilities_are_those_of_counting_every_way(tags):
    scored = lattice(tags)

    def worth(way):
        inside = {i for first, end, _ in way for i in range(first, end)}
        outside = sum(tags[i, 0] for i in range(len(tags)) if i not in inside)
        tagged = 0.0
        for first, end, label in way:
            outputs = HEAD.encode([Segment(first, end, HEAD.labels[label])], len(tags))
            tagged += sum(tags[i, outputs[i]] for i in range(first, end))
        return outside + tagged

    everything = [(way, worth(way)) for way in ways(len(tags))]
    whole = sum(math.exp(value) for _, value in everything)
    found = decode(scored)
    assert worth([(f.first, f.end, f.label) for f in found]) == pytest.approx(max(value for _, value in everything))
    for f in found:
        place = (f.first, f.end, f.label)
        share = sum(math.exp(value) for way, value in everything if place in way) / whole
        assert f.score == pytest.approx(share)


def test_a_mention_may_not_be_longer_than_the_longest():
    whole = HEAD.encode([Segment(0, LONGEST + 1, "disease")], LONGEST + 1)
    assert all(f.end - f.first <= LONGEST for f in decode(lattice(certain(whole))))
