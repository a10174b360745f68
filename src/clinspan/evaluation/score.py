"""Precision, recall and F1 of entities, as functions of whole-number counts for each document.

Since the counts are kept by document, intervals and paired tests come from drawing documents anew
(`clinspan.evaluation.significance`).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clinspan.document import Document
from clinspan.errors import InputError, did_you_mean
from clinspan.evaluation.match import Rule, count

CountArray = npt.NDArray[np.int64]
"""Documents by labels by (predicted, right, gold, found)."""
_Report = Callable[[InputError], None]


@dataclass(frozen=True, slots=True)
class Figures:
    """Scores in [0, 1] and the counts they come from; 0 where nothing could be counted."""

    precision: float
    recall: float
    f1: float
    predicted: int
    gold: int
    found: int


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one system on one corpus.

    Attributes:
        rule: when a predicted entity is right.
        labels: what was scored.
        ids: the gold documents, in their order.
        counts: documents by labels by (predicted, right, gold, found).
        checksum: of the gold documents' ids, texts and entities.
        problems: what was passed over, where that was asked for.
    """

    rule: Rule
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    counts: CountArray
    checksum: str
    problems: tuple[InputError, ...] = ()

    @property
    def micro(self) -> Figures:
        """All entities alike."""
        return _figures(self.counts.sum(axis=(0, 1)))

    @property
    def by_label(self) -> dict[str, Figures]:
        """Each label for itself."""
        return {label: _figures(row) for label, row in zip(self.labels, self.counts.sum(axis=0), strict=True)}

    @property
    def macro_f1(self) -> float:
        """The mean of the labels' F1, over the labels that gold or prediction has."""
        seen = [f.f1 for f in self.by_label.values() if f.predicted or f.gold]
        return sum(seen) / len(seen) if seen else 0.0

    @property
    def signature(self) -> str:
        """What a figure must be quoted with to be repeated: rule, labels, corpus."""
        return f"rule:{self.rule}|labels:{','.join(self.labels)}|documents:{len(self.ids)}|gold:{self.checksum[:12]}"


def score(
    gold: Iterable[Document],
    predicted: Iterable[Document],
    *,
    rule: Rule | str = Rule.STRICT,
    labels: Sequence[str] | None = None,
    lenient: bool = False,
) -> Score:
    """Scores predictions against gold, document by document; neither the documents' nor the entities' order matters.

    Args:
        gold: the right documents.
        predicted: the same documents with a system's entities.
        rule: see `Rule`.
        labels: what is scored, other labels being left out on both sides; None: every label of the gold documents.
        lenient: what would be an error is recorded in `Score.problems`: a document that only one side has counts as
            without entities on the other, the second of two with one id is passed over, so are predictions on another
            text, and predicted labels that gold lacks count as wrong.

    Raises:
        InputError: when an id comes twice, a document is missing on one side, the texts differ, or a predicted label
            is not one of gold's.
    """
    problems: list[InputError] = []

    def report(problem: InputError) -> None:
        if not lenient:
            raise problem
        problems.append(problem)

    theirs = _by_id(gold, "gold", report)
    ours = _by_id(predicted, "prediction", report)
    _compare(theirs, ours, report)
    names = tuple(labels) if labels is not None else _labels(theirs, ours, report)
    nothing: tuple[()] = ()
    rows = []
    for id, document in theirs.items():
        mine = ours.get(id)
        entities = mine.entities if mine is not None and mine.text == document.text else nothing
        rows.append(count(document.entities, entities, names, Rule(rule)))
    rows.extend(count(nothing, mine.entities, names, Rule(rule)) for id, mine in ours.items() if id not in theirs)
    ids = (*theirs, *(id for id in ours if id not in theirs))
    counts = np.array(rows, dtype=np.int64).reshape(len(ids), len(names), 4)
    return Score(Rule(rule), names, ids, counts, checksum(theirs.values()), tuple(problems))


def _by_id(documents: Iterable[Document], side: str, report: _Report) -> dict[str, Document]:
    found: dict[str, Document] = {}
    for document in documents:
        if document.id in found:
            report(InputError(f"the id {document.id!r} comes twice", where=side))
        else:
            found[document.id] = document
    return found


def _compare(gold: dict[str, Document], predicted: dict[str, Document], report: _Report) -> None:
    for id, document in gold.items():
        mine = predicted.get(id)
        if mine is None:
            report(InputError("is missing from the prediction", where=f"document {id!r}"))
        elif mine.text != document.text:
            at = next(
                (i for i, (a, b) in enumerate(zip(document.text, mine.text, strict=False)) if a != b),
                min(len(document.text), len(mine.text)),
            )
            report(
                InputError(
                    f"gold and prediction have different texts from character {at} on: "
                    f"{document.text[at : at + 20]!r} and {mine.text[at : at + 20]!r}",
                    where=f"document {id!r}",
                )
            )
    for id in predicted:
        if id not in gold:
            report(InputError("is not among the gold documents", where=f"document {id!r}"))


def _labels(gold: dict[str, Document], predicted: dict[str, Document], report: _Report) -> tuple[str, ...]:
    known = sorted({entity.label for document in gold.values() for entity in document.entities})
    others = sorted({entity.label for document in predicted.values() for entity in document.entities} - set(known))
    for label in others if known else ():
        report(
            InputError(
                f"the prediction has the label {label!r}, which gold lacks",
                fix=f"{did_you_mean(label, known)} Rename it with --map, or say what to score with --labels.",
            )
        )
    return (*known, *others)


def checksum(documents: Iterable[Document]) -> str:
    """The SHA-256 of texts and annotations, whatever the documents' order: names the gold that was used."""
    digest = hashlib.sha256()
    for document in sorted(documents, key=lambda d: d.id):
        entities = sorted((e.start, e.end, e.label, e.fragments) for e in document.entities)
        digest.update(repr((document.id, document.text, entities)).encode())
    return digest.hexdigest()


def _figures(totals: npt.NDArray[np.int64]) -> Figures:
    predicted, _, gold, found = (int(n) for n in totals)
    precision, recall, f1 = (float(x) for x in rates(np.asarray(totals, dtype=np.float64)))
    return Figures(precision, recall, f1, predicted, gold, found)


def rates(totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Precision, recall and F1 in the last axis, from (predicted, right, gold, found) in the last axis; 0 for 0/0."""
    predicted, right, gold, found = (totals[..., i] for i in range(4))
    precision = np.divide(right, predicted, out=np.zeros_like(right), where=predicted > 0)
    recall = np.divide(found, gold, out=np.zeros_like(found), where=gold > 0)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
    return np.stack([precision, recall, f1], axis=-1)
