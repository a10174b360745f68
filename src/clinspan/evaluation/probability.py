"""Curves that turn scores into probabilities, learned from entities that are known to be right or wrong."""

from collections.abc import Sequence

import numpy as np

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
