"""The pieces in which a TANL answer is written: what the decoder puts down, and what tuning must train on.

The decoder copies the text a word at a time and puts brackets between words, so it tokenises each piece by itself. A
model tuned on another tokenisation of the same string would be asked about tokens it has never seen in that place;
therefore both take their pieces from here. The ids of an answer are the ids of its pieces, each tokenised alone without
special tokens, one after the other.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from clinspan.document import Entity
from clinspan.formats.tanl import BAR, CLOSE, OPEN, Mark, escape, marks
from clinspan.text.windows import tokens


@dataclass(frozen=True, slots=True)
class Word:
    """A token of the text with the white space before it: where a mention may begin or end.

    Attributes:
        start: first code point of the token in the text.
        end: one past its last.
        gap: the white space between the token before it (or the text's start) and this one.
        written: the token as an answer spells it, escaped, without the gap.
    """

    start: int
    end: int
    gap: str
    written: str


def words(text: str, cuts: Collection[int] = ()) -> tuple[tuple[Word, ...], str]:
    """The words of `text`, and the white space after the last. Linear time.

    Args:
        text: any text.
        cuts: code points before which a token is cut in two, for mentions that begin or end inside one.
    """
    found: list[Word] = []
    at = 0
    for span in tokens(text):
        edges = [span.start, *(cut for cut in range(span.start + 1, span.end) if cut in cuts), span.end]
        for start, end in pairwise(edges):
            found.append(Word(start, end, text[at:start], escape(text[start:end])))
            at = end
    return tuple(found), text[at:]


def spaced(gap: str, written: str) -> tuple[str, ...]:
    """The pieces of `written` after the white space `gap`: one space right before it joins it, the rest stands alone.

    Tokenizers of the byte-pair kind hold most words with the space before them as one token.
    """
    if gap.endswith(" "):
        return (gap[:-1], " " + written) if len(gap) > 1 else (" " + written,)
    return (gap, written) if gap else (written,)


def closing_pieces(label: str) -> tuple[str, ...]:
    """The pieces that close a mention of `label` after its last word."""
    return (f" {BAR}", f" {escape(label)}", f" {CLOSE}")


def answer_pieces(text: str, entities: Sequence[Entity]) -> tuple[str, ...]:
    """The pieces of the right answer for `text`; joined, they are `formats.tanl.render(text, entities)`.

    Tokens of the text are pieces (see `clinspan.text.windows`), cut further where a mention begins or ends inside one.
    An open bracket is a piece and takes the one space before it; the first word after it then has a space of its own.
    A close is three pieces: bar, label, bracket.

    Raises:
        ConfigError: when brackets cannot show the entities (they cross, or one is discontinuous).
    """
    pieces: list[str] = []
    gap = ""
    for written in _stretches(text, marks(entities)):
        if written.isspace():
            gap += written
        else:
            pieces += spaced(gap, written)
            gap = ""
    return (*pieces, gap) if gap else tuple(pieces)


def _stretches(text: str, marks: Sequence[Mark]) -> Iterator[str]:
    """The answer in words, brackets and stretches of white space."""
    at = 0
    for mark in marks:
        yield from _words_and_gaps(text[at : mark.at])
        at = mark.at
        if mark.label is None:
            yield OPEN
            yield " "
        else:
            for piece in closing_pieces(mark.label):
                yield " "
                yield piece[1:]
    yield from _words_and_gaps(text[at:])


def _words_and_gaps(text: str) -> Iterator[str]:
    found, rest = words(text)
    for word in found:
        if word.gap:
            yield word.gap
        yield word.written
    if rest:
        yield rest
