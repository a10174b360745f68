"""Where each label's dial should stand: the least score to report, and the score as a probability."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clinspan.document import Document
from clinspan.tagging.calibration import Dial, log_odds


@dataclass(frozen=True, slots=True)
class Judged:
    """An entity with its raw score, None where it has none, and whether gold has it at its place with its label."""

    label: str
    score: float | None
    right: bool


def judge(gold: Document, predicted: Document) -> tuple[Judged, ...]:
    """Each entity of `predicted`, judged by strict match."""
    true = {(entity.span, entity.label) for entity in gold.entities}
    return tuple(
        Judged(entity.label, entity.score, (entity.span, entity.label) in true) for entity in predicted.entities
    )


def choose(judged: Iterable[Judged], gold_counts: Mapping[str, int], *, drop: bool = True) -> dict[str, Dial]:
    """For each label the least score with the highest strict F1, and the curve fitted on what is then reported.

    Args:
        judged: entities decoded with a generous dial, so that there is something to choose from.
        gold_counts: how many entities of each label gold has.
        drop: False reports everything and only fits the curve.
    """
    by_label: dict[str, list[tuple[float, bool]]] = {}
    for one in judged:
        if one.score is not None:
            by_label.setdefault(one.label, []).append((one.score, one.right))
    dials = {}
    for label, ones in sorted(by_label.items()):
        least = _best_threshold(ones, gold_counts.get(label, 0)) if drop else 0.0
        kept = [(score, right) for score, right in ones if score >= least]
        slope, intercept = fit([log_odds(score) for score, _ in kept], [right for _, right in kept])
        dials[label] = Dial(least, slope, intercept)
    return dials


def _best_threshold(ones: Sequence[tuple[float, bool]], gold: int) -> float:
    """The midpoint between the score of the last entity worth reporting and the next below it."""
    ordered = sorted(ones, reverse=True)
    best, best_f1, found = 0.0, -1.0, 0
    for count, (score, right) in enumerate(ordered, 1):
        found += right
        if count < len(ordered) and ordered[count][0] == score:
            continue
        f1 = 2 * found / (count + gold) if count + gold else 0.0
        if f1 > best_f1:
            below = ordered[count][0] if count < len(ordered) else 0.0
            best, best_f1 = (score + below) / 2 if below else 0.0, f1
    return best


def f1(judged: Iterable[Judged], dials: Mapping[str, Dial], gold: int) -> float:
    """Strict micro F1 of what the dials let through; what has no score passes."""
    kept = [one for one in judged if one.score is None or one.score >= dials.get(one.label, Dial()).min_score]
    right = sum(one.right for one in kept)
    return 2 * right / (len(kept) + gold) if kept or gold else 0.0


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
