"""How sure a score is: percentile bootstrap over documents, and the same for the difference of two systems.

Source of the method: Efron and Tibshirani, An Introduction to the Bootstrap (1993); for paired tests of scores that are
no means of sentences, Koehn (2004), Statistical significance tests for machine translation evaluation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clinspan.errors import ConfigError
from clinspan.evaluation.score import CountArray, Score, rates


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
