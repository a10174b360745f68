"""Whether the scores of predicted entities are probabilities: their reliability against gold, with an interval."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clinspan.evaluation.match import Parts, parts
from clinspan.evaluation.pairing import Pair, Pairing
from clinspan.evaluation.reliability import Bin, curve, expected_error
from clinspan.evaluation.significance import Interval, draws, interval


@dataclass(frozen=True, slots=True)
class Confidence:
    """The reliability of a prediction's scores; an entity is right by the strict rule.

    Attributes:
        bins: the reliability curve.
        error: its expected calibration error, in [0, 1].
        interval: where that lies, by drawing documents with replacement. Small corpora have gaps by chance alone, so
            that the error of drawn ones lies above that of a perfect score.
        scored: predicted entities with a score.
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
        pairing: gold and prediction.
        bins: of equal width.
        resamples: how often documents are drawn.
        seed: of the draws.
        level: of the interval, in (0, 1).
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
