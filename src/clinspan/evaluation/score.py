"""Precision, recall and F1 of entities, as functions of whole-number counts for each document.

Since the counts are kept by document, intervals and paired tests come from drawing documents anew
(`clinspan.evaluation.significance`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clinspan.document import Document
from clinspan.errors import ClinspanError
from clinspan.evaluation.match import Pairing, Rule, count, pair

CountArray = npt.NDArray[np.int64]
"""Documents by labels by (predicted, right, gold, found)."""


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
        ids: the gold documents, in their order.
        counts: documents by labels by (predicted, right, gold, found).
        checksum: of the gold documents' ids, texts and entities.
    """

    rule: Rule
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    counts: CountArray
    checksum: str
    problems: tuple[ClinspanError, ...] = ()

    @property
    def micro(self) -> Figures:
        """All entities alike."""
        return _figures(self.counts.sum(axis=(0, 1)))

    @property
    def by_label(self) -> dict[str, Figures]:
        """Each label for itself."""
        return {label: _figures(row) for label, row in zip(self.labels, self.counts.sum(axis=0), strict=True)}

    @property
    def macro(self) -> Figures:
        """The mean of the labels' figures, over the labels that gold or prediction has; the counts are totals."""
        seen = [one for one in self.by_label.values() if one.predicted or one.gold]
        if not seen:
            return self.micro
        columns = zip(*((one.precision, one.recall, one.f1) for one in seen), strict=True)
        precision, recall, f1 = (sum(column) / len(seen) for column in columns)
        return Figures(precision, recall, f1, self.micro.predicted, self.micro.gold, self.micro.found)

    @property
    def macro_f1(self) -> float:
        """The mean of the labels' F1."""
        return self.macro.f1

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
        predicted: the same documents with a system's entities.
        labels: what is scored, other labels being left out on both sides; None: every label of the gold documents.
        lenient: see `clinspan.evaluation.match.pair`.

    Raises:
        InputError: when the two do not belong together; see `clinspan.evaluation.match.pair`.
    """
    rule = Rule(rule)
    return tally(pair(gold, predicted, labels=labels, lenient=lenient), [rule])[rule]


def tally(pairing: Pairing, rules: Iterable[Rule]) -> dict[Rule, Score]:
    """The scores of paired documents under several rules."""
    rules = tuple(dict.fromkeys(rules))
    labels = pairing.labels
    rows = [count(one.gold, one.predicted, labels, rules, one.alternatives) for one in pairing.pairs]
    counts = np.array(rows, dtype=np.int64).reshape(len(rows), len(rules), len(labels), 4)
    ids = tuple(one.id for one in pairing.pairs)
    return {
        rule: Score(rule, labels, ids, counts[:, number], pairing.checksum, pairing.problems)
        for number, rule in enumerate(rules)
    }


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
