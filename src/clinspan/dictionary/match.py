"""What a dictionary finds: matches, those of them that do not overlap, and the likely spellings of a word."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from rapidfuzz.distance import OSA

from clinspan.dictionary import layout
from clinspan.dictionary.index import Index
from clinspan.dictionary.senses import Sense, TermMatch
from clinspan.document import Span

_SLIPS_KEPT = 1 << 15


class Speller:
    """Finds corrections; remembers those it has found."""

    def __init__(self, index: Index):
        self._index = index
        self._found: dict[str, tuple[str, ...]] = {}

    def corrections(self, word: str) -> tuple[str, ...]:
        """The dictionary's words at distance 1 from the normal form `word`; none where it is short, known or a number.

        A difference in the last letter alone is none: it is how "leukemic" differs from "leukemia".
        """
        found = self._found.get(word)
        if found is None:
            if len(self._found) >= _SLIPS_KEPT:
                self._found.clear()
            found = self._found[word] = self._correct(word)
        return found

    def _correct(self, word: str) -> tuple[str, ...]:
        if len(word) < layout.MISSPELT_FROM or not word.isalpha() or word in self._index.tokens:
            return ()
        near: set[str] = set()
        for short in {word} | {word[:i] + word[i + 1 :] for i in range(len(word))}:
            near.update(
                key.split(layout.SEPARATOR)[1] for key in self._index.deletions.iterkeys(short + layout.SEPARATOR)
            )
        return tuple(sorted(other for other in near if OSA.distance(word, other) == 1 and not _ending(word, other)))


def _ending(word: str, other: str) -> bool:
    same = min(len(word), len(other)) - (len(word) == len(other))
    return word[:same] == other[:same]


@dataclass(frozen=True, slots=True)
class Match:
    """A term of the dictionary in a text: `text` stands at `span`; `senses` best first, at least one."""

    span: Span
    text: str
    kind: TermMatch
    senses: tuple[Sense, ...]


class Placed(Protocol):
    """Anything with a span."""

    @property
    def span(self) -> Span:
        """Where it stands."""
        ...


_P = TypeVar("_P", bound=Placed)


def longest_apart(items: Iterable[_P]) -> list[_P]:
    """Of items that overlap the longest (then the first) alone, in text order."""
    kept: list[_P] = []
    for item in sorted(items, key=lambda item: (-len(item.span), item.span.start)):
        at = bisect_left(kept, item.span, key=lambda other: other.span)
        if (at == 0 or kept[at - 1].span.end <= item.span.start) and (
            at == len(kept) or item.span.end <= kept[at].span.start
        ):
            kept.insert(at, item)
    return kept
