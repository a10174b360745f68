"""When a predicted entity counts as right: four rules, none of which depends on the order of the entities."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from clinspan.document import Entity, Span


class Rule(StrEnum):
    """What must agree."""

    STRICT = "strict"
    """Label, start and end, and the parts of a discontinuous entity."""
    RELAXED = "relaxed"
    """Label, and at least one code point in common."""
    BOUNDARY = "boundary"
    """Start and end, and the parts; any label."""
    OVERLAP = "overlap"
    """At least one code point in common; any label."""


class Counts(NamedTuple):
    """Entities of one label in one document.

    Under strict and boundary `right` and `found` are the same number; under the others one long prediction may find
    two gold entities, so precision and recall have numerators of their own.
    """

    predicted: int
    right: int
    gold: int
    found: int


_Parts = tuple[Span, ...]


def count(gold: Iterable[Entity], predicted: Iterable[Entity], labels: Sequence[str], rule: Rule) -> list[Counts]:
    """The counts of one document, for each of `labels` in their order.

    An entity that is given twice, with one label and one place, counts once. Entities may nest and overlap: each is
    compared for itself.
    """
    theirs, ours = _by_label(gold), _by_label(predicted)
    if rule in (Rule.BOUNDARY, Rule.OVERLAP):
        their_targets = dict.fromkeys(labels, _union(theirs))
        our_targets = dict.fromkeys(labels, _union(ours))
    else:
        their_targets, our_targets = theirs, ours
    agree = _same if rule in (Rule.STRICT, Rule.BOUNDARY) else _touching
    return [
        Counts(
            predicted=len(ours.get(label, ())),
            right=agree(ours.get(label, set()), their_targets.get(label, set())),
            gold=len(theirs.get(label, ())),
            found=agree(theirs.get(label, set()), our_targets.get(label, set())),
        )
        for label in labels
    ]


def _by_label(entities: Iterable[Entity]) -> dict[str, set[_Parts]]:
    places: dict[str, set[_Parts]] = {}
    for entity in entities:
        places.setdefault(entity.label, set()).add(entity.fragments or (entity.span,))
    return places


def _union(places: dict[str, set[_Parts]]) -> set[_Parts]:
    return set().union(*places.values())


def _same(entities: set[_Parts], targets: set[_Parts]) -> int:
    return len(entities & targets)


def _touching(entities: set[_Parts], targets: set[_Parts]) -> int:
    """How many of `entities` have a code point in common with any of `targets`."""
    starts: list[int] = []
    ends: list[int] = []
    for span in sorted(part for target in targets for part in target):
        if ends and span.start <= ends[-1]:
            ends[-1] = max(ends[-1], span.end)
        else:
            starts.append(span.start)
            ends.append(span.end)

    def touches(part: Span) -> bool:
        at = bisect_right(starts, part.end - 1) - 1
        return at >= 0 and ends[at] > part.start

    return sum(any(touches(part) for part in entity) for entity in entities)
