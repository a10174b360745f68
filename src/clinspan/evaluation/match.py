"""When a predicted entity counts as right: rules none of which depends on the order of the entities."""

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
    TYPE = "type"
    """As relaxed, but each entity counts for one of the other side at most: the largest number of pairs there is."""
    BOUNDARY = "boundary"
    """Start and end, and the parts; any label."""
    OVERLAP = "overlap"
    """At least one code point in common; any label."""
    ALTERNATIVES = "alternatives"
    """As strict, and BC2GM's rule besides: a prediction at one of the document's other places finds each gold entity
    that the place overlaps; it is no error where they were found already, and counts for nothing then."""


class Counts(NamedTuple):
    """Entities of one label in one document.

    Under strict, boundary and type `right` and `found` are the same number; under relaxed and overlap one long
    prediction may find two gold entities, so precision and recall have numerators of their own.
    """

    predicted: int
    right: int
    gold: int
    found: int


Parts = tuple[Span, ...]
"""The place of an entity: its fragments, or its one span."""
_Places = dict[str, set[Parts]]


def parts(entity: Entity) -> Parts:
    """The place of an entity."""
    return entity.fragments or (entity.span,)


def count(
    gold: Iterable[Entity],
    predicted: Iterable[Entity],
    labels: Sequence[str],
    rules: Sequence[Rule],
    alternatives: Iterable[Span] = (),
) -> list[list[Counts]]:
    """The counts of one document, by rule, for each of `labels` in their order.

    An entity that is given twice, with one label and one place, counts once. Entities may nest and overlap: each is
    compared for itself.
    """
    theirs, ours = _by_label(gold), _by_label(predicted)
    others: set[Parts] = {(span,) for span in alternatives}
    return [[_count(theirs, ours, label, rule, others) for label in labels] for rule in rules]


def _count(theirs: _Places, ours: _Places, label: str, rule: Rule, alternatives: set[Parts]) -> Counts:
    gold, predicted = theirs.get(label, set()), ours.get(label, set())
    if rule is Rule.STRICT:
        right = len(gold & predicted)
        return Counts(len(predicted), right, len(gold), right)
    if rule is Rule.TYPE:
        right = _most_pairs(gold, predicted)
        return Counts(len(predicted), right, len(gold), right)
    if rule is Rule.ALTERNATIVES:
        return _with_alternatives(gold, predicted, alternatives)
    if rule is Rule.RELAXED:
        return Counts(len(predicted), _touching(predicted, gold), len(gold), _touching(gold, predicted))
    all_gold, all_predicted = _union(theirs), _union(ours)
    agree = _same if rule is Rule.BOUNDARY else _touching
    return Counts(len(predicted), agree(predicted, all_gold), len(gold), agree(gold, all_predicted))


def _by_label(entities: Iterable[Entity]) -> _Places:
    places: _Places = {}
    for entity in entities:
        places.setdefault(entity.label, set()).add(parts(entity))
    return places


def _union(places: _Places) -> set[Parts]:
    return set().union(*places.values())


def _same(entities: set[Parts], targets: set[Parts]) -> int:
    return len(entities & targets)


def _touching(entities: set[Parts], targets: set[Parts]) -> int:
    """How many of `entities` have a code point in common with any of `targets`."""
    if not entities or not targets:
        return 0
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


def overlap(one: Parts, other: Parts) -> int:
    """How many code points two places share."""
    return sum(max(0, min(a.end, b.end) - max(a.start, b.start)) for a in one for b in other)


def _most_pairs(gold: set[Parts], predicted: set[Parts]) -> int:
    """The size of the largest matching of overlapping places.

    Source: Kuhn's augmenting paths for bipartite graphs.
    """
    near = _near(predicted, gold)
    holder: dict[int, int] = {}

    def augment(mine: int, seen: set[int]) -> bool:
        for number in near[mine]:
            if number not in seen:
                seen.add(number)
                if number not in holder or augment(holder[number], seen):
                    holder[number] = mine
                    return True
        return False

    return sum(augment(mine, set()) for mine in range(len(near)))


def _near(entities: set[Parts], targets: set[Parts]) -> list[list[int]]:
    """For each of `entities` the numbers of the targets, in the order of their places, that it overlaps."""
    places = sorted(targets)
    starts = [place[0].start for place in places]
    longest = max((place[-1].end - place[0].start for place in places), default=0)
    found = []
    for mine in sorted(entities):
        first = bisect_right(starts, mine[0].start - longest)
        last = bisect_right(starts, mine[-1].end - 1)
        found.append([number for number in range(first, last) if overlap(mine, places[number])])
    return found


def _with_alternatives(gold: set[Parts], predicted: set[Parts], alternatives: set[Parts]) -> Counts:
    """Source: the description of the evaluation in BioCreative II's gene mention task (Smith et al. 2008)."""
    others = predicted & alternatives
    found = sum(place in predicted or any(overlap(place, other) for other in others) for place in gold)
    wrong = len(predicted - gold - alternatives)
    return Counts(found + wrong, found, len(gold), found)
