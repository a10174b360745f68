"""How often entities carry the right code: on entities that both sides have, and end to end."""

from dataclasses import dataclass

from clinspan.document import Entity
from clinspan.evaluation.match import Pairing, parts


@dataclass(frozen=True, slots=True)
class LinkScore:
    """Counts of entities with codes.

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
        theirs = {(parts(e), e.label): e for e in one.gold if e.concepts and e.label in pairing.labels}
        ours: dict[object, Entity] = {(parts(e), e.label): e for e in one.predicted if e.label in pairing.labels}
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
