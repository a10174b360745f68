"""From the mentions an answer names to verified spans of the text.

A mention becomes an entity only if the text bears it: letter for letter, else in folded form, else but for misspelling;
in every case with equal numbers, units, sides, negations and comparisons. What the text does not bear is listed with
the reason.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from clinspan.document import Entity, MatchKind, Span
from clinspan.formats.base import Mention
from clinspan.formats.fidelity import DriftKind, align_copy
from clinspan.grounding.index import Edge, Occurrence, TextIndex, bare


@dataclass(frozen=True, slots=True)
class GroundingSettings:
    """How mentions are grounded.

    Attributes:
        all_occurrences: report every occurrence of a mention, not one for each time it is named.
        fuzzy: take a word that is plainly a misspelling of the mention's.
    """

    all_occurrences: bool = False
    fuzzy: bool = True


@dataclass(frozen=True, slots=True)
class Ungrounded:
    """A mention that the text does not bear, and why."""

    mention: Mention
    reason: str


@dataclass(frozen=True, slots=True)
class Grounded:
    """What became of an answer's mentions: entities in text order, the ungrounded in the answer's order."""

    entities: tuple[Entity, ...] = ()
    ungrounded: tuple[Ungrounded, ...] = ()


DEFAULT = GroundingSettings()
_NEAR = 30  # characters
_EVERYWHERE = (0, 1 << 62)


def ground(
    text: str, mentions: Sequence[Mention], *, copy: str | None = None, settings: GroundingSettings = DEFAULT
) -> Grounded:
    """Finds the span of each mention.

    Args:
        text: what the answer is about.
        mentions: in the answer's order.
        copy: the text as the answer repeats it; a mention with a position in it is grounded there.
        settings: see `GroundingSettings`.

    Returns:
        Entities whose `text` is what stands at their span, and the mentions that have none.
    """
    return _Grounding(text, mentions, copy, settings).run()


class _Grounding:
    def __init__(self, text: str, mentions: Sequence[Mention], copy: str | None, settings: GroundingSettings):
        self._index = TextIndex(text)
        self._placement = _Placement(self._index, fuzzy=settings.fuzzy)
        self._mentions = mentions
        self._settings = settings
        self._entities: list[Entity] = []
        self._missing: dict[int, str] = {}
        positioned = copy is not None and any(mention.position for mention in mentions)
        self._copy = align_copy(copy, text) if copy is not None and positioned else None

    def run(self) -> Grounded:
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for number, mention in enumerate(self._mentions):
            if self._at_position(number, mention):
                continue
            if mention.parts:
                self._chain(number, mention)
            elif core := bare(mention.text) or mention.text.strip():
                groups[core].append(number)
            else:
                self._missing[number] = "the mention is empty"
        between = self._expected(groups)
        # Longest first, so that a short mention can see which of its occurrences stand inside a longer one.
        for text in sorted(groups, key=len, reverse=True):
            if self._settings.all_occurrences:
                self._everywhere(text, groups[text])
            else:
                self._one_each(text, groups[text], between)
        self._entities.sort(key=lambda entity: (entity.start, -entity.end, entity.label))
        missing = tuple(Ungrounded(self._mentions[number], why) for number, why in sorted(self._missing.items()))
        return Grounded(tuple(self._entities), missing)

    def _at_position(self, number: int, mention: Mention) -> bool:
        """Grounds a mention at its position in the copy; False where its string alone must tell its place."""
        if self._copy is None or mention.position is None or mention.parts:
            return False
        span = self._copy.span(mention.position)
        if span is None:
            return False
        if self._placement.taken(span.start, span.end, mention.label):
            self._missing[number] = "named twice at one place"
            return True
        found = self._index.at(mention.text, span.start, span.end)
        if found is not None:
            self._placement.take(span.start, span.end, mention.label)
        elif self._copy.drift.kind is DriftKind.OTHER:
            return False
        elif core := bare(mention.text):
            # The copy may have moved a word or two; a place farther off is another mention's.
            found = self._placement.near(core, mention.label, span.start - _NEAR, span.end + _NEAR)
        if found is None:
            self._missing[number] = f"the text says {span.of(self._index.text)!r} in its place"
        else:
            self._add(mention, found)
        return True

    def _one_each(self, text: str, numbers: list[int], between: dict[int, tuple[int, int]]) -> None:
        labels = [self._mentions[number].label for number in numbers]
        ranges = [between.get(number, _EVERYWHERE) for number in numbers]
        given = self._placement.give(text, labels, ranges)
        for number, occurrence in zip(numbers, given, strict=True):
            if occurrence is None:
                self._missing[number] = self._reason(text, elsewhere=any(given))
            else:
                self._add(self._mentions[number], occurrence)

    def _everywhere(self, text: str, numbers: list[int]) -> None:
        done: set[str] = set()
        for number in numbers:
            mention = self._mentions[number]
            if mention.label in done:
                continue
            done.add(mention.label)
            places = self._placement.everywhere(text, mention.label)
            if not places:
                self._missing[number] = self._reason(text, elsewhere=False)
            for place in places:
                self._add(mention, place)

    def _chain(self, number: int, mention: Mention) -> None:
        found = self._placement.chain(mention.parts, mention.label)
        if found is None:
            self._missing[number] = "its parts do not stand near each other in the text"
        else:
            self._add(mention, *found)

    def _add(self, mention: Mention, place: Occurrence, fragments: tuple[Span, ...] = ()) -> None:
        span = Span(place.start, place.end)
        text = span.of(self._index.text)
        match = place.match
        if match is MatchKind.EXACT and not fragments and text != mention.text:
            match = MatchKind.NORMALISED
        said = mention.attributes
        self._entities.append(
            Entity(span, mention.label, text, score=mention.score, match=match, fragments=fragments, attributes=said)
        )

    def _expected(self, groups: dict[str, list[int]]) -> dict[int, tuple[int, int]]:
        """Where the answer's order puts each mention: between those neighbours of its label that stand only once.

        Only of labels whose unambiguous mentions come in the text's order.
        """
        text = self._index.text
        anchors: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for said, numbers in groups.items():
            at = text.find(said)
            if len(numbers) == 1 and at >= 0 and text.find(said, at + 1) < 0:
                anchors[self._mentions[numbers[0]].label].append((numbers[0], at))
        expected: dict[int, tuple[int, int]] = {}
        for label, found in anchors.items():
            found.sort()
            starts = [at for _, at in found]
            if len(starts) < 2 or starts != sorted(set(starts)):
                continue
            order = iter([*found, (len(self._mentions), len(text))])
            low, (until, high) = 0, next(order)
            for number, mention in enumerate(self._mentions):
                while number >= until:
                    low, (until, high) = high, next(order)
                if mention.label == label:
                    expected[number] = (low, high)
        return expected

    def _reason(self, text: str, *, elsewhere: bool) -> str:
        if elsewhere:
            return "named more often than it occurs in the text"
        changed = self._index.changed(text) if self._settings.fuzzy else None
        if changed:
            return f"the {changed[0]} is changed: the text says {changed[1]!r}"
        if text in self._index.text:
            return "stands only inside longer words or numbers"
        return "not in the text"


_MOST = 2000  # occurrences looked at beyond those needed; a note has fewer
_WIDEST = 250  # characters between the first and the last part of a discontinuous mention
_FREE, _NESTED, _CROSSING = range(3)
_KINDS = (MatchKind.EXACT, MatchKind.NORMALISED, MatchKind.FUZZY)

_Key = tuple[int, bool, int, int]
"""How good an occurrence is, least first."""


class _Placement:
    """Which occurrence each mention is given: by order and context, longest first, each place once per label."""

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
        tiers: defaultdict[_Key, list[Occurrence]] = defaultdict(list)
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

    def _ranked(self, text: str, wanted: int) -> list[tuple[_Key, Occurrence]]:
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

    def _key(self, place: Occurrence) -> _Key:
        covered = self._covered.count(1, place.start, place.end)
        level = _FREE if not covered else _NESTED if covered == place.end - place.start else _CROSSING
        kind = _KINDS.index(place.match)
        # A misspelling is the last resort; where a match is certain, standing free counts for more than its kind.
        last_resort = 3 if place.match is MatchKind.FUZZY else 0
        return (level + last_resort, place.edge is Edge.GLUED, kind, -place.edge)


def _disjoint(ranked: Sequence[tuple[_Key, Occurrence]]) -> Iterator[tuple[_Key, Occurrence]]:
    """Those that overlap none before them."""
    kept: list[tuple[int, int]] = []
    for key, found in ranked:
        at = bisect_left(kept, (found.start, found.end))
        if (at and kept[at - 1][1] > found.start) or (at < len(kept) and kept[at][0] < found.end):
            continue
        kept.insert(at, (found.start, found.end))
        yield key, found
