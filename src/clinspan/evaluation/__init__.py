"""Scores of predicted entities against gold, what kinds of errors there are, and whether confidences can be trusted."""

from clinspan.evaluation.breakdown import Breakdown, Kind, Mistake, break_down
from clinspan.evaluation.match import Pair, Pairing, Rule, pair
from clinspan.evaluation.reliability import Confidence, confidence
from clinspan.evaluation.score import Figures, Score, score, tally
from clinspan.evaluation.significance import (
    Difference,
    Interval,
    Intervals,
    ScoreIntervals,
    all_intervals,
    difference,
    intervals,
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
