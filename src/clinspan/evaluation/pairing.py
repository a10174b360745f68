"""Gold and predicted documents put together by id: what a score, an error analysis and a calibration are made from."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from clinspan.document import Document, Entity, Span
from clinspan.errors import ClinspanError, InputError, did_you_mean

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
        problems: what was passed over, where that was asked for.
    """

    pairs: tuple[Pair, ...]
    labels: tuple[str, ...]
    checksum: str
    problems: tuple[ClinspanError, ...] = ()


def pair(
    gold: Iterable[Document],
    predicted: Iterable[Document],
    *,
    labels: Sequence[str] | None = None,
    lenient: bool = False,
) -> Pairing:
    """Puts documents of one id together.

    Args:
        gold: the right documents.
        predicted: the same documents with a system's entities.
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
            at = next(
                (i for i, (a, b) in enumerate(zip(document.text, mine.text, strict=False)) if a != b),
                min(len(document.text), len(mine.text)),
            )
            gold_place = f" (gold: {document.place})" if document.place else ""
            report(
                InputError(
                    f"gold and prediction have different texts from character {at} on: "
                    f"{document.text[at : at + 20]!r} and {mine.text[at : at + 20]!r}{gold_place}",
                    where=_where(mine),
                )
            )
    for id, mine in predicted.items():
        if id not in gold:
            report(InputError("is not among the gold documents", where=_where(mine)))


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
        "the metadata 'alternatives' are no places", where=_where(document), expected="pairs of start and end"
    )


def checksum(documents: Iterable[Document]) -> str:
    """The SHA-256 of texts and annotations, whatever the documents' order: names the gold that was used."""
    digest = hashlib.sha256()
    for document in sorted(documents, key=lambda d: d.id):
        entities = sorted((e.start, e.end, e.label, e.fragments) for e in document.entities)
        digest.update(repr((document.id, document.text, entities)).encode())
    return digest.hexdigest()
