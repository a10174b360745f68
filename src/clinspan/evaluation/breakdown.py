"""What kinds of errors there are: each gold entity that was not found and each prediction that is wrong, by its kind.

A wrong prediction is put together with the gold entity it comes nearest to: first one in the same place, then one of
its label that it overlaps most, then any other that it overlaps. What is left over is missed or spurious. Neither the
order of the documents nor that of the entities matters.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from clinspan.document import Entity
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
