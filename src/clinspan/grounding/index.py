"""A text prepared for finding many mentions in it: each step looks through it once, at the speed of C."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import regex

from clinspan.document import MatchKind
from clinspan.grounding.edges import Edge, cuts_number, edge
from clinspan.grounding.guards import FUNCTION_WORDS, difference, is_other_word
from clinspan.grounding.normalise import Folded, fold, fold_string
from clinspan.grounding.spelling import WordIndex

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
