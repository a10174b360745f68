"""Precision, recall and F1 of entities, as functions of whole-number counts for each document, and how sure they are.

Since the counts are kept by document, intervals and paired tests come from drawing documents anew: the percentile
bootstrap, for one system and for the difference of two.

Source of the method: Efron and Tibshirani, An Introduction to the Bootstrap (1993); for paired tests of scores that are
no means of sentences, Koehn (2004), Statistical significance tests for machine translation evaluation.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clinspan.document import Document
from clinspan.errors import ClinspanError, ConfigError
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


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure lies with probability `level`, both ends included."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals of one row of a score."""

    precision: Interval
    recall: Interval
    f1: Interval


@dataclass(frozen=True, slots=True)
class ScoreIntervals:
    """Intervals of all rows of a score."""

    micro: Intervals
    macro: Intervals
    by_label: dict[str, Intervals]


@dataclass(frozen=True, slots=True)
class Difference:
    """F1 of the second system less that of the first.

    Attributes:
        p: two-sided probability of a difference as large if the systems were equal; never below 1 / (resamples + 1).
    """

    f1: float
    interval: Interval
    p: float


def intervals(
    score: Score, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[Intervals, dict[str, Intervals]]:
    """Intervals of the micro scores, and of each label's.

    Args:
        score: its documents are drawn with replacement.
        seed: of the draws; the same seed gives the same intervals.

    Raises:
        ConfigError: when there are no documents, or a setting is out of range.
    """
    (sure,) = all_intervals([score], resamples=resamples, seed=seed, level=level)
    return sure.micro, sure.by_label


def all_intervals(
    scores: Sequence[Score], *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> list[ScoreIntervals]:
    """The intervals of several scores of the same documents, drawn alike for all; see `intervals`.

    Raises:
        ConfigError: when there are no documents, the documents differ, or a setting is out of range.
    """
    for one in scores:
        _check(one, resamples, level)
    if any(one.ids != scores[0].ids for one in scores):
        raise ConfigError("intervals can only be drawn together for scores of the same documents")
    together = np.stack([one.counts for one in scores], axis=1)
    drawn = np.concatenate(list(draws(together, resamples, seed)))
    return [_of_one(one, drawn[:, number], level) for number, one in enumerate(scores)]


def _of_one(score: Score, drawn: npt.NDArray[np.float64], level: float) -> ScoreIntervals:
    by_label = rates(drawn)
    # The labels that are there are there in every draw: a draw without one of them scores 0 for it.
    seen = [bool(f.predicted or f.gold) for f in score.by_label.values()]
    macro = by_label[:, seen].mean(axis=1) if any(seen) else np.zeros((len(drawn), 3))
    return ScoreIntervals(
        _intervals(rates(drawn.sum(axis=1)), level),
        _intervals(macro, level),
        {label: _intervals(by_label[:, i], level) for i, label in enumerate(score.labels)},
    )


def difference(first: Score, second: Score, *, resamples: int = 1000, seed: int = 0, level: float = 0.95) -> Difference:
    """Compares two systems on the same documents, drawn alike for both.

    Raises:
        ConfigError: when the two scores are not of the same gold documents by the same rule and labels.
    """
    _check(first, resamples, level)
    if (first.ids, first.rule, first.labels, first.checksum) != (
        second.ids,
        second.rule,
        second.labels,
        second.checksum,
    ):
        raise ConfigError(
            "two scores can only be compared on the same documents, by one rule and with the same labels",
            expected=first.signature,
            fix=f"The other is {second.signature}.",
        )
    both = np.stack([first.counts.sum(axis=1), second.counts.sum(axis=1)], axis=1)
    drawn = rates(np.concatenate(list(draws(both, resamples, seed))))[..., 2]
    gaps = drawn[:, 1] - drawn[:, 0]
    beyond = min(np.count_nonzero(gaps <= 0), np.count_nonzero(gaps >= 0))
    p = min(1.0, 2 * (beyond + 1) / (resamples + 1))
    return Difference(second.micro.f1 - first.micro.f1, interval(gaps, level), p)


def _check(score: Score, resamples: int, level: float) -> None:
    if not score.ids:
        raise ConfigError("there are no documents to draw from")
    if resamples < 1 or not 0 < level < 1:
        raise ConfigError(f"resamples={resamples}, level={level}", expected="resamples of 1 or more, a level in (0, 1)")


def draws(counts: CountArray | npt.NDArray[np.float64], resamples: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Totals of corpora drawn with replacement, in arrays of at most 100 draws, `(draws, *counts.shape[1:])`.

    Args:
        counts: `(documents, ...)`.
    """
    random = np.random.default_rng(seed)
    documents = len(counts)
    flat = counts.reshape(documents, -1).astype(np.float64)
    for start in range(0, resamples, 100):
        number = min(100, resamples - start)
        times = np.stack(
            [np.bincount(random.integers(0, documents, documents), minlength=documents) for _ in range(number)]
        )
        yield (times @ flat).reshape(number, *counts.shape[1:])


def _intervals(drawn: npt.NDArray[np.float64], level: float) -> Intervals:
    return Intervals(*(interval(drawn[:, i], level) for i in range(3)))


def interval(drawn: npt.NDArray[np.float64], level: float) -> Interval:
    """The percentile interval of drawn figures."""
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)
