"""Whether a score is a probability: the reliability curve and its expected calibration error.

Source: Guo et al., "On calibration of modern neural networks" (2017).
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bin:
    """Entities whose scores lie in `low` to `high`: how many, their mean score, and the share that was right."""

    low: float
    high: float
    count: int
    score: float
    right: float


def curve(judged: Iterable[tuple[float, bool]], *, bins: int = 10) -> tuple[Bin, ...]:
    """The reliability curve over bins of equal width, those without entities left out.

    Args:
        judged: (score in [0, 1], whether it was right).
        bins: how many.
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
