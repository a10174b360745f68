"""Gold and predicted documents put together by id, and the rules by which a predicted entity counts as right."""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from clinspan.document import Document, Entity, Span
from clinspan.errors import ClinspanError, InputError, did_you_mean


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


class LabelCounts(NamedTuple):
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
) -> list[list[LabelCounts]]:
    """The counts of one document, by rule, for each of `labels` in their order.

    An entity that is given twice, with one label and one place, counts once. Entities may nest and overlap: each is
    compared for itself.
    """
    theirs, ours = _by_label(gold), _by_label(predicted)
    others: set[Parts] = {(span,) for span in alternatives}
    return [[_count(theirs, ours, label, rule, others) for label in labels] for rule in rules]


def _count(theirs: _Places, ours: _Places, label: str, rule: Rule, alternatives: set[Parts]) -> LabelCounts:
    gold, predicted = theirs.get(label, set()), ours.get(label, set())
    if rule in (Rule.STRICT, Rule.TYPE):
        right = len(gold & predicted) if rule is Rule.STRICT else _most_pairs(gold, predicted)
        return LabelCounts(len(predicted), right, len(gold), right)
    if rule is Rule.ALTERNATIVES:
        return _with_alternatives(gold, predicted, alternatives)
    if rule is Rule.RELAXED:
        return LabelCounts(len(predicted), _touching(predicted, gold), len(gold), _touching(gold, predicted))
    all_gold, all_predicted = set[Parts]().union(*theirs.values()), set[Parts]().union(*ours.values())
    if rule is Rule.BOUNDARY:
        return LabelCounts(len(predicted), len(predicted & all_gold), len(gold), len(gold & all_predicted))
    return LabelCounts(len(predicted), _touching(predicted, all_gold), len(gold), _touching(gold, all_predicted))


def _by_label(entities: Iterable[Entity]) -> _Places:
    places: _Places = {}
    for entity in entities:
        places.setdefault(entity.label, set()).add(parts(entity))
    return places


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


def _with_alternatives(gold: set[Parts], predicted: set[Parts], alternatives: set[Parts]) -> LabelCounts:
    """Source: the description of the evaluation in BioCreative II's gene mention task (Smith et al. 2008)."""
    others = predicted & alternatives
    found = sum(place in predicted or any(overlap(place, other) for other in others) for place in gold)
    wrong = len(predicted - gold - alternatives)
    return LabelCounts(found + wrong, found, len(gold), found)


_Report = Callable[[ClinspanError], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """One text with the entities of both sides.

    Attributes:
        alternatives: other places that count as right, where the gold document's metadata have `alternatives`.
    """

    id: str
    text: str
    gold: tuple[Entity, ...]
    predicted: tuple[Entity, ...]
    alternatives: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two corpora of the same documents.

    Attributes:
        pairs: the gold documents in their order, then those that the prediction alone has.
        labels: what is compared, others being left out on both sides.
        checksum: of the gold documents' ids, texts and entities.
    """

    pairs: tuple[Pair, ...]
    labels: tuple[str, ...]
    checksum: str
    problems: tuple[ClinspanError, ...] = ()


_OTHER_TEXT = "Tag the texts of the gold. With --lenient nothing counts as found in such a document."


def pair(
    gold: Iterable[Document],
    predicted: Iterable[Document],
    *,
    labels: Sequence[str] | None = None,
    lenient: bool = False,
) -> Pairing:
    """Puts documents of one id together.

    Args:
        labels: what is compared; None: every label of the gold documents.
        lenient: what would be an error is recorded in `Pairing.problems`: a document that only one side has counts as
            without entities on the other, the second of two with one id is passed over, so are predictions on another
            text, and predicted labels that gold lacks count as wrong.

    Raises:
        InputError: when an id comes twice, a document is missing on one side, the texts differ, or a predicted label
            is not one of gold's; with the files and lines where documents were read from any.
    """
    problems: list[ClinspanError] = []

    def report(problem: ClinspanError) -> None:
        if not lenient:
            raise problem
        problems.append(problem)

    theirs = _by_id(gold, "gold", report)
    ours = _by_id(predicted, "prediction", report)
    _compare(theirs, ours, report)
    names = tuple(dict.fromkeys(labels)) if labels is not None else _labels(theirs, ours, report)
    pairs = []
    for id, document in theirs.items():
        mine = ours.get(id)
        entities = mine.entities if mine is not None and mine.text == document.text else ()
        pairs.append(Pair(id, document.text, document.entities, entities, _alternatives(document)))
    pairs.extend(Pair(id, mine.text, (), mine.entities) for id, mine in ours.items() if id not in theirs)
    return Pairing(tuple(pairs), names, checksum(theirs.values()), tuple(problems))


def _where(document: Document) -> str:
    named = f"document {document.id!r}"
    return f"{document.place}, {named}" if document.place else named


def _by_id(documents: Iterable[Document], side: str, report: _Report) -> dict[str, Document]:
    found: dict[str, Document] = {}
    for document in documents:
        first = found.setdefault(document.id, document)
        if first is not document:
            at = f" (the first: {first.place})" if first.place else ""
            what = f"the id {document.id!r} comes twice in the {side}{at}"
            report(InputError(what, where=document.place, fix="Give each document an id of its own."))
    return found


def _compare(gold: dict[str, Document], predicted: dict[str, Document], report: _Report) -> None:
    for id, document in gold.items():
        mine = predicted.get(id)
        if mine is None:
            report(InputError("is missing from the prediction", where=_where(document)))
        elif mine.text != document.text:
            gold_place = f" (gold: {document.place})" if document.place else ""
            what = f"gold and prediction have different texts {_difference(document.text, mine.text)}{gold_place}"
            report(InputError(what, where=_where(mine), fix=_OTHER_TEXT))
    for id, mine in predicted.items():
        if id not in gold:
            report(InputError("is not among the gold documents", where=_where(mine)))


def _difference(text: str, other: str) -> str:
    """Where two texts part."""
    at = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    alone = ", white space at the end alone" if text.rstrip() == other.rstrip() else ""
    return f"from character {at} on: {text[at : at + 20]!r} and {other[at : at + 20]!r}{alone}"


def _labels(gold: dict[str, Document], predicted: dict[str, Document], report: _Report) -> tuple[str, ...]:
    known = sorted({entity.label for document in gold.values() for entity in document.entities})
    others: dict[str, Document] = {}
    for document in predicted.values():
        for entity in document.entities:
            if entity.label not in known:
                others.setdefault(entity.label, document)
    for label in sorted(others) if known else ():
        report(
            InputError(
                f"the prediction has the label {label!r}, which gold lacks",
                where=_where(others[label]),
                fix=f"{did_you_mean(label, known)} Rename it with --map, or say what to score with --label.",
            )
        )
    return (*known, *sorted(others))


def _alternatives(document: Document) -> tuple[Span, ...]:
    given = document.metadata.get("alternatives", ())
    try:
        if isinstance(given, list | tuple):
            return tuple(Span(start, end) for start, end in given)
    except (TypeError, ValueError):
        pass
    raise InputError(
        "the metadata 'alternatives' is not a list of places", where=_where(document), expected="pairs of start and end"
    )


def checksum(documents: Iterable[Document]) -> str:
    """The SHA-256 of texts and annotations, whatever the documents' order: names the gold that was used."""
    digest = hashlib.sha256()
    for document in sorted(documents, key=lambda d: d.id):
        entities = sorted((e.start, e.end, e.label, e.fragments) for e in document.entities)
        digest.update(repr((document.id, document.text, entities)).encode())
    return digest.hexdigest()
