"""Scores of predicted entities against gold."""

from clinspan.evaluation.match import Rule
from clinspan.evaluation.score import Figures, Score, score
from clinspan.evaluation.significance import Difference, Interval, difference, intervals

__all__ = ["Difference", "Figures", "Interval", "Rule", "Score", "difference", "intervals", "score"]
