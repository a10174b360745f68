"""A text prepared for finding many mentions in it: each step looks through it once, at the speed of C."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from clinspan.document import MatchKind
from clinspan.grounding.edges import Edge, cuts_number, edge
from clinspan.grounding.guards import difference, is_other_word
from clinspan.grounding.normalise import Folded, fold, fold_string
from clinspan.grounding.separators import same_breaks, signed, trimmed
from clinspan.grounding.sequences import WordIndex


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
