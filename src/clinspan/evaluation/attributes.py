"""Attributes of entities that both sides have: accuracy, F1 of each value, and what is taken for what."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from clinspan.document import Entity
from clinspan.evaluation.match import Pairing, parts

MISSING = "(none)"
"""Stands for a value that the prediction does not give."""


@dataclass(frozen=True, slots=True)
class AttributeScore:
    """How well one attribute is told.

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
        theirs = {(parts(e), e.label): e for e in one.gold if e.label in pairing.labels}
        ours: dict[object, Entity] = {(parts(e), e.label): e for e in one.predicted if e.label in pairing.labels}
        predicted.update(name for entity in ours.values() for name in entity.attributes)
        for place, entity in theirs.items():
            gold.update(entity.attributes.keys())
            for name, value in entity.attributes.items():
                table = confusion.setdefault(name, Counter())
                if place in ours:
                    table[value, ours[place].attributes.get(name, MISSING)] += 1
    return tuple(
        AttributeScore(name, dict(table), gold[name], predicted[name]) for name, table in sorted(confusion.items())
    )
