from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.classifier.scheme import Segment, segments, units
from clinspan.document import Entity, Span
from clinspan.text.windows import tokens


def by_pairs(text, size):
    """Offsets of a tokenizer that cuts words into pieces of so many characters, with special tokens around."""
    found, start = [(0, 0)], 0
    for word in text.split(" "):
        found += [(start + i, start + min(i + size, len(word))) for i in range(0, len(word), size)]
        start += len(word) + 1
    return [*found, (0, 0)]


def shown(text, offsets):
    return [(unit.span.of(text), unit.token) for unit in units(text, offsets)]


@pytest.mark.parametrize(
    ("text", "offsets", "expected"),
    [
        ("colon cancer", [(0, 0), (0, 3), (3, 5), (6, 12), (0, 0)], [("colon", 1), ("cancer", 3)]),
        # The tokenizer's space before a word is its own, not the mention's.
        ("colon cancer", [(0, 5), (5, 12)], [("colon", 0), ("cancer", 1)]),
        # Two words in one token have one tag.
        ("(gout).", [(0, 1), (1, 5), (5, 7)], [("(", 0), ("gout", 1), (").", 2)]),
        ("a-b", [(0, 3)], [("a-b", 0)]),
        # What the vocabulary drops still stands in the text.
        ("a \u200b b", [(0, 1), (4, 5)], [("a", 0), ("\u200b", None), ("b", 1)]),
        ("β2 😀 x", [(0, 1), (1, 2), (3, 4), (5, 6)], [("β2", 0), ("😀", 2), ("x", 3)]),
        ("", [(0, 0), (0, 0)], []),
        ("a b", [], [("a", None), ("b", None)]),
    ],
)
def test_words_find_their_token(text, offsets, expected):
    assert shown(text, offsets) == expected


@given(st.text(max_size=60), st.integers(1, 5))
def test_every_character_lies_in_one_unit(text, size):
    found = units(text, by_pairs(text, size))
    assert all(a.span.end <= b.span.start for a, b in pairwise(found))
    words = tokens(text)
    assert {w.start for w in words} >= {unit.span.start for unit in found}
    assert all(sum(unit.span.contains(word) for unit in found) == 1 for word in words)
    spoken = [unit.token for unit in found if unit.token is not None]
    assert spoken == sorted(set(spoken))


def entity(text, mention, label="disease"):
    start = text.index(mention)
    return Entity(Span(start, start + len(mention)), label, mention)


def test_mentions_are_widened_to_words_and_the_longest_stays():
    text = "He had non-small cell lung cancer, no gout."
    found = units(text, by_pairs(text, 3))
    marked = segments(
        found,
        [entity(text, "lung cancer"), entity(text, "on-small cell lung can"), entity(text, "gout")],
    )
    places = [text[found[s.first].span.start : found[s.end - 1].span.end] for s in marked]
    assert places == ["non-small cell lung cancer", "gout"]


def test_a_mention_without_a_word_is_passed_over():
    text = "a b"
    assert segments(units(text, [(0, 1), (2, 3)]), [Entity(Span(1, 2), "disease", " ")]) == ()
    assert segments((), [Entity(Span(0, 1), "disease", "a")]) == ()
    assert segments(units(text, [(0, 1), (2, 3)]), [Entity(Span(2, 3), "x", "b")]) == (Segment(1, 2, "x"),)
