"""Whether scores are probabilities, and curves that make them so, learned from entities known to be right or wrong.

The reliability curve and its expected calibration error: Guo et al., "On calibration of modern neural networks" (2017).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clinspan.evaluation.match import Pair, Pairing, Parts, parts
from clinspan.evaluation.score import Interval, draws, interval


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


_STEPS = 100
_SMALL = 1e-9
_RIDGE = 1e-3  # keeps the curve finite where the scores separate right from wrong perfectly


def logistic(scores: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """Slope and intercept of the curve over log-odds, by Newton's method; (1, 0) without any data.

    Source: Platt, "Probabilistic outputs for support vector machines" (1999), with his targets.

    Args:
        scores: log-odds.
        right: whether each was right.
    """
    if not scores:
        return 1.0, 0.0
    positive = sum(right)
    x = np.array(scores)
    targets = np.where(right, (positive + 1) / (positive + 2), 1 / (len(right) - positive + 2))

    def loss(slope: float, intercept: float) -> float:
        # The slope is drawn to 1, the score taken at its word, where the data say little.
        raw = slope * x + intercept
        return float((np.logaddexp(0.0, raw) - targets * raw).sum() + _RIDGE / 2 * (slope - 1.0) ** 2)

    slope, intercept, now = 1.0, 0.0, loss(1.0, 0.0)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(slope * x + intercept, -50.0, 50.0)))
        weights = p * (1 - p)
        g0, g1 = float((p - targets).sum()), float(((p - targets) * x).sum()) + _RIDGE * (slope - 1.0)
        h00, h01, h11 = weights.sum() + _SMALL, (weights * x).sum(), (weights * x * x).sum() + _RIDGE
        determinant = float(h00 * h11 - h01 * h01)
        if determinant < _SMALL:
            break
        d0, d1 = float(h11 * g0 - h01 * g1) / determinant, float(h00 * g1 - h01 * g0) / determinant
        part = min(1.0, 2.0 / max(abs(d0), abs(d1), _SMALL))
        # A step that is too long for the curve to be a parabola can do harm: it is halved until it helps.
        while (then := loss(slope - part * d1, intercept - part * d0)) > now and part > _SMALL:
            part /= 2
        if then > now:
            break
        slope, intercept, gained, now = slope - part * d1, intercept - part * d0, now - then, then
        if gained < 1e-10:
            break
    return slope, intercept


BIN = 40
"""Entities in one bin of a stepped curve."""
_LEAST_BINS = 4

Points = tuple[tuple[float, float], ...]
"""Log-odds, rising, each with its probability, which never falls."""


def stepped(scores: Sequence[float], right: Sequence[bool]) -> Points:
    """A curve that follows the data where two numbers cannot, as for encoders that are sure of nearly everything.

    The share right in bins of about `BIN` entities, neighbouring bins pooled until it never falls.

    Source: Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates" (2002),
    isotonic regression by pooling adjacent violators, here of bins.

    Args:
        scores: log-odds.
        right: whether each was right.

    Returns:
        The first and the last bin of each pool; nothing where there are fewer than 160 entities.
    """
    count = len(scores) // BIN
    if count < _LEAST_BINS:
        return ()
    order = np.argsort(scores, kind="stable")
    pools: list[tuple[list[float], int, int]] = []
    for part in np.array_split(order, count):
        at, good, size = [float(np.mean([scores[i] for i in part]))], sum(right[i] for i in part), len(part)
        # Bins of one score are one bin: a curve has one value there.
        while pools and (_share(*pools[-1][1:]) >= _share(good, size) or pools[-1][0][-1] >= at[0]):
            places, more, others = pools.pop()
            at, good, size = places + at, good + more, size + others
        pools.append((at, good, size))
    return tuple((place, _share(good, size)) for at, good, size in pools for place in dict.fromkeys((at[0], at[-1])))


def _share(good: int, size: int) -> float:
    """The share right, with half an entity more on either side, so that none is certain."""
    return (good + 0.5) / (size + 1)


def interpolated(points: Points, score: float) -> float:
    """The probability at a log-odds, between points in a straight line, beyond them as at the last."""
    return float(np.interp(score, [at for at, _ in points], [p for _, p in points]))
