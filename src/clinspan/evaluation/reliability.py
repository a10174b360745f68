"""Whether scores are probabilities: the reliability curve, its expected calibration error, and an interval of that.

Source: Guo et al., "On calibration of modern neural networks" (2017).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clinspan.evaluation.match import Pair, Pairing, Parts, parts
from clinspan.evaluation.significance import Interval, draws, interval


@dataclass(frozen=True, slots=True)
class Bin:
    """Entities with scores from `low` to `high`: their number, their mean score, and the share that was right."""

    low: float
    high: float
    count: int
    score: float
    right: float


def curve(judged: Iterable[tuple[float, bool]], *, bins: int = 10) -> tuple[Bin, ...]:
    """The reliability curve over bins of equal width, those without entities left out.

    Args:
        judged: (score in [0, 1], whether it was right).
    """
    counts, scores, rights = [0] * bins, [0.0] * bins, [0] * bins
    for score, right in judged:
        number = min(int(score * bins), bins - 1)
        counts[number] += 1
        scores[number] += score
        rights[number] += right
    return tuple(
        Bin(number / bins, (number + 1) / bins, count, scores[number] / count, rights[number] / count)
        for number, count in enumerate(counts)
        if count
    )


def expected_error(points: Iterable[Bin]) -> float:
    """The expected calibration error: the mean gap between score and share right, weighted by entities."""
    points = tuple(points)
    total = sum(point.count for point in points)
    return sum(point.count * abs(point.score - point.right) for point in points) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Confidence:
    """The reliability of a prediction's scores; an entity is right by the strict rule.

    Attributes:
        interval: where that lies, by drawing documents with replacement. Small corpora have gaps by chance alone, so
            that the error of drawn ones lies above that of a perfect score.
        unscored: those without, which are left out.
    """

    bins: tuple[Bin, ...]
    error: float
    interval: Interval
    scored: int
    unscored: int


def confidence(
    pairing: Pairing, *, bins: int = 10, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> Confidence | None:
    """How reliable the scores of predicted entities are; None where no entity has one.

    Of an entity that is given twice the higher score counts.

    Args:
        bins: of equal width.
    """
    judged = [list(_judged(one, pairing.labels)) for one in pairing.pairs]
    flat = [(score, right) for one in judged for score, right in one if score is not None]
    if not flat:
        return None
    sums = np.zeros((len(judged), bins, 3))
    for number, one in enumerate(judged):
        for score, right in one:
            if score is not None:
                sums[number, min(int(score * bins), bins - 1)] += (1, score, right)
    drawn = np.concatenate([_errors(totals) for totals in draws(sums, resamples, seed)])
    points = curve(flat, bins=bins)
    unscored = sum(score is None for one in judged for score, _ in one)
    return Confidence(points, expected_error(points), interval(drawn, level), len(flat), unscored)


def _judged(pair: Pair, labels: tuple[str, ...]) -> Iterator[tuple[float | None, bool]]:
    gold = {(parts(entity), entity.label) for entity in pair.gold}
    best: dict[tuple[Parts, str], float | None] = {}
    for entity in pair.predicted:
        if entity.label in labels:
            key = (parts(entity), entity.label)
            known = best.get(key)
            best[key] = entity.score if known is None else max(known, entity.score or 0.0)
    for key, score in best.items():
        yield score, key in gold


def _errors(totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The expected calibration error of each draw, from draws by bins by (count, sum of scores, number right)."""
    gaps: npt.NDArray[np.float64] = np.abs(totals[..., 1] - totals[..., 2]).sum(axis=1)
    number = totals[..., 0].sum(axis=1)
    errors: npt.NDArray[np.float64] = np.divide(gaps, number, out=np.zeros_like(gaps), where=number > 0)
    return errors
