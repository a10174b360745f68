"""The pieces of an answer are the answer, whatever the text and its entities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.decoding import answer_pieces, spaced, words
from clinspan.document import Entity, Span
from clinspan.errors import ConfigError
from clinspan.formats.tanl_marks import escape, marks, render, unescape

TEXT = st.text(
    st.one_of(st.sampled_from(list("ab1 .\n\t [|]\\\u0301\u3000é😀漢")), st.characters(codec="utf-8")), max_size=60
)
LABEL = st.sampled_from(["disease", "semantic type", "a|b", "[x]", "\\"])


def entity(text, start, end, label="disease"):
    return Entity(Span(start, end), label, text[start:end])


@st.composite
def annotated(draw):
    """A text and entities on it that nest and never cross."""
    text = draw(TEXT)
    entities = []
    for _ in range(draw(st.integers(0, 5))):
        if len(text) < 2:
            break
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        new = entity(text, start, end, draw(LABEL))
        apart = [e for e in entities if e.span.overlaps(new.span)]
        if all(e.span.contains(new.span) or new.span.contains(e.span) for e in apart):
            entities.append(new)
    return text, tuple(entities)


@given(annotated())
def test_pieces_joined_are_the_rendered_answer(case):
    text, entities = case
    assert "".join(answer_pieces(text, entities)) == render(text, entities)


@given(annotated())
def test_every_piece_is_a_word_or_white_space(case):
    for piece in answer_pieces(*case):
        assert piece
        assert piece.isspace() or not piece.removeprefix(" ")[0].isspace()


@given(TEXT)
def test_escapes_are_undone_exactly(text):
    written = escape(text)
    plain, places = unescape(written)
    assert plain == text
    assert [written[place] for place in places] == list(text)


@given(TEXT)
def test_words_and_gaps_cover_the_text(text):
    found, rest = words(text)
    assert "".join(word.gap + text[word.start : word.end] for word in found) + rest == text
    assert all(word.gap == "" or word.gap.isspace() for word in found)


@pytest.mark.parametrize(
    ("text", "spans", "pieces"),
    [
        ("the HTN is", [(4, 7)], ["the", " [", " HTN", " |", " disease", " ]", " is"]),
        ("(HTN)", [(1, 4)], ["(", "[", " HTN", " |", " disease", " ]", ")"]),
        ("HTN", [(0, 3)], ["[", " HTN", " |", " disease", " ]"]),
        ("a  b\nc ", [], ["a", " ", " b", "\n", "c", " "]),
        ("x\n\n HTN", [(4, 7)], ["x", "\n\n", " [", " HTN", " |", " disease", " ]"]),
        ("renal failure", [(0, 13)], ["[", " renal", " failure", " |", " disease", " ]"]),
        (
            "acute renal failure",
            [(0, 19), (6, 11)],
            ["[", " acute", " [", " renal", " |", " disease", " ]", " failure", " |", " disease", " ]"],
        ),
        ("MI", [(0, 2), (0, 2)], ["[", " [", " MI", " |", " disease", " ]", " |", " disease", " ]"]),
        ("a[1]", [], ["a", "\\[", "1", "\\]"]),
        ("adenoma", [(3, 7)], ["ade", "[", " noma", " |", " disease", " ]"]),
        ("", [], []),
    ],
)
def test_pieces(text, spans, pieces):
    assert list(answer_pieces(text, [entity(text, *span) for span in spans])) == pieces


def test_of_two_mentions_on_one_span_the_first_given_is_outer():
    text = "MI"
    answer = render(text, [entity(text, 0, 2, "problem"), entity(text, 0, 2, "disease")])
    assert answer == "[ [ MI | disease ] | problem ]"


def test_mentions_that_cross_are_refused():
    text = "acute renal failure"
    with pytest.raises(ConfigError, match=r"cross, disease 'acute renal' at 0-11 and disease 'renal failure' at 6-19"):
        marks([entity(text, 0, 11), entity(text, 6, 19)])


def test_discontinuous_mentions_are_refused():
    text = "left and right pain"
    split = Entity(Span(0, 19), "disease", text, fragments=(Span(0, 4), Span(15, 19)))
    with pytest.raises(ConfigError, match="discontinuous"):
        marks([split])


@pytest.mark.parametrize(
    ("gap", "pieces"),
    [("", ("x",)), (" ", (" x",)), ("\n", ("\n", "x")), ("\n ", ("\n", " x")), ("  ", (" ", " x"))],
)
def test_one_space_joins_the_word_after_it(gap, pieces):
    assert spaced(gap, "x") == pieces
