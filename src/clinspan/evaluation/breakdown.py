"""What stands behind a score: what kinds of errors there are, and whether attributes and codes of entities are right.

Each gold entity that was not found and each prediction that is wrong has a kind. A wrong prediction is put together
with the gold entity it comes nearest to: first one in the same place, then one of its label that it overlaps most, then
any other that it overlaps. What is left over is missed or spurious. Neither the order of the documents nor that of the
entities matters.

Of entities that were found it is counted whether both sides give them the same attributes and the same codes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from clinspan.document import OF, Entity
from clinspan.evaluation.match import Pair, Pairing, Parts, overlap, parts


class Kind(StrEnum):
    """Kinds of errors."""

    MISSED = "missed"
    """A gold entity that no prediction comes near."""
    SPURIOUS = "spurious"
    """A prediction that comes near no gold entity."""
    LEFT = "wrong left boundary"
    """The label is right and so is the end."""
    RIGHT = "wrong right boundary"
    """The label is right and so is the start."""
    BOTH = "wrong boundaries"
    """The label is right, neither start nor end is."""
    PARTS = "wrong parts"
    """Label, start and end are right, the gaps of a discontinuous entity are not."""
    TYPE = "wrong type"
    """The place is right, the label is not."""
    TYPE_AND_BOUNDARY = "wrong type and boundary"
    """The two overlap, and that is all."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One error, with as much of the text around it as was asked for.

    Attributes:
        gold: what should have been found; None for a spurious prediction.
        predicted: what was found; None for a missed entity.
        text: the text from the start of the first to the end of the last of them.
    """

    kind: Kind
    document: str
    gold: Entity | None
    predicted: Entity | None
    before: str
    text: str
    after: str


@dataclass(frozen=True, slots=True)
class Breakdown:
    """How many errors of each kind there are, over all and by the gold entity's label (else the predicted one's)."""

    counts: Mapping[Kind, int]
    by_label: Mapping[str, Mapping[Kind, int]]
    examples: tuple[Mistake, ...]


def break_down(pairing: Pairing, *, examples: int = 3, context: int = 40, alternatives: bool = False) -> Breakdown:
    """Counts the errors of a prediction.

    Args:
        examples: how many of each kind are given, the first in the order of documents and places.
        context: code points of text on either side of an example.
        alternatives: predictions at a document's alternative places are no errors, and the gold entities that such a
            place overlaps are found.
    """
    counts: Counter[Kind] = Counter()
    by_label: dict[str, Counter[Kind]] = {label: Counter() for label in pairing.labels}
    shown = []
    for pair in pairing.pairs:
        for kind, gold, predicted in _errors(pair, pairing.labels, alternatives):
            counts[kind] += 1
            named = gold or predicted
            if named is not None:
                by_label[named.label][kind] += 1
            if counts[kind] <= examples:
                shown.append(_mistake(pair, kind, gold, predicted, context))
    order = list(Kind)
    return Breakdown(
        {kind: counts[kind] for kind in order},
        {label: {kind: found[kind] for kind in order} for label, found in by_label.items()},
        tuple(sorted(shown, key=lambda one: order.index(one.kind))),
    )


_Key = tuple[Parts, str]
_Error = tuple[Kind, Entity | None, Entity | None]


def _errors(pair: Pair, labels: Sequence[str], alternatives: bool) -> Iterator[_Error]:
    gold = {(parts(entity), entity.label): entity for entity in pair.gold if entity.label in labels}
    ours = {(parts(entity), entity.label): entity for entity in pair.predicted if entity.label in labels}
    right = gold.keys() & ours.keys()
    missing, wrong = gold.keys() - right, ours.keys() - right
    if alternatives:
        others = {((span,), label) for span in pair.alternatives for label in labels}
        used = others & ours.keys()
        missing = {key for key in missing if not any(key[1] == u[1] and overlap(key[0], u[0]) for u in used)}
        wrong -= others
    found: list[tuple[_Key | None, _Key | None, Kind]] = []
    for theirs, mine in _nearest(missing, wrong):
        missing.discard(theirs)
        wrong.discard(mine)
        found.append((theirs, mine, _kind(theirs, mine)))
    found.extend((key, None, Kind.MISSED) for key in missing)
    found.extend((None, key, Kind.SPURIOUS) for key in wrong)
    for theirs_or_none, mine_or_none, kind in sorted(found, key=lambda one: (one[0] or one[1], one[2])):
        yield (
            kind,
            gold[theirs_or_none] if theirs_or_none else None,
            ours[mine_or_none] if mine_or_none else None,
        )


def _nearest(missing: set[_Key], wrong: set[_Key]) -> Iterator[tuple[_Key, _Key]]:
    """Pairs of the two, each of either side in one pair at most, the nearest first."""
    near = []
    for theirs in missing:
        for mine in wrong:
            shared = overlap(theirs[0], mine[0])
            if shared:
                rank = 0 if theirs[0] == mine[0] else 1 if theirs[1] == mine[1] else 2
                near.append((rank, -shared, theirs, mine))
    taken: set[tuple[bool, _Key]] = set()
    for _, _, theirs, mine in sorted(near):
        if (True, theirs) not in taken and (False, mine) not in taken:
            taken |= {(True, theirs), (False, mine)}
            yield theirs, mine


def _kind(gold: _Key, predicted: _Key) -> Kind:
    if gold[0] == predicted[0]:
        return Kind.TYPE
    if gold[1] != predicted[1]:
        return Kind.TYPE_AND_BOUNDARY
    left = gold[0][0].start == predicted[0][0].start
    right = gold[0][-1].end == predicted[0][-1].end
    if left and right:
        return Kind.PARTS
    return Kind.RIGHT if left else Kind.LEFT if right else Kind.BOTH


def _mistake(pair: Pair, kind: Kind, gold: Entity | None, predicted: Entity | None, context: int) -> Mistake:
    entities = [entity for entity in (gold, predicted) if entity is not None]
    start, end = min(entity.start for entity in entities), max(entity.end for entity in entities)
    before = pair.text[max(0, start - context) : start]
    return Mistake(kind, pair.id, gold, predicted, before, pair.text[start:end], pair.text[end : end + context])


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
