r"""Lines of a note and what they are: prose that goes on, list items, table rows, headings.

Clinical notes carry much of their meaning in line breaks, which sentence segmenters made for running text ignore or
take for spaces. Here the lines are put together to blocks, each of which a segmenter may read as running text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import regex

from clinspan.document import Span


class BlockKind(StrEnum):
    """What a block of lines is."""

    PROSE = "prose"
    ITEM = "item"
    ROW = "row"
    HEADING = "heading"


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together, without the white space around them.

    Attributes:
        paragraph: True when an empty line, or the start of the text, stands before it.
    """

    span: Span
    kind: BlockKind
    paragraph: bool


_LINE = regex.compile(r"[^\r\n\v\f\x85\u2028\u2029]*(?:\r\n|[\r\n\v\f\x85\u2028\u2029]|$)")
_ITEM = regex.compile(
    r"(?:[-*+•◦▪‣·–—o>]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,4})[.)]|\d{1,3}\)|\[[ xX]?\]|#\d*\.?)(?=[ \t\xa0])|•|▪"
)
_CELL_GAP = regex.compile(r"\S(?:[ \xa0]*\t\s*|[ \xa0]{3,}|[ \xa0]*\|[ \xa0]*)(?=\S)")
_RULE = regex.compile(r"[-=_*+|:.~#\s]{3,}")
_ENDS = regex.compile(r"[.!?:;…。！？][\"'”’»)\]]*$")
_GOES_ON = regex.compile(
    r"(?:,|\b(?:and|or|of|the|a|an|with|to|for|in|on|at|by|from|is|was|were|are|no|per|vs\.?)|[-–/(])$"
)
_HEADING_WORDS = 8
_WRAP_LEAST = 55
_WRAP_MOST = 160


def blocks(text: str) -> tuple[Block, ...]:
    """The blocks of `text` in order; every code point that is not white space lies in exactly one. Linear time."""
    return tuple(_join(text, list(_lines(text))))


@dataclass(frozen=True, slots=True)
class _Line:
    span: Span
    kind: BlockKind
    indent: int


def _lines(text: str) -> Iterator[_Line | None]:
    """Each line without its outer white space; None for an empty one."""
    at = 0
    while at < len(text):
        found = _LINE.match(text, at)
        assert found is not None
        line = found.group()
        at = found.end()
        words = line.strip()
        if not words:
            yield None
            continue
        indent = len(line) - len(line.lstrip())
        start = found.start() + indent
        yield _Line(Span(start, start + len(words)), _kind(words), indent)


def _kind(words: str) -> BlockKind:
    if _RULE.fullmatch(words) or _CELL_GAP.search(words):
        return BlockKind.ROW
    if _ITEM.match(words):
        return BlockKind.ITEM
    few = len(words.split(None, _HEADING_WORDS)) <= _HEADING_WORDS
    if few and (words.endswith(":") or (words.isupper() and not _ENDS.search(words) and len(words) > 3)):
        return BlockKind.HEADING
    return BlockKind.PROSE


def _join(text: str, lines: list[_Line | None]) -> Iterator[Block]:
    width = _width(lines)
    start: int | None = None
    last: _Line | None = None
    kind, paragraph, after_gap = BlockKind.PROSE, True, True
    for line in lines:
        if line is None:
            after_gap = True
            continue
        if start is None or last is None:
            start, kind, paragraph = line.span.start, line.kind, True
        elif after_gap or not _continues(text, last, line, kind, width):
            yield Block(Span(start, last.span.end), kind, paragraph)
            start, kind, paragraph = line.span.start, line.kind, after_gap
        last, after_gap = line, False
    if start is not None and last is not None:
        yield Block(Span(start, last.span.end), kind, paragraph)


def _width(lines: list[_Line | None]) -> int:
    """The column at which the note is wrapped, were it wrapped: its longest line, within reason."""
    longest = (line.indent + len(line.span) for line in lines if line is not None)
    return max((length for length in longest if length <= _WRAP_MOST), default=0)


def _continues(text: str, last: _Line, line: _Line, kind: BlockKind, width: int) -> bool:
    """Whether `line` goes on with the block that `last` ends."""
    if line.kind in (BlockKind.ITEM, BlockKind.ROW) or kind in (BlockKind.ROW, BlockKind.HEADING):
        return False
    before, words = last.span.of(text), line.span.of(text)
    if _GOES_ON.search(before):
        return True
    if line.kind is BlockKind.HEADING:
        return False
    if words[0].islower() and not _ENDS.search(before):
        return True
    first_word = len(words.split(None, 1)[0])
    return len(last.span) >= _WRAP_LEAST and last.indent + len(last.span) + 1 + first_word > width
