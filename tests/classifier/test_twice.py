"""An encoder that reads a window twice, whole and sentence by sentence, and what both readings say together."""

import math

import numpy as np
import pytest

from clinspan.classifier.folder import named, read_card
from clinspan.classifier.model import WindowTags, mentions
from clinspan.classifier.scheme import Head, Segment, Unit
from clinspan.document import Span
from clinspan.llms.encoder import EncoderLLM, TwiceEncoder, agreed
from clinspan.messages import CopyConstraint, Request
from clinspan.text.windows import tokens

HEAD = Head(("chemical", "disease"))
TEXT = "She has gout. Ataxia after aspirin."
PARTS = (Span(0, 13), Span(14, 35))


def reading(text, *named_here, sure=0.9):
    """What a classifier says that gives the tags of these single words this probability."""
    units = tuple(Unit(span, i) for i, span in enumerate(tokens(text)))
    words = [unit.span.of(text) for unit in units]
    segments = [Segment(words.index(word), words.index(word) + 1, label) for word, label in named_here]
    tags = np.full((len(units), HEAD.end), math.log((1 - sure) / (HEAD.end - 1)))
    tags[np.arange(len(units)), HEAD.encode(segments, len(units))] = math.log(sure)
    return WindowTags(units, tags)


def halves(*named_in, sure=0.9):
    return [(span, reading(span.of(TEXT), *named, sure=sure)) for span, named in zip(PARTS, named_in, strict=True)]


def said(whole, parts, **options):
    found = mentions(agreed(whole, parts), HEAD, CopyConstraint(TEXT, HEAD.labels, **options))
    return {(entity.start, entity.text, entity.label): entity.score for entity in found}


GOUT, ATAXIA, ASPIRIN = ("gout", "disease"), ("Ataxia", "disease"), ("aspirin", "chemical")


def test_what_both_readings_see_is_found_where_it_stands():
    found = said(reading(TEXT, GOUT, ATAXIA, ASPIRIN), halves([GOUT], [ATAXIA, ASPIRIN]))
    assert list(found) == [(8, "gout", "disease"), (14, "Ataxia", "disease"), (27, "aspirin", "chemical")]
    assert all(score > 0.8 for score in found.values())


def test_of_two_that_differ_the_surer_reading_decides():
    assert list(said(reading(TEXT, GOUT, sure=0.95), halves([], [], sure=0.6))) == [(8, "gout", "disease")]
    assert said(reading(TEXT, sure=0.95), halves([GOUT], [], sure=0.6)) == {}


def test_each_unit_has_the_mean_of_both_probabilities():
    whole, parts = reading(TEXT, GOUT, sure=0.9), halves([], [ATAXIA], sure=0.7)
    apart = np.concatenate([part.tags for _, part in parts])
    both = agreed(whole, parts)
    assert both.units == whole.units
    assert np.exp(both.tags) == pytest.approx((np.exp(whole.tags) + np.exp(apart)) / 2)


def test_a_unit_that_the_parts_cut_otherwise_keeps_what_the_whole_says():
    whole = reading(TEXT, GOUT, ASPIRIN)
    both = agreed(whole, [(PARTS[0], reading(PARTS[0].of(TEXT)))])
    assert both.tags[4:] == pytest.approx(whole.tags[4:])
    assert both.tags[2] != pytest.approx(whole.tags[2])
    assert agreed(whole, []).tags == pytest.approx(whole.tags)


def answered(encoder, text, **options):
    (answer,) = encoder.complete([Request((), constraint=CopyConstraint(text, ("disease",), **options))])
    return {span.span.of(text): span.score for span in answer.spans}


def test_a_shipped_encoder_reads_as_its_card_says_and_is_named_for_it():
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    folder = named("literature")
    assert read_card(folder).twice
    twice = EncoderLLM.opened(folder)
    assert isinstance(twice, TwiceEncoder)
    assert twice.name.endswith(":twice")
    once = EncoderLLM(twice.classifier)
    first, second = "Gout was denied.", "Colon cancer was found."
    for options in ({}, {"consider": 0.02}):
        assert answered(twice, first, **options) == answered(once, first, **options)
    text, (head,) = f"{first} {second}", [head for head in once.classifier.heads if head.labels == ("disease",)]
    whole, *alone = once.classifier.read([once.classifier.encode(part) for part in (text, first, second)], [head] * 3)
    parts = [(Span(0, len(first)), alone[0]), (Span(len(first) + 1, len(text)), alone[1])]
    expected = mentions(agreed(whole, parts), head, CopyConstraint(text, ("disease",), consider=0.02))
    found = answered(twice, text, consider=0.02)
    assert "Colon cancer" in found
    assert found == {entity.text: entity.score for entity in expected}
    assert found != answered(once, text, consider=0.02)
