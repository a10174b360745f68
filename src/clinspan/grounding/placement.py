"""Which occurrence each mention is given: by order and context, longest mentions first, each place once per label."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from clinspan.document import MatchKind, Span
from clinspan.grounding.index import Edge, Occurrence, TextIndex

_MOST = 2000  # occurrences looked at beyond those needed; a note has fewer
_WIDEST = 250  # characters between the first and the last part of a discontinuous mention
_FREE, _NESTED, _CROSSING = range(3)
_KINDS = (MatchKind.EXACT, MatchKind.NORMALISED, MatchKind.FUZZY)

Key = tuple[int, bool, int, int]
"""How good an occurrence is, least first."""


class Placement:
    """The places given so far in one text."""

    def __init__(self, index: TextIndex, *, fuzzy: bool):
        self._index = index
        self._fuzzy = fuzzy
        self._covered = bytearray(len(index.text))
        self._labels: defaultdict[tuple[int, int], set[str]] = defaultdict(set)

    def take(self, start: int, end: int, label: str) -> None:
        """Notes that `label` has this range."""
        self._covered[start:end] = b"\x01" * (end - start)
        self._labels[start, end].add(label)

    def taken(self, start: int, end: int, label: str) -> bool:
        """True when `label` has exactly this range."""
        return label in self._labels.get((start, end), ())

    def everywhere(self, text: str, label: str) -> list[Occurrence]:
        """Every occurrence of a string that stands free of other mentions, or where there is none, all it has."""
        ranked = list(_disjoint(self._ranked(text, wanted=_MOST)))
        certain = [pair for pair in ranked if pair[1].match is not MatchKind.FUZZY] or ranked
        best = min((key[:2] for key, _ in certain), default=None)
        chosen = [found for key, found in certain if key[:2] == best]
        chosen = [found for found in chosen if not self.taken(found.start, found.end, label)]
        for found in chosen:
            self.take(found.start, found.end, label)
        return chosen

    def give(self, text: str, labels: Sequence[str], between: Sequence[tuple[int, int]]) -> list[Occurrence | None]:
        """An occurrence for each of several mentions of one string, or None.

        Args:
            text: the string.
            labels: each mention's label, in the answer's order.
            between: for each, the range of the text in which the answer's order lets it be expected.
        """
        ranked = self._ranked(text, wanted=len(labels))
        tiers: defaultdict[Key, list[Occurrence]] = defaultdict(list)
        for key, found in _disjoint(ranked):
            tiers[key].append(found)
        given: list[Occurrence | None] = []
        for label, (low, high) in zip(labels, between, strict=True):
            choice = next(filter(None, (self._pop(tier, label, low, high) for tier in tiers.values())), None)
            if choice is None:
                # Two labels on one place, where each has no place of its own.
                choice = next((found for _, found in ranked if not self.taken(found.start, found.end, label)), None)
            if choice is not None:
                self.take(choice.start, choice.end, label)
            given.append(choice)
        return given

    def near(self, text: str, label: str, low: int, high: int) -> Occurrence | None:
        """The best occurrence of a string that starts in this range."""
        ranked = (found for _, found in self._ranked(text, wanted=_MOST) if low <= found.start < high)
        choice = next((found for found in ranked if not self.taken(found.start, found.end, label)), None)
        if choice is not None:
            self.take(choice.start, choice.end, label)
        return choice

    def chain(self, parts: Sequence[str], label: str) -> tuple[Occurrence, tuple[Span, ...]] | None:
        """The closest occurrences of all parts of a discontinuous mention, in order; None where there are none."""
        per_part = [sorted(islice(self._literal(part), _MOST), key=lambda found: found.start) for part in parts]
        best: list[Occurrence] = []
        for first in per_part[0]:
            linked = [first]
            for places in per_part[1:]:
                at = bisect_left(places, linked[-1].end, key=lambda found: found.start)
                if at == len(places):
                    break
                linked.append(places[at])
            whole = len(linked) == len(parts)
            width = linked[-1].end - first.start
            closer = not best or width < best[-1].end - best[0].start
            if whole and closer and width <= _WIDEST and not self.taken(first.start, linked[-1].end, label):
                best = linked
        if not best:
            return None
        exact = all(found.match is MatchKind.EXACT for found in best)
        match = MatchKind.EXACT if exact else MatchKind.NORMALISED
        self.take(best[0].start, best[-1].end, label)
        hull = Occurrence(best[0].start, best[-1].end, match)
        return hull, tuple(Span(found.start, found.end) for found in best)

    def _pop(self, tier: list[Occurrence], label: str, low: int, high: int) -> Occurrence | None:
        at = bisect_left(tier, low, key=lambda found: found.start)
        if at == len(tier) or tier[at].start >= high:
            at = 0
        for index in chain(range(at, len(tier)), range(at)):
            if not self.taken(tier[index].start, tier[index].end, label):
                return tier.pop(index)
        return None

    def _literal(self, text: str) -> Iterator[Occurrence]:
        yield from self._index.verbatim(text)
        yield from self._index.normalised(text)

    def _ranked(self, text: str, wanted: int) -> list[tuple[Key, Occurrence]]:
        """The occurrences of `text`, best first: those that stand free of other mentions, then the stronger match.

        Weaker kinds of match are looked for only while stronger ones leave a mention without a place of its own.
        """
        found = list(islice(self._index.verbatim(text), wanted + _MOST))
        free = sum(self._key(place)[:2] == (_FREE, False) for place in found)
        if free < wanted:
            found += self._enough(self._index.normalised(text), wanted - free)
        if len(found) < wanted and self._fuzzy:
            known = {(place.start, place.end) for place in found}
            places = islice(self._index.misspelt(text), wanted + _MOST)
            found += [place for place in places if (place.start, place.end) not in known]
        return sorted(((self._key(place), place) for place in found), key=lambda pair: (pair[0], pair[1].start))

    def _enough(self, places: Iterator[Occurrence], wanted: int) -> Iterator[Occurrence]:
        """The first places, until so many of them stand by themselves and free of other mentions."""
        for place in islice(places, wanted + _MOST):
            yield place
            wanted -= self._key(place)[0] == _FREE and place.edge is Edge.TOKEN
            if wanted <= 0:
                return

    def _key(self, place: Occurrence) -> Key:
        covered = self._covered.count(1, place.start, place.end)
        level = _FREE if not covered else _NESTED if covered == place.end - place.start else _CROSSING
        kind = _KINDS.index(place.match)
        # A misspelling is the last resort; where a match is certain, standing free counts for more than its kind.
        last_resort = 3 if place.match is MatchKind.FUZZY else 0
        return (level + last_resort, place.edge is Edge.GLUED, kind, -place.edge)


def _disjoint(ranked: Sequence[tuple[Key, Occurrence]]) -> Iterator[tuple[Key, Occurrence]]:
    """Those that overlap none before them."""
    kept: list[tuple[int, int]] = []
    for key, found in ranked:
        at = bisect_left(kept, (found.start, found.end))
        if (at and kept[at - 1][1] > found.start) or (at < len(kept) and kept[at][0] < found.end):
            continue
        kept.insert(at, (found.start, found.end))
        yield key, found
