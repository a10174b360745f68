"""The figures of the cells of an ablation, on the documents that all of them have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clinspan.ablation.corpus import Corpus
from clinspan.ablation.grid import Cell
from clinspan.ablation.measured import RULES, Asked, Measured
from clinspan.document import WindowState
from clinspan.evaluation.match import Rule
from clinspan.evaluation.score import Score, rates
from clinspan.evaluation.significance import Interval, ScoreIntervals, all_intervals, draws, interval
from clinspan.examples.example import whole
from clinspan.tagging.summary import Times

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class CellResult:
    """One cell's figures.

    Attributes:
        cell: the cell.
        model: the name of its LLM; empty without one.
        scores, intervals: by rule.
        asked: requests and tokens over all documents.
        times: seconds by stage over all documents.
        clock: seconds from the first document to the last.
        states: how many windows ended in each.
        documents: how many were measured.
    """

    cell: Cell
    model: str
    scores: Mapping[Rule, Score]
    intervals: Mapping[Rule, ScoreIntervals]
    asked: Asked
    times: Times
    clock: float
    states: Mapping[WindowState, int]
    documents: int

    @property
    def f1(self) -> float:
        """Strict, over all labels."""
        return self.scores[Rule.STRICT].micro.f1


@dataclass(frozen=True, slots=True)
class Contrast:
    """A weighted sum of the cells' F1, such as a difference.

    Attributes:
        value: on the documents.
        interval: where it lies, documents drawn alike for all cells.
        p: two-sided probability of a value as far from zero, were there none; never below 1 / (resamples + 1).
    """

    value: float
    interval: Interval
    p: float


class Results:
    """The cells that have figures, in the plan's order.

    Sentences of one document are drawn together, since they are alike.

    Args:
        cells: with the documents that each has, by id.
        corpus: says what a whole document is, and the order.
        labels: of the counts.
        seed: of the draws.
    """

    def __init__(
        self,
        cells: Sequence[tuple[Cell, Mapping[str, Measured]]],
        corpus: Corpus,
        labels: tuple[str, ...],
        *,
        seed: int,
    ):
        self.labels = labels
        self.wanted = len(corpus.documents)
        begun = [(cell, known) for cell, known in cells if known]
        self.unmeasured = tuple(cell for cell, known in cells if not known)
        """Cells without any document."""
        shared = [d for d in corpus.documents if all(d.id in known for _, known in begun)] if begun else []
        self.documents = len(shared)
        """That all of the others have."""
        owners = [whole(document) for document in shared]
        self.groups = tuple(dict.fromkeys(owners))
        """The whole documents that they are, or are parts of."""
        of = np.array([self.groups.index(owner) for owner in owners], dtype=np.int64)
        self._seed = seed
        self.cells = tuple(
            self._result(cell, [known[document.id] for document in shared], of, corpus.checksum)
            for cell, known in begun
            if shared
        )

    def _result(self, cell: Cell, some: Sequence[Measured], of: npt.NDArray[np.int64], checksum: str) -> CellResult:
        scores = {}
        for rule in RULES:
            rows = np.array([one.counts[rule] for one in some], dtype=np.int64)
            counts = np.zeros((len(self.groups), *rows.shape[1:]), dtype=np.int64)
            np.add.at(counts, of, rows)
            scores[rule] = Score(rule, self.labels, self.groups, counts, checksum)
        sure = all_intervals(list(scores.values()), resamples=RESAMPLES, seed=self._seed)
        states: dict[WindowState, int] = {}
        for one in some:
            for state, number in one.states.items():
                states[state] = states.get(state, 0) + number
        return CellResult(
            cell=cell,
            model=some[0].model,
            scores=scores,
            intervals=dict(zip(scores, sure, strict=True)),
            asked=sum((one.asked for one in some), Asked()),
            times=Times(*(sum(getattr(one.times, stage.name) for one in some) for stage in fields(Times))),
            clock=sum(one.clock for one in some),
            states=states,
            documents=len(some),
        )

    @cached_property
    def _drawn(self) -> npt.NDArray[np.float64]:
        """Strict F1 of each drawn corpus, by cells."""
        counts = np.stack([one.scores[Rule.STRICT].counts.sum(axis=1) for one in self.cells], axis=1)
        drawn: npt.NDArray[np.float64] = rates(np.concatenate(list(draws(counts, RESAMPLES, self._seed))))[..., 2]
        return drawn

    def contrast(self, weights: Mapping[int, float]) -> Contrast:
        """The weighted sum of the strict F1 of some cells, by their number here."""
        value = sum(weight * self.cells[number].f1 for number, weight in weights.items())
        numbers = list(weights)
        drawn = self._drawn[:, numbers] @ np.array([weights[number] for number in numbers])
        beyond = int(min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0)))
        return Contrast(value, interval(drawn, 0.95), min(1.0, 2 * (beyond + 1) / (RESAMPLES + 1)))
