"""From the mentions an answer names to verified spans of the text.

A mention becomes an entity only if the text bears it: letter for letter, else in folded form, else but for misspelling;
in every case with equal numbers, units, sides, negations and comparisons. What the text does not bear is listed with
the reason.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from clinspan.document import Entity, MatchKind, Span
from clinspan.formats.base import Mention
from clinspan.formats.fidelity import DriftKind, align_copy
from clinspan.grounding.index import Occurrence, TextIndex, bare
from clinspan.grounding.placement import Placement


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
        self._placement = Placement(self._index, fuzzy=settings.fuzzy)
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
