"""Attributes of mentions: their outputs, their targets, and what a reading says."""

import math

import numpy as np
import pytest

from clinspan.classifier.model import WindowTags, mentions
from clinspan.classifier.scheme import AttributeHead, Head, Unit, attribute_heads, names_of
from clinspan.document import Span
from clinspan.errors import ConfigError
from clinspan.messages import CopyConstraint

ASSERTION = AttributeHead("assertion", ("present", "absent"), ("problem",), 5)


def test_heads_of_one_name_share_their_outputs_and_stand_after_the_tags():
    given = [
        AttributeHead("assertion", ("present", "absent"), ("problem",), 0),
        AttributeHead("side", ("left", "right"), ("problem",), 0),
        AttributeHead("assertion", ("present", "absent"), ("disease",), 0),
    ]
    assertion, side = attribute_heads(given, 5)
    assert (assertion.first, assertion.end, assertion.labels) == (5, 7, ("problem", "disease"))
    assert (side.first, side.end) == (7, 9)
    assert names_of([Head(("problem",))], [assertion])[-2:] == ("assertion=present", "assertion=absent")


def test_one_name_with_two_sets_of_values_is_refused():
    other = AttributeHead("assertion", ("yes", "no"), ("disease",), 0)
    with pytest.raises(ConfigError, match="'assertion' has the values present, absent in one label set and yes, no"):
        attribute_heads([ASSERTION, other], 5)


def test_a_mention_has_the_value_that_its_words_say_together():
    text = "no chest pain"
    units = tuple(Unit(Span(a, b), i) for i, (a, b) in enumerate([(0, 2), (3, 8), (9, 13)]))
    head = Head(("problem",))
    tags = np.full((3, 5), -9.0)
    tags[0, 0] = tags[1, 1] = tags[2, 3] = -0.01  # O B E
    said = np.log(np.array([[0.9, 0.1], [0.6, 0.4], [0.1, 0.9]]))
    reading = WindowTags(units, tags, {"assertion": said})
    (found,) = mentions(reading, head, CopyConstraint(text, ("problem",)), [ASSERTION])
    assert (found.text, dict(found.attributes)) == ("chest pain", {"assertion": "absent"})
    assert math.isclose(said[1:, 1].sum(), math.log(0.36))


def test_no_mention_runs_over_a_blank_line():
    text = "chest\n\npain"
    units = (Unit(Span(0, 5), 0), Unit(Span(7, 11), 1))
    head = Head(("problem",))
    tags = np.full((2, 5), -9.0)
    tags[0, 1] = tags[1, 3] = -0.01  # B E
    found = mentions(WindowTags(units, tags), head, CopyConstraint(text, ("problem",)))
    assert all("\n\n" not in one.text for one in found)
    wrapped = mentions(WindowTags(units, tags), head, CopyConstraint("chest\n pain", ("problem",)))
    assert [one.text for one in wrapped] == ["chest\n pain"]
