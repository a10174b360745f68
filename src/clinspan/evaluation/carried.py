"""What entities carry beside place and label: whether both sides give them the same attributes and the same codes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clinspan.document import OF, Entity
from clinspan.evaluation.match import Pairing, parts

MISSING = "(none)"
"""Stands for a value that the prediction does not give."""
SAME, ANOTHER = "the same", "another"
"""Stand for the values of `of`, whose ids say nothing by themselves: whether both sides name the same entity."""


@dataclass(frozen=True, slots=True)
class AttributeScore:
    """How well one attribute is told: accuracy, F1 of each value, and what is taken for what.

    Attributes:
        confusion: how often a gold value met a predicted one, on entities of one place and label.
        gold: entities of the gold documents that have the attribute.
        predicted: entities of the prediction that have it.
    """

    name: str
    confusion: Mapping[tuple[str, str], int]
    gold: int
    predicted: int

    @property
    def matched(self) -> int:
        """Entities of gold with the attribute that the prediction has too."""
        return sum(self.confusion.values())

    @property
    def right(self) -> int:
        """Those of them with the right value."""
        return sum(count for (gold, mine), count in self.confusion.items() if gold == mine)

    @property
    def accuracy(self) -> float:
        """The share of matched entities with the right value; 0 where there is none."""
        return self.right / self.matched if self.matched else 0.0

    @property
    def together_f1(self) -> float:
        """F1 of entities whose place, label and value are all right."""
        return 2 * self.right / (self.gold + self.predicted) if self.gold + self.predicted else 0.0

    @property
    def values(self) -> tuple[str, ...]:
        """The values of both sides."""
        return tuple(sorted({value for pair in self.confusion for value in pair} - {MISSING}))

    def f1(self, value: str) -> float:
        """F1 of one value, on matched entities."""
        gold = sum(count for (theirs, _), count in self.confusion.items() if theirs == value)
        mine = sum(count for (_, ours), count in self.confusion.items() if ours == value)
        return 2 * self.confusion.get((value, value), 0) / (gold + mine) if gold + mine else 0.0


def attribute_scores(pairing: Pairing) -> tuple[AttributeScore, ...]:
    """The score of each attribute that gold entities of the compared labels have, by name."""
    confusion: dict[str, Counter[tuple[str, str]]] = {}
    gold: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    for one in pairing.pairs:
        gold_owners, owners = _owners(one.gold), _owners(one.predicted)
        theirs, ours = _by_place(one.gold, pairing.labels), _by_place(one.predicted, pairing.labels)
        predicted.update(name for entity in ours.values() for name in entity.attributes)
        for place, entity in theirs.items():
            gold.update(entity.attributes.keys())
            for name, value in entity.attributes.items():
                table = confusion.setdefault(name, Counter())
                if place in ours and name == OF:
                    owner = owners.get(place)
                    told = MISSING if owner is None else SAME if _meet(owner, gold_owners.get(place)) else ANOTHER
                    table[SAME, told] += 1
                elif place in ours:
                    table[value, ours[place].attributes.get(name, MISSING)] += 1
    return tuple(
        AttributeScore(name, dict(table), gold[name], predicted[name]) for name, table in sorted(confusion.items())
    )


def _owners(entities: Iterable[Entity]) -> dict[object, Entity]:
    """What each detail belongs to, by the detail's place and label."""
    listed = tuple(entities)
    by_id = {entity.id: entity for entity in listed if entity.id is not None}
    said = ((entity, by_id.get(entity.attribute(OF) or "")) for entity in listed)
    return {(parts(entity), entity.label): owner for entity, owner in said if owner is not None}


def _meet(one: Entity, other: Entity | None) -> bool:
    return other is not None and one.label == other.label and one.span.overlaps(other.span)


@dataclass(frozen=True, slots=True)
class LinkScore:
    """Counts of entities with codes: on entities that both sides have, and end to end.

    A code is right where the first concept, or an equivalent of it, has any id of gold.

    Attributes:
        gold: entities of gold that have a code.
        predicted: entities of the prediction that have one.
        matched: entities of gold with a code that the prediction has in the same place with the same label.
        linked: those of them that have a code in the prediction.
        right: those with a right one.
    """

    gold: int
    predicted: int
    matched: int
    linked: int
    right: int

    @property
    def accuracy(self) -> float:
        """Right of matched: what linking brings where the entity was found; 0 where there is none."""
        return self.right / self.matched if self.matched else 0.0

    @property
    def precision(self) -> float:
        """Right of linked."""
        return self.right / self.linked if self.linked else 0.0

    @property
    def f1(self) -> float:
        """F1 of place, label and code together."""
        return 2 * self.right / (self.gold + self.predicted) if self.gold + self.predicted else 0.0


def link_score(pairing: Pairing) -> LinkScore | None:
    """The score of the codes; None where gold or the prediction has none."""
    gold = predicted = matched = linked = right = 0
    for one in pairing.pairs:
        theirs = _by_place((entity for entity in one.gold if entity.concepts), pairing.labels)
        ours = _by_place(one.predicted, pairing.labels)
        gold += len(theirs)
        predicted += sum(bool(entity.concepts) for entity in ours.values())
        for place, entity in theirs.items():
            mine = ours.get(place)
            if mine is None:
                continue
            matched += 1
            linked += bool(mine.concepts)
            ids = frozenset(code for concept in entity.concepts for code in concept.codes)
            right += bool(mine.concepts) and bool(ids & mine.concepts[0].codes)
    return LinkScore(gold, predicted, matched, linked, right) if gold and predicted else None


def _by_place(entities: Iterable[Entity], labels: Sequence[str]) -> dict[object, Entity]:
    return {(parts(entity), entity.label): entity for entity in entities if entity.label in labels}
