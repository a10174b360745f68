"""Sentences and sections of clinical text.

Lines are read first (lists, tables, headings), running text by a segmenter. Sections begin at headings: in capitals, as
titles, underlined, numbered, or run in.

Why this segmenter, with the figures, is in docs/decisions/segmenter.md. A missed boundary costs a longer window; a
false one may cut a mention. So where the two are in doubt, the boundary is left out.
"""

import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

import regex
import sentencex

from clinspan.document import Span
from clinspan.text.placeholders import as_words


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


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, list item, table row or heading, without the white space around it.

    Attributes:
        heading: True when it names what follows and says nothing by itself.
        paragraph: True when an empty line, or the start of the text, stands before it.
    """

    span: Span
    heading: bool = False
    paragraph: bool = False


_BREAK = regex.compile(r"[\r\n\v\f\x85\u2028\u2029\t]")
_MARKER = regex.compile(r"\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)]")
# Abbreviations of clinical text after which a sentence goes on, whatever follows.
_NEVER_LAST = regex.compile(
    r"(?:^|[\s(\[/])(?:dr|drs|mr|mrs|ms|prof|vit|approx|ca|cf|vs|fig|figs|ref|refs|st|e\.g|i\.e|viz|spp|subsp|var|incl"
    r"|excl|esp|avg|max|min)\.$",
    flags=regex.IGNORECASE,
)
# Those that may end a sentence: one ends there only if a capital follows.
_MAYBE_LAST = regex.compile(
    r"(?:^|[\s(\[/])(?:p\.?o|b\.?i\.?d|t\.?i\.?d|q\.?i\.?d|q\.?d|q\.?o\.?d|q\.?[ahp]\.?[ms]|h\.s|p\.?r\.?n|p\.?r|s\.?c|i\.?m"
    r"|i\.?v|s\.?l|a\.?c|p\.?c|q\.?\d{1,2}(?:-\d{1,2})?\.?h|a\.m|p\.m|etc|et al|no|nos|dept|hosp|wnl|inc|mg|ml|kg|cm|mm"
    r"|pt|pts|hx|dx|rx|tx|sx|fx|resp|temp|sat|sats|sp|gen|neg|pos|diff|tab|tabs|cap|caps|inj|susp|soln|qty|disp|wt|ht"
    r"|wk|wks|mo|mos|yr|yrs|hr|hrs|mins|sec|secs|lat|med|ant|post|sup|inf|prox|dist|bilat|ext|epi|abd|neuro|creat)\.$",
    flags=regex.IGNORECASE,
)
# Letters between slashes ("N/V/D.", "b/l.") look like initials to a segmenter, which then sees no end.
_SLASHED_END = regex.compile(r"(?<=/\p{L}\.)\s+(?=[\p{Lu}+])")
_CAPITAL_NEXT = regex.compile(r"[\"'“‘(\[]*\p{Lu}")


def sentences(text: str) -> tuple[Sentence, ...]:
    """The sentences of `text` in order; every code point that is not white space lies in exactly one. Linear time."""
    # What was removed may have had stops and line ends in it, which end nothing.
    return tuple(_sentences(as_words(text)))


def _sentences(text: str) -> Iterator[Sentence]:
    for block in blocks(text):
        if block.kind in (BlockKind.HEADING, BlockKind.ROW):
            yield Sentence(block.span, heading=block.kind is BlockKind.HEADING, paragraph=block.paragraph)
            continue
        paragraph = block.paragraph
        for span in _running(text, block.span):
            yield Sentence(span, paragraph=paragraph)
            paragraph = False


def _running(text: str, block: Span) -> Iterator[Span]:
    """The sentences of running text that may be wrapped at line ends."""
    # A line end in running text is a space to the segmenter; the replacement keeps every offset.
    flat = _BREAK.sub(" ", block.of(text))
    start = 0
    for end in _boundaries(flat):
        if end < len(flat) and _goes_on(flat, start, end):
            continue
        piece = flat[start:end]
        if piece.strip():
            lead = len(piece) - len(piece.lstrip())
            yield Span(block.start + start + lead, block.start + start + len(piece.rstrip()))
        start = end


def _boundaries(flat: str) -> Iterator[int]:
    """Ends of the segmenter's sentences in `flat`, and those it takes for initials; the last is its length."""
    at = 0
    for end in _segment(flat):
        yield from (found.start() for found in _SLASHED_END.finditer(flat, at, end))
        yield end
        at = end
    if at < len(flat):
        yield len(flat)


def _segment(flat: str) -> Iterator[int]:
    """Ends of the sentences as the library sees them."""
    at = 0
    for piece in sentencex.segment("en", flat):
        # The segmenter may leave out white space between sentences, never a character of them.
        at = flat.index(piece, at) + len(piece)
        yield at


def _goes_on(flat: str, start: int, end: int) -> bool:
    """Whether the segmenter is wrong about a sentence's end."""
    before = flat[start:end].strip()
    if not before or _MARKER.fullmatch(before) or _NEVER_LAST.search(before[-16:]):
        return True
    following = flat[end : end + 8].lstrip()
    return _MAYBE_LAST.search(before[-16:]) is not None and _CAPITAL_NEXT.match(following) is None


_LINE_HEADING = regex.compile(
    r"^[ \t]*(?:\#{1,4}[ \t]*|\*{1,2}|(?:\d{1,2}|[A-Z])[.)][ \t]+|[-=]{2,}[ \t]*)?"
    r"(?P<name>[A-Za-z][A-Za-z/&',. -]{0,48}?)[ \t]*(?:\([^()\n]{1,30}\))?[ \t]*(?:\*{1,2})?[ \t]*"
    r"(?P<end>:\**|(?:[-=]{2,})?[ \t]*$|[ \t]+[-–—][ \t])",
    regex.MULTILINE,
)
_RUN_IN = regex.compile(r"(?<=[.;?!)][ \t]{1,2})(?P<name>[A-Z][A-Za-z/& ]{1,40})(?P<end>:)")
_NEW_LINE = regex.compile(r"\n(?=[ \t\r]*(?:\n|[-#*•]|\d+[.)]|[A-Z0-9][^\n]{0,40}:))")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a note under a heading.

    Attributes:
        name: as `sections.toml` names it; `other` for a heading that it lacks.
        heading: the words of the heading, without marks around them.
        span: what stands under it.
    """

    name: str
    heading: Span
    span: Span


@cache
def _names() -> dict[str, str]:
    text = files(__package__).joinpath("sections.toml").read_text(encoding="utf-8")
    return {said: name for name, saids in tomllib.loads(text)["headings"].items() for said in saids}


def sections(text: str) -> tuple[Section, ...]:
    """The sections of a note, in order. What stands before the first heading is in none.

    A section ends at the next heading; a heading with nothing under it opens none. One whose heading shares its line
    with words also ends at a line that begins something else.
    """
    headings = sorted({found[1:]: found for found in _headings(text)}.values(), key=lambda found: found[1])
    made = []
    for number, (name, start, end, after) in enumerate(headings):
        stop = headings[number + 1][1] if number + 1 < len(headings) else len(text)
        line_end = text.find("\n", after)
        runs_in = bool(text[after : line_end if line_end >= 0 else len(text)].strip())
        blank = _NEW_LINE.search(text, after, stop) if runs_in else None
        until = max(after, blank.start() if blank else stop)
        if until > after:
            made.append(Section(name, Span(start, end), Span(after, until)))
    return tuple(made)


def _headings(text: str) -> list[tuple[str, int, int, int]]:
    """Name, start and end of each heading, and where its section begins."""
    known = _names()
    found = []
    for one in _LINE_HEADING.finditer(text):
        said = one.group("name").strip()
        name = known.get(" ".join(said.casefold().split()))
        alone = not one.group("end").strip()
        if name is None:
            if len(said) < 4 or not said.isupper():
                continue
            name = "other"
        elif (len(said) <= 3 and alone) or (alone and said.islower()):
            continue
        found.append((name, one.start("name"), one.start("name") + len(said), one.end()))
    for one in _RUN_IN.finditer(text):
        said = one.group("name")
        name = known.get(" ".join(said.casefold().split()))
        if name is not None and (len(said) > 1):
            found.append((name, one.start("name"), one.end("name"), one.end()))
    return found


def section_of(found: Sequence[Section], place: int) -> Section | None:
    """The section that a place is in."""
    number = bisect_right(found, place, key=lambda section: section.span.start) - 1
    return found[number] if number >= 0 and place < found[number].span.end else None


def section_at(found: Sequence[Section], place: int) -> str | None:
    """The name of the section that a place is in."""
    section = section_of(found, place)
    return section.name if section is not None else None
