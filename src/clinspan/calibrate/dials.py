"""Where each label's dial should stand: the least score to report, and the score as a probability."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clinspan.calibrate import platt
from clinspan.document import Document
from clinspan.pipeline.calibration import Dial, log_odds


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
        slope, intercept = platt.fit([log_odds(score) for score, _ in kept], [right for _, right in kept])
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
