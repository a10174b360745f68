"""A text as the dictionary reads it: its short forms written out, cut into tokens with their normal forms."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

from clinspan.dictionary.normalise import Tokens, tokenise
from clinspan.document import Span

_BRACKET = re.compile(r"\(([^()\[\]]{2,80})\)|\[([^()\[\]]{2,80})\]")
_WORD = re.compile(r"\S+")
_PART = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"[.;:!?]\s")
_LONGEST_SHORT = 10
_REACH = 1000
"""Characters before a bracket in which its long form is looked for, so that a long note costs no more by the word."""


@dataclass(frozen=True, slots=True)
class Abbreviation:
    """A short form and the long form it stands for, with the places where they are defined."""

    short: str
    short_span: Span
    long: str
    long_span: Span


def abbreviations(text: str) -> tuple[Abbreviation, ...]:
    """The abbreviations that `text` defines, as "long (short)" or "short (long)", in text order."""
    found = []
    for bracket in _BRACKET.finditer(text):
        group = 1 if bracket.group(1) is not None else 2
        inner = re.split(r"[;,]\s|\s(?:or|see|and)\s", bracket.group(group))[0].rstrip()
        start = bracket.start(group)
        base = max(0, bracket.start() - _REACH)
        before = text[base : bracket.start()].rstrip()
        if not before:
            continue
        pair = None
        if _is_short(inner):
            pair = _long_before(before, inner, start - base)
        if pair is None and len(inner.split()) > 1:
            pair = _short_before(before, inner, start - base)
        if pair is not None:
            found.append(replace(pair, short_span=pair.short_span.shift(base), long_span=pair.long_span.shift(base)))
    return tuple(found)


def _is_short(form: str) -> bool:
    return (
        2 <= len(form) <= _LONGEST_SHORT
        and len(form.split()) <= 2
        and form[0].isalnum()
        and any(c.isupper() or (c.isdigit() and len(form) > 2) for c in form)
        and any(c.isalpha() for c in form)
    )


def _long_before(before: str, short: str, short_start: int) -> Abbreviation | None:
    sentence = 0
    for end in _SENTENCE_END.finditer(before, max(0, len(before) - 400)):
        sentence = end.end()
    words = list(_WORD.finditer(before, sentence))[-min(len(short) + 5, len(short) * 2) :]
    if not words:
        return None
    start = _align(short, before, words[0].start())
    initials = _initials(short, before, sentence)
    # "Myotonic dystrophy (DM)" follows the order of another language. Letters in order would be sought further left.
    if initials is not None and (initials[1] or start is None or start < initials[0]):
        start = initials[0]
    if start is None or len(before) - start <= len(short):
        return None
    # What holds the short form itself is no long form of it: a unit in brackets in each row of a table, for one.
    if re.search(rf"(?<![^\W_]){re.escape(short)}(?![^\W_])", before[start:]):
        return None
    span = Span(start, len(before))
    return Abbreviation(short, Span(short_start, short_start + len(short)), span.of(before), span)


def _initials(short: str, text: str, first: int) -> tuple[int, bool] | None:
    """Where the last words start whose first letters are those of the short form, and whether in its order."""
    letters = short.casefold()
    words = list(_PART.finditer(text, first))[-len(letters) :]
    initials = "".join(word.group()[0].casefold() for word in words)
    if not short.isalpha() or sorted(initials) != sorted(letters):
        return None
    start = words[0].start()
    return None if start > first and text[start - 1] == "-" else (start, initials == letters)


def _short_before(before: str, long: str, long_start: int) -> Abbreviation | None:
    last = re.search(r"\S+$", before)
    if last is None or not _is_short(last.group()) or sum(c.isupper() for c in last.group()) < 2:
        return None
    if _align(last.group(), long, 0) != 0:
        return None
    return Abbreviation(last.group(), Span(last.start(), last.end()), long, Span(long_start, long_start + len(long)))


def _align(short: str, text: str, first: int) -> int | None:
    """Where the long form in `text[first:]` starts; None where a character of the short form is not in it."""
    place = len(text)
    for at in range(len(short) - 1, -1, -1):
        wanted = short[at].lower()
        if not wanted.isalnum():
            continue
        place -= 1
        while place >= first and not (
            text[place].lower() == wanted and (at > 0 or place == 0 or not text[place - 1].isalnum())
        ):
            place -= 1
        if place < first:
            return None
    # The first letter may stand inside a hyphenated word, which belongs to the long form whole.
    return max(first, max(text.rfind(" ", 0, place), text.rfind("\n", 0, place)) + 1)


@dataclass(frozen=True, slots=True)
class Expansion:
    """A text with each short form replaced by its long form, and the brackets of the definitions taken out.

    Attributes:
        starts: where its pieces start, in `text`.
        pieces: for each piece where it stands in the source, and whether it is a long form put in.
    """

    text: str
    starts: tuple[int, ...]
    pieces: tuple[tuple[Span, bool], ...]

    def to_source(self, start: int, end: int) -> tuple[Span, bool] | None:
        """The source's span for `text[start:end]`, and whether a short form is in it.

        None where it takes a part of a long form that was put in: only its end may stand for the whole short form.
        """
        if len(self.pieces) == 1 and not self.pieces[0][1]:
            # Nothing was written out, as in most texts.
            at = self.pieces[0][0].start
            return Span(at + start, at + end), False
        first, last = bisect_right(self.starts, start) - 1, bisect_right(self.starts, end - 1) - 1
        head, head_put_in = self.pieces[first]
        tail, tail_put_in = self.pieces[last]
        tail_end = self.starts[last + 1] if last + 1 < len(self.starts) else len(self.text)
        if (tail_put_in and end != tail_end) or (head_put_in and start != self.starts[first] and first != last):
            return None
        source_start = head.start if head_put_in else head.start + start - self.starts[first]
        source_end = tail.end if tail_put_in else tail.start + end - self.starts[last]
        return Span(source_start, source_end), any(put_in for _, put_in in self.pieces[first : last + 1])


def expand(text: str, defined: Sequence[Abbreviation]) -> Expansion:
    """Writes the short forms of `text` out."""
    long_forms = {pair.short: pair.long for pair in reversed(defined)}
    brackets = {pair.short_span.start: pair for pair in defined if pair.long_span.end <= pair.short_span.start}
    shorts = "|".join(re.escape(short) for short in sorted(long_forms, key=len, reverse=True))
    pieces: list[tuple[int, int, str | None]] = []
    done = 0
    for found in re.finditer(rf"(?<![^\W_])({shorts})s?(?![^\W_])", text) if shorts else ():
        pair = brackets.get(found.start())
        if pair is not None:
            close = re.compile(r"\s*[;,]?[^()\[\]]*[)\]]").match(text, found.end())
            pieces.append((done, pair.long_span.end, None))
            done = close.end() if close else found.end()
        elif found.start() >= done:
            pieces.append((done, found.start(), None))
            pieces.append((found.start(), found.end(), long_forms[found.group(1)]))
            done = found.end()
    pieces.append((done, len(text), None))
    starts, spans, written, length = [], [], [], 0
    for start, end, put_in in pieces:
        if start < end:
            starts.append(length)
            spans.append((Span(start, end), put_in is not None))
            written.append(text[start:end] if put_in is None else put_in)
            length += len(written[-1])
    return Expansion("".join(written), tuple(starts), tuple(spans))


_CELL = re.compile(r"\t|\||(?<=\S) {3,}(?=\S)")
_LINE = re.compile(r"[^\r\n]*")
_ITEM = re.compile(r"[ ]*(?:[-*#•▪]|\(?\d{1,2}[.)])[ ]+\S|[ ]*[A-Z][\w/ ]{0,40}:")
_ROW = re.compile(r"[^\d\n]{1,40}[ ][<>]?\d[\d.,/%]*(?:[ ]+\S{1,12}){0,3}[ ]*$")
_NARROW = 40
_EARLY = 0.6


def separations(text: str) -> tuple[int, ...]:
    """Where a layout parts what stands before from what stands after: table cells, list items, lines of their own.

    A line that breaks where its next word had no room left goes on in the next line.
    """
    found = [cell.start() for cell in _CELL.finditer(text)]
    block: list[re.Match[str]] = []
    for line in _LINE.finditer(text):
        if line.group().strip():
            block.append(line)
        elif line.start() == line.end() and block and line.start() == block[-1].end():
            continue  # the empty match between a line and its end
        else:
            found.extend(_between_lines(block))
            found.extend([block[-1].end()] if block else [])
            block = []
    found.extend(_between_lines(block))
    return tuple(sorted(found))


def _between_lines(block: Sequence[re.Match[str]]) -> Iterator[int]:
    widest = max((len(line.group()) for line in block), default=0)
    list_like = len(block) > 2 and widest < _NARROW
    for line, following in pairwise(block):
        here, there = line.group(), following.group()
        room = len(here) + 1 + len(there.split()[0])
        rows = bool(_ROW.match(here) and _ROW.match(there)) or bool(_CELL.search(here) or _CELL.search(there))
        if list_like or rows or _ITEM.match(there) or room <= _EARLY * widest:
            yield line.end()


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Written:
    """A text that is prepared once and then asked about several times; what is found is kept as long as it is.

    Attributes:
        expansion: the text written out.
        tokens: of the text written out.
        separated: where a layout parts the text; no term stands across such a place.
    """

    text: str
    defined: tuple[Abbreviation, ...]
    expansion: Expansion
    tokens: Tokens
    separated: tuple[int, ...] = ()

    @classmethod
    def of(cls, text: str) -> Self:
        """The text written out, by the abbreviations that it defines itself."""
        separated = separations(text)
        defined = tuple(pair for pair in abbreviations(text) if not _across(separated, pair.long_span))
        expansion = expand(text, defined)
        return cls(text, defined, expansion, tokenise(expansion.text), separated)

    def place(self, first: int, end: int) -> tuple[Span, bool] | None:
        """Where the tokens from number `first` to `end` stand in the text; see `Expansion.to_source`.

        None also where a layout parts them.
        """
        found = self.expansion.to_source(self.tokens.starts[first], self.tokens.ends[end - 1])
        return None if found is None or _across(self.separated, found[0]) else found

    def long_form(self, short: str) -> str | None:
        """What the text defines a short form as."""
        return next((pair.long for pair in self.defined if short in (pair.short, f"{pair.short}s")), None)

    def surface(self, first: int, end: int) -> str:
        """These tokens as they are written out."""
        return self.expansion.text[self.tokens.starts[first] : self.tokens.ends[end - 1]]


def _across(separated: Sequence[int], span: Span) -> bool:
    return bisect_left(separated, span.start) != bisect_left(separated, span.end)
