"""Mentions of labels that were each read by a description."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.classifier.model import WindowTags, after, described_mentions
from clinspan.classifier.scheme import ASKED, Head, Lattice, Segment, Unit, decode, lattice, together
from clinspan.document import Span
from clinspan.messages import CopyConstraint
from clinspan.text.windows import tokens

TEXT = "Gout, then ataxia after aspirin."
UNITS = tuple(Unit(span, i + 1) for i, span in enumerate(tokens(TEXT)))
HEAD = Head((ASKED,))


def reading(*places, sure=0.9):
    tags = np.full((len(UNITS), HEAD.end), math.log((1 - sure) / (HEAD.end - 1)))
    wanted = HEAD.encode([Segment(first, end, ASKED) for first, end in places], len(UNITS))
    tags[np.arange(len(UNITS)), wanted] = math.log(sure)
    return WindowTags(UNITS, tags)


def found(*readings, labels=("drug", "disease"), **dials):
    return [(e.text, e.label) for e in described_mentions(readings, CopyConstraint(TEXT, labels, **dials))]


def test_each_label_is_found_by_its_own_reading():
    assert found(reading((5, 6)), reading((0, 1), (3, 4))) == [
        ("Gout", "disease"),
        ("ataxia", "disease"),
        ("aspirin", "drug"),
    ]


def test_of_labels_that_claim_one_place_the_surer_has_it():
    assert found(reading((5, 6), sure=0.7), reading((5, 6), sure=0.95)) == [("aspirin", "disease")]
    assert found(reading((5, 6), sure=0.95), reading((5, 6), sure=0.7)) == [("aspirin", "drug")]


def test_dials_hold_for_each_label():
    both = reading((5, 6)), reading((0, 1))
    assert found(*both, label_bias={"drug": -20.0}) == [("Gout", "disease")]
    assert found(*both, open_bias=-20.0) == []


def test_a_window_without_words_has_no_mention():
    empty = WindowTags((), np.zeros((0, HEAD.end)))
    assert described_mentions([empty, empty], CopyConstraint(" ", ("drug", "disease"))) == []


def test_a_description_stands_before_the_window_and_moves_its_tokens():
    ids, units = after([7, 8], ([101, 5, 6, 102], (Unit(Span(0, 1), 1), Unit(Span(2, 3), None))))
    assert ids == [101, 7, 8, 102, 5, 6, 102]
    assert units == (Unit(Span(0, 1), 4), Unit(Span(2, 3), None))
    assert ids[units[0].token] == 5


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_one_label_alone_is_decided_as_by_its_own_lattice(count, seed):
    random = np.random.default_rng(seed)
    tags = random.normal(size=(count, HEAD.end))
    tags -= np.log(np.exp(tags).sum(axis=1, keepdims=True))
    alone, joint = decode(lattice(tags)), decode(together([lattice(tags)]))
    assert [(f.first, f.end) for f in alone] == [(f.first, f.end) for f in joint]
    assert [f.score for f in joint] == pytest.approx([f.score for f in alone])


def test_no_mention_runs_past_the_window():
    joint = together([Lattice(np.zeros(2), np.array([[[1.0], [1.0]], [[1.0], [-np.inf]]]))])
    assert joint.mentions[1, 1, 0] == -np.inf
