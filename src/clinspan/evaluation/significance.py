"""How sure a score is: percentile bootstrap over documents, and the same for the difference of two systems.

Source of the method: Efron and Tibshirani, An Introduction to the Bootstrap (1993); for paired tests of scores that are
no means of sentences, Koehn (2004), Statistical significance tests for machine translation evaluation.
"""

from collections.abc import Iterator
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
class Difference:
    """F1 of the second system less that of the first.

    Attributes:
        f1: the difference.
        interval: where it lies.
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
        resamples: how often.
        seed: of the draws; the same seed gives the same intervals.
        level: in (0, 1).

    Raises:
        ConfigError: when there are no documents, or a setting is out of range.
    """
    _check(score, resamples, level)
    drawn = np.concatenate(list(_draws(score.counts, resamples, seed)))
    micro = _intervals(rates(drawn.sum(axis=1)), level)
    return micro, {label: _intervals(rates(drawn[:, i]), level) for i, label in enumerate(score.labels)}


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
    drawn = rates(np.concatenate(list(_draws(both, resamples, seed))))[..., 2]
    gaps = drawn[:, 1] - drawn[:, 0]
    beyond = min(np.count_nonzero(gaps <= 0), np.count_nonzero(gaps >= 0))
    p = min(1.0, 2 * (beyond + 1) / (resamples + 1))
    return Difference(second.micro.f1 - first.micro.f1, _interval(gaps, level), p)


def _check(score: Score, resamples: int, level: float) -> None:
    if not score.ids:
        raise ConfigError("there are no documents to draw from")
    if resamples < 1 or not 0 < level < 1:
        raise ConfigError(f"resamples={resamples}, level={level}", expected="resamples of 1 or more, a level in (0, 1)")


def _draws(counts: CountArray, resamples: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Totals of `resamples` drawn corpora, in parts of at most 100: each is draws by rows by 4."""
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
    return Intervals(*(_interval(drawn[:, i], level) for i in range(3)))


def _interval(drawn: npt.NDArray[np.float64], level: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)
