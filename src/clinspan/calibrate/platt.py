"""Platt scaling: the logistic curve that turns a score into the probability of being right.

Source: Platt, "Probabilistic outputs for support vector machines" (1999), with its targets for small samples.
"""

import math
from collections.abc import Sequence

_STEPS = 100
_SMALL = 1e-9
_RIDGE = 1e-3  # keeps the curve finite where the scores separate right from wrong perfectly


def fit(scores: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """Slope and intercept of the curve over log-odds, by Newton's method; (1, 0) without any data.

    Args:
        scores: log-odds.
        right: whether each was right.
    """
    if not scores:
        return 1.0, 0.0
    positive = sum(right)
    high = (positive + 1) / (positive + 2)
    low = 1 / (len(right) - positive + 2)
    targets = [high if r else low for r in right]
    slope, intercept = 1.0, 0.0
    for _ in range(_STEPS):
        # The slope is drawn to 1, the score taken at its word, where the data say little.
        g0, g1 = 0.0, _RIDGE * (slope - 1.0)
        h00, h01, h11 = _SMALL, 0.0, _RIDGE
        for x, t in zip(scores, targets, strict=True):
            p = 1 / (1 + math.exp(-max(-50.0, min(50.0, slope * x + intercept))))
            w = p * (1 - p)
            g0 += p - t
            g1 += (p - t) * x
            h00 += w
            h01 += w * x
            h11 += w * x * x
        determinant = h00 * h11 - h01 * h01
        if determinant < _SMALL:
            break
        d0 = (h11 * g0 - h01 * g1) / determinant
        d1 = (h00 * g1 - h01 * g0) / determinant
        size = max(abs(d0), abs(d1))
        shorten = min(1.0, 2.0 / size) if size else 1.0
        intercept -= shorten * d0
        slope -= shorten * d1
        if size < 1e-7:
            break
    return slope, intercept
