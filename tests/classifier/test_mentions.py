import math

import numpy as np
import pytest

from clinspan.classifier.model import WindowTags, mentions
from clinspan.classifier.scheme import Head, Segment, Unit
from clinspan.document import Span
from clinspan.messages import Candidate, CopyConstraint
from clinspan.text.windows import tokens

TEXT = "Gout, then ataxia after aspirin."
HEAD = Head(("chemical", "disease"))
UNITS = tuple(Unit(span, i) for i, span in enumerate(tokens(TEXT)))


def reading(*segments, sure=0.9):
    """What a classifier says that gives each tag of these segments this probability."""
    tags = np.full((len(UNITS), HEAD.end), math.log((1 - sure) / (HEAD.end - 1)))
    tags[np.arange(len(UNITS)), HEAD.encode(segments, len(UNITS))] = math.log(sure)
    return WindowTags(UNITS, tags)


def found(read, **options):
    labels = options.pop("labels", HEAD.labels)
    return [(e.text, e.label) for e in mentions(read, HEAD, CopyConstraint(TEXT, labels, **options))]


GOUT, ATAXIA, ASPIRIN = Segment(0, 1, "disease"), Segment(3, 4, "disease"), Segment(5, 6, "chemical")


def test_mentions_stand_where_they_say_and_have_probabilities():
    entities = mentions(reading(GOUT, ASPIRIN), HEAD, CopyConstraint(TEXT, HEAD.labels))
    assert [(e.start, e.end, e.text, e.label) for e in entities] == [
        (0, 4, "Gout", "disease"),
        (24, 31, "aspirin", "chemical"),
    ]
    assert all(0.8 < e.score <= 1 for e in entities)


def test_labels_that_were_not_asked_for_are_left_out():
    assert found(reading(GOUT, ASPIRIN), labels=("chemical",)) == [("aspirin", "chemical")]


@pytest.mark.parametrize(
    ("dials", "expected"),
    [
        ({"open_bias": -9.0}, []),
        ({"label_bias": {"chemical": -9.0}}, [("Gout", "disease")]),
        ({"open_bias": 2.0}, [("Gout", "disease"), ("aspirin", "chemical")]),
    ],
)
def test_dials_raise_and_lower(dials, expected):
    assert found(reading(GOUT, ASPIRIN), **dials) == expected


def candidate(mention, *labels):
    start = TEXT.index(mention)
    return Candidate(Span(start, start + len(mention)), labels)


def test_a_preferred_candidate_needs_less():
    unsure = reading(GOUT, sure=0.4)
    unsure.tags[3] = np.log([0.5, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.43])
    assert found(unsure) == [("Gout", "disease")]
    preferred = {"candidates": (candidate("ataxia", "disease"),), "candidate_bias": 1.0}
    assert found(unsure, candidate_mode="prefer", **preferred) == [("Gout", "disease"), ("ataxia", "disease")]
    assert found(unsure, candidate_mode="off", **preferred) == [("Gout", "disease")]


def test_only_candidates_can_be_found_where_the_constraint_says_so():
    sure = reading(GOUT, ASPIRIN)
    given = (candidate("Gout", "disease"), candidate("aspirin", "disease"), candidate("ataxia", "disease"))
    assert found(sure, candidate_mode="only", candidates=given) == [("Gout", "disease")]
    assert found(sure, candidate_mode="only") == []
    assert found(sure, candidate_mode="only", candidates=given, candidate_bias=20.0) == [
        ("Gout", "disease"),
        ("ataxia", "disease"),
        ("aspirin", "disease"),
    ]


def test_nothing_is_found_in_nothing():
    assert mentions(WindowTags((), np.zeros((0, HEAD.end))), HEAD, CopyConstraint(" ", HEAD.labels)) == []
