"""Scores of predicted entities against gold, what kinds of errors there are, and whether confidences can be trusted."""

from clinspan.evaluation.breakdown import Breakdown, Kind, Mistake, break_down
from clinspan.evaluation.match import Pair, Pairing, Rule, pair
from clinspan.evaluation.probability import Confidence, confidence
from clinspan.evaluation.score import (
    Difference,
    Figures,
    Interval,
    Intervals,
    Score,
    ScoreIntervals,
    all_intervals,
    difference,
    intervals,
    score,
    tally,
)

__all__ = [
    "Breakdown",
    "Confidence",
    "Difference",
    "Figures",
    "Interval",
    "Intervals",
    "Kind",
    "Mistake",
    "Pair",
    "Pairing",
    "Rule",
    "Score",
    "ScoreIntervals",
    "all_intervals",
    "break_down",
    "confidence",
    "difference",
    "intervals",
    "pair",
    "score",
    "tally",
]
