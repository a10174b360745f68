"""A text prepared for finding many mentions in it: each step looks through it once, at the speed of C."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache

import regex

from clinspan.document import MatchKind
from clinspan.grounding.guards import FUNCTION_WORDS, difference, is_other_word
from clinspan.grounding.spelling import Folded, WordIndex, fold, fold_string

_SPACELESS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}--\p{N}]"
_JOINING = regex.compile(rf"[[\p{{L}}\p{{N}}\p{{M}}]--{_SPACELESS}]", regex.V1)
_MARK = regex.compile(r"\p{M}")
_INNER = frozenset("\u00ad\u200c\u2060")
_DASH = r"[-\p{Pd}\u2212]"
# A number goes on over these into the next digit: decimals, thousands, ratios, times, dates, powers, ranges.
_NUMBER_BEFORE = regex.compile(rf"(?:\d[.,/:^×±]|\d ?{_DASH} ?|(?<=\d ?)± ?)\Z|(?<=[^\n\S]|[(\[<>=~:]){_DASH}\Z")
# A dash and a space after a day, a date or a time of day end that: a dose follows, not the end of a range or a minus.
_WHEN_BEFORE = regex.compile(
    r"(?:(?<!\p{L})(?:day|week|wk|month|year|cycle|visit|hour|pod)[ #]{0,2}\d+|(?<!\d)\d{1,2}:\d\d(?: ?[ap]m)?"
    rf"|(?<!\d)\d{{1,4}}/\d{{1,2}}/\d{{1,4}}|(?<!\d)\d{{4}}-\d\d-\d\d) ?{_DASH} \Z",
    regex.I,
)
_AMOUNT = regex.compile(
    r"\d+(?:[.,]\d+)*\s?(?:[mkµμunp]?c?g|[mdcµμ]?l|[mµμ]?mol|m?eq|i?u|units?|tab(?:let)?s?|cap(?:sule)?s?|puffs?)"
    r"(?![\p{L}\p{N}])",
    regex.I,
)
_NUMBER_AFTER = regex.compile(rf"[.,/:^×±]\d|{_DASH}\d| ?[½⅓⅔¼¾⅛⅜⅝⅞]")
_NAMED = regex.compile(r"\p{L}[-\p{Pd}]?[\d]+\Z")
_UNIT = (
    r"(?:[mµμunp]?cg|[mkµμunp]?g|[mdcµμ]?l|[mµμ]?mol|m?eq|i?u|units?|tabs?|caps?|mm|cm|mmhg|bpm|kcal|hrs?|h|min|s|"
    r"d|days?|wks?|weeks?|mos?|months?|yrs?|years?|y|yo|x|%)"
)
_DOSE_AFTER = regex.compile(rf"(?<=\p{{L}})\d+(?:[.,]\d+)?\s?{_UNIT}(?![\p{{L}}\p{{N}}])", regex.I)
_UNIT_AFTER = regex.compile(rf"(?<=\d){_UNIT}(?![\p{{L}}\p{{N}}])", regex.I)
_TIED_BEFORE = regex.compile(r"(?<=[\p{L}\p{N}])[-\p{Pd}_]\Z")
_TIED_AFTER = regex.compile(r"[-\p{Pd}_](?=[\p{L}\p{N}])")
_HANGUL = regex.compile(r"\p{Hangul}")
_CLITIC = regex.compile(r"(?<![\p{L}\p{M}])(?:[وفبلك]|[והבלמשכ])\Z")


class Edge(IntEnum):
    """How well a range of the text is set off from what stands around it."""

    NONE = 0
    """It begins or ends inside a word or a number."""
    GLUED = 1
    """It is a part of a run of letters and digits, but one that writers glue on: a dose, a unit, a particle."""
    COMPOUND = 2
    """It begins and ends at token edges, but a hyphen ties it to its neighbour (DM in DM-kinase)."""
    TOKEN = 3
    """It stands by itself."""


def edge(text: str, start: int, end: int) -> Edge:
    """How `text[start:end]` is set off."""
    left = _left(text, start)
    if left is Edge.NONE:
        return left
    return min(left, _right(text, end))


def cuts_number(text: str, start: int, end: int) -> bool:
    """True when the range begins or ends within a number (5 mg in 2.5 mg)."""
    begins = text[start].isdigit() and start > 0
    ends = text[end - 1].isdigit() and end < len(text)
    return (begins and (text[start - 1].isdigit() or _comes_on(text, start))) or (
        ends and (text[end].isdigit() or _goes_on(text, end))
    )


def _comes_on(text: str, start: int) -> bool:
    """True when the digit at `start` continues a number or a range that begins before it, or has a sign."""
    if _NUMBER_BEFORE.search(text, max(0, start - 4), start) is None:
        return False
    return _AMOUNT.match(text, start) is None or _WHEN_BEFORE.search(text, max(0, start - 20), start) is None


def _goes_on(text: str, end: int) -> bool:
    named = _NAMED.search(text, max(0, end - 12), end)
    return named is None and _NUMBER_AFTER.match(text, end) is not None


def _left(text: str, start: int) -> Edge:
    if start == 0:
        return Edge.TOKEN
    before, first = text[start - 1], text[start]
    if first.isdigit() and _comes_on(text, start):
        return Edge.NONE
    if before == " ":
        return Edge.TOKEN
    if not _joined(text, start):
        return Edge.COMPOUND if _TIED_BEFORE.search(text, max(0, start - 2), start) else Edge.TOKEN
    if before.isdigit() and first.isalpha():
        return Edge.GLUED if _UNIT_AFTER.match(text, start) else Edge.NONE
    return Edge.GLUED if not first.isascii() and _CLITIC.search(text, max(0, start - 2), start) else Edge.NONE


def _right(text: str, end: int) -> Edge:
    if end == len(text):
        return Edge.TOKEN
    last, after = text[end - 1], text[end]
    if last.isdigit() and _goes_on(text, end):
        return Edge.NONE
    if after == " ":
        return Edge.TOKEN
    if not _joined(text, end):
        return Edge.COMPOUND if _TIED_AFTER.match(text, end) else Edge.TOKEN
    if last.isdigit() and after.isalpha():
        return Edge.GLUED if _UNIT_AFTER.match(text, end) else Edge.NONE
    if after.isdigit() and last.isalpha():
        return Edge.GLUED if _DOSE_AFTER.match(text, end) else Edge.NONE
    # Korean writes its particles onto the noun.
    return Edge.GLUED if _HANGUL.match(last) and _HANGUL.match(after) else Edge.NONE


def _joined(text: str, at: int) -> bool:
    """True when `text[at - 1]` and `text[at]` are of one token."""
    before, after = text[at - 1], text[at]
    if before.isascii() and after.isascii():
        return before.isalnum() and after.isalnum()
    if _is_mark(after) or "\u200d" in (before, after):
        return True
    # A soft hyphen or a joiner stands inside a word.
    ahead = at
    while ahead < len(text) - 1 and text[ahead] in _INNER:
        ahead += 1
    after = text[ahead]
    while at > 1 and text[at - 1] in _INNER:
        at -= 1
    if not _joins(after):
        return False
    while at > 1 and _is_mark(text[at - 1]):
        at -= 1
    return _joins(text[at - 1])


@lru_cache(maxsize=1 << 14)
def _joins(char: str) -> bool:
    return _JOINING.match(char) is not None


@lru_cache(maxsize=1 << 14)
def _is_mark(char: str) -> bool:
    return _MARK.match(char) is not None


_OPENING = "([{<«“‘\"'`*"
_CLOSING = ")]}>»”’\"'`*"
_PAIRS = {")": "(", "]": "[", "}": "{"}
_ENDING = ".,;:!?…。，；：、！？"
_ABBREVIATION = regex.compile(r"(?<!\p{L})(?:\p{L}{1,2}\.){2,}\Z")
_BULLET = regex.compile(r"^[-•*·–—]\s+(?=\S)")
_LEADING_SIGN = regex.compile(r"[-\p{Pd}\u2212](?=[\d.])")
_TRAILING_SIGN = regex.compile(r"(?<=[\p{L}\p{N}])[-\p{Pd}\u2212]\Z")
_SIGN = regex.compile(r"[-\p{Pd}\u2212]")
_GAP = regex.compile(r"[\s\p{Pd}\p{Cf}\u2212|│┃¦]+")
_LETTERS = regex.compile(r"[\p{L}\p{M}]+")
_LETTERS_BEFORE = regex.compile(r"[\p{L}\p{M}]+\Z")
_BAR = regex.compile(r"[|│┃¦]")
_SHORTEST_PIECE = 3


def trimmed(mention: str) -> str:
    """`mention` without the punctuation put around it: a full stop, quotes, a bullet, an odd bracket."""
    core = _BULLET.sub("", mention.strip())
    while core:
        last = core[-1]
        closes = last in _CLOSING and not (last in _PAIRS and core.count(_PAIRS[last]) >= core.count(last))
        if last in _ENDING or closes or last.isspace():
            core = core[:-1]
            continue
        first = core[0]
        pair = next((close for close, opens in _PAIRS.items() if opens == first), None)
        comparing = first == "<" and core[1:2].lstrip("=").isdigit()
        opens_odd = first in _OPENING and not (pair and core.count(pair) >= core.count(first)) and not comparing
        if opens_odd or (first in ".,;:" and not core[1:2].isdigit()) or first.isspace():
            core = core[1:]
            continue
        return core
    return core


def bare(mention: str) -> str:
    """`mention` as it is looked for verbatim: trimmed, but with the last full stop of an abbreviation (p.o.)."""
    core = trimmed(mention)
    dotted = core + "."
    return dotted if dotted in mention and _ABBREVIATION.search(dotted) else core


def signed(mention: str, text: str, start: int, end: int) -> tuple[int, int] | None:
    """The range with the signs that belong to it (-2.5, HIV-), which folding leaves out; None where it has none."""
    if _LEADING_SIGN.match(mention):
        if not (start and _SIGN.match(text, start - 1)):
            return None
        start -= 1
    if _TRAILING_SIGN.search(mention):
        if not (end < len(text) and _SIGN.match(text, end)):
            return None
        end += 1
    return start, end


def same_breaks(mention: str, found: str) -> bool:
    """True when the gaps of `found` are where words end in `mention`, or are such as writers put inside a word.

    A word may be broken by a hyphen, a line end or a dropped space between long pieces (heart burn); a table's bar, or
    a space that cuts off one or two letters (M I), makes other words of it.
    """
    ours = _breaks(mention)
    for place, (gap, before, after) in _breaks(found).items():
        if place in ours:
            continue
        if _BAR.search(gap):
            return False
        plain = gap.strip("\n\r\f") == gap and gap.isspace()
        if plain and before and after and not (_can_be_piece(before) and _can_be_piece(after)):
            return False
    return True


def _breaks(text: str) -> dict[int, tuple[str, str, str]]:
    """Per gap, by the number of folded characters before it: the gap, and the letters on either side of it."""
    found: dict[int, tuple[str, str, str]] = {}
    place = last = 0
    for gap in _GAP.finditer(text):
        place += len(fold_string(text[last : gap.start()]))
        before = _LETTERS_BEFORE.search(text, last, gap.start())
        after = _LETTERS.match(text, gap.end())
        found[place] = (gap.group(), before.group() if before else "", after.group() if after else "")
        last = gap.end()
    return found


def _can_be_piece(letters: str) -> bool:
    return len(letters) >= _SHORTEST_PIECE and letters.lower() not in FUNCTION_WORDS


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A place in the text that bears a mention.

    Attributes:
        edge: how it is set off from what stands around it; never `Edge.NONE`.
    """

    start: int
    end: int
    match: MatchKind
    edge: Edge = Edge.TOKEN


class TextIndex:
    """A text in which mentions are looked up; each form of it is made once, when first needed."""

    def __init__(self, text: str):
        self.text = text

    @cached_property
    def folded(self) -> Folded:
        """The text in folded form."""
        return fold(self.text)

    @cached_property
    def words(self) -> WordIndex:
        """The text as a sequence of words."""
        return WordIndex(self.text)

    def verbatim(self, mention: str) -> Iterator[Occurrence]:
        """Where `mention` stands letter for letter, left to right."""
        return self._places(mention, MatchKind.EXACT)

    def _places(self, needle: str, match: MatchKind) -> Iterator[Occurrence]:
        text, at = self.text, self.text.find(needle)
        while at >= 0:
            found = edge(text, at, at + len(needle))
            if found is not Edge.NONE:
                yield Occurrence(at, at + len(needle), match, found)
            at = text.find(needle, at + 1)

    def normalised(self, mention: str) -> Iterator[Occurrence]:
        """Where `mention` stands but for what folding levels, left to right; the verbatim places are left out."""
        core = trimmed(mention)
        needle = fold_string(core)
        if not needle:
            return
        folded, text = self.folded, self.text
        same: dict[str, bool] = {}
        at = folded.text.find(needle)
        while at >= 0:
            span = folded.span(at, at + len(needle))
            at = folded.text.find(needle, at + 1)
            if span is None:
                continue
            found = signed(core, text, *span)
            if found is None:
                continue
            start, end = found
            there = text[start:end]
            set_off = edge(text, start, end)
            if set_off is Edge.NONE or there == mention:
                continue
            if there not in same:
                same[there] = _says_the_same(core, there)
            if same[there]:
                yield Occurrence(start, end, MatchKind.NORMALISED, set_off)

    def misspelt(self, mention: str) -> Iterator[Occurrence]:
        """Where `mention` stands with words misspelt, fewest first."""
        core = trimmed(mention)
        for start, end in self.words.misspelt(core):
            found = signed(core, self.text, start, end)
            if found is None or edge(self.text, *found) < Edge.COMPOUND:
                continue
            there = self.text[slice(*found)]
            if not is_other_word(core, there) and difference(core, there) is None:
                yield Occurrence(*found, MatchKind.FUZZY)

    def at(self, mention: str, start: int, end: int) -> Occurrence | None:
        """`text[start:end]` as an occurrence of `mention`, where it says that; token edges are not asked for."""
        there = self.text[start:end]
        if cuts_number(self.text, start, end):
            return None
        if there == mention:
            return Occurrence(start, end, MatchKind.EXACT)
        core = trimmed(mention)
        if not core or is_other_word(core, there) or difference(core, there) is not None:
            return None
        if fold_string(core) == fold_string(there):
            return Occurrence(start, end, MatchKind.NORMALISED) if same_breaks(core, there) else None
        whole = any(there[low:high] == there.strip() for low, high in WordIndex(there).misspelt(core))
        return Occurrence(start, end, MatchKind.FUZZY) if whole else None

    def changed(self, mention: str) -> tuple[str, str] | None:
        """What of `mention` stands otherwise in the text (number, unit, side, negation, comparison), and the text."""
        near = self.words.changed(trimmed(mention))
        return None if near is None else (near[0], self.text[near[1] : near[2]])


def _says_the_same(core: str, there: str) -> bool:
    """True for two strings of one folded form that differ in nothing that matters."""
    if core == there:
        return True
    return not is_other_word(core, there) and same_breaks(core, there) and difference(core, there) is None
