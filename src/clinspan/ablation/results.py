"""The figures of an ablation's cells, on the documents that all have, and what each part brings alone and together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clinspan.ablation.folder import RULES, Asked, Measured
from clinspan.ablation.plan import KEYS, Cell, Settings, Value, name_of
from clinspan.ablation.plan_file import Corpus
from clinspan.document import WindowState
from clinspan.evaluation.match import Rule
from clinspan.evaluation.score import Interval, Score, ScoreIntervals, all_intervals, draws, interval, rates
from clinspan.examples.store import whole
from clinspan.tagging.read import Times

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class CellResult:
    """One cell's figures.

    Attributes:
        model: the name of its LLM; empty without one.
        asked: requests and tokens over all documents.
        times: seconds by stage over all documents.
        clock: seconds from the first document to the last.
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


FACTORS: Mapping[str, Sequence[str]] = {
    "prompt": ("format", "style", "attributes"),
    "examples": (*(key for key in KEYS if key.startswith(("select", "examples-")) and key != "select-seed"), "k"),
    "knowledge": ("facts", "facts-from", "facts-budget", "dictionary", "candidates", "candidate-bias", "ask"),
}
"""The settings that each is made of."""
SEED = "select-seed"
OFF: Mapping[str, Value] = {
    "select": "none",
    "facts": "none",
    "dictionary": "none",
    "candidates": "off",
    "ask": "always",
}
"""How a setting of examples or knowledge says that there are none."""

Level = frozenset[tuple[str, Value]]


class Place(NamedTuple):
    """Where a cell stands in the grid: what varies, by factor, and all else that does but the seed."""

    prompt: Level
    examples: Level
    knowledge: Level
    rest: Level


@dataclass(frozen=True, slots=True)
class Gain:
    """A cell against the one with neither examples nor knowledge, in the first prompt.

    Attributes:
        factors: in which it differs.
        against: the name of the other.
        gain: the difference of F1.
        interaction: of the gain, what the parts do not bring alone; None for one factor, or where a part is missing.
    """

    name: str
    factors: tuple[str, ...]
    against: str
    gain: Contrast
    interaction: Contrast | None = None


@dataclass(frozen=True, slots=True)
class MainEffect:
    """A level of a factor against its first, mean over all else that both were measured with.

    Attributes:
        factor: prompt, examples or knowledge.
        level, against: as the cells' names have them.
        pairs: of cells in the mean.
        effect: the mean difference of F1.
    """

    factor: str
    level: str
    against: str
    pairs: int
    effect: Contrast


@dataclass(frozen=True, slots=True)
class Choosing:
    """A cell with chosen examples against one with as many that are chosen in another way."""

    name: str
    against: str
    gain: Contrast


class Contributions:
    """Compares the cells of an ablation.

    Cells that differ in the seed alone count as one, with the mean of their F1.

    Args:
        axes: what varies.
    """

    def __init__(self, results: Results, axes: Iterable[str]):
        self._results = results
        self._varied = set(axes) - {SEED}
        self._at: dict[Place, list[int]] = {}
        self._names: dict[Place, str] = {}
        for number, one in enumerate(results.cells):
            place = self._place(one.cell)
            self._at.setdefault(place, []).append(number)
            self._names[place] = self._named(one.cell.settings, self._varied)
        # In the plan's order, so that the first prompt is the plan's first.
        self._levels = {factor: list(dict.fromkeys(getattr(place, factor) for place in self._at)) for factor in FACTORS}

    def gains(self) -> Iterator[Gain]:
        """Every cell against the plainest of those that are alike in all else.

        The plainest is in the plan's first prompt, without examples and without knowledge; where the grid has no cell
        without one of these, the other cell is alike in that.
        """
        for place in self._at:
            base = place
            for factor in FACTORS:
                base = _with(base, factor, self._first(factor, getattr(place, factor)))
            if place == base or base not in self._at:
                continue
            factors = tuple(f for f in FACTORS if getattr(place, f) != getattr(base, f))
            interaction = self._interaction(place, base, factors)
            yield Gain(
                self._names[place],
                factors,
                self._names[base],
                self._results.contrast(self._difference(place, base)),
                self._results.contrast(interaction) if interaction is not None else None,
            )

    def main_effects(self) -> Iterator[MainEffect]:
        """Each level of each factor against the factor's first."""
        for factor, keys in FACTORS.items():
            for level in self._levels[factor]:
                first = self._first(factor, level)
                pairs = [
                    (place, other)
                    for place in self._at
                    if getattr(place, factor) == level != first and (other := _with(place, factor, first)) in self._at
                ]
                if not pairs:
                    continue
                weights: dict[int, float] = {}
                for place, other in pairs:
                    for cell, weight in self._difference(place, other).items():
                        weights[cell] = weights.get(cell, 0.0) + weight / len(pairs)
                named = [self._named(dict(one), self._varied & set(keys)) for one in (level, first)]
                yield MainEffect(factor, named[0], named[1], len(pairs), self._results.contrast(weights))

    def choosing(self) -> Iterator[Choosing]:
        """Every cell with examples that are looked for in a pool against the cells that differ in that alone.

        These are the one with examples drawn by lot and, for other ways to look, the one with the nearest sentences.
        """
        for way in ("random", "knn"):
            for place, other in product(self._at, repeat=2):
                chosen, examples = dict(place.examples), dict(other.examples)
                if chosen.get("select") in (None, "none", "fixed", "random", "random-once", way):
                    continue
                # A cell has the settings that have an effect on it, so the other need not have all that this one has.
                alike = {**chosen, **examples, "select": way} == {**chosen, "select": way}
                if alike and examples.get("select") == way and _with(place, "examples", other.examples) == other:
                    gain = self._results.contrast(self._difference(place, other))
                    yield Choosing(self._names[place], self._names[other], gain)

    def _first(self, factor: str, own: Level) -> Level:
        """What a level is compared with; itself where there is nothing to compare it with."""
        # A cell that the factor has no effect on, such as the dictionary alone, is compared with none.
        levels = [level for level in self._levels[factor] if level and own]
        if factor == "prompt":
            return levels[0] if levels else own
        return next((level for level in levels if level <= OFF.items()), own)

    def _mean(self, place: Place, weight: float) -> dict[int, float]:
        cells = self._at[place]
        return {cell: weight / len(cells) for cell in cells}

    def _difference(self, place: Place, other: Place) -> dict[int, float]:
        return {**self._mean(place, 1.0), **self._mean(other, -1.0)}

    def _interaction(self, place: Place, base: Place, factors: Sequence[str]) -> dict[int, float] | None:
        """What the cell has beyond the sum of what each of its factors brings alone."""
        if len(factors) < 2:
            return None
        weights = self._mean(place, 1.0) | self._mean(base, len(factors) - 1.0)
        for factor in factors:
            alone = _with(base, factor, getattr(place, factor))
            if alone not in self._at:
                return None
            weights |= self._mean(alone, -1.0)
        return weights

    def _place(self, cell: Cell) -> Place:
        levels = {
            factor: frozenset((key, cell.settings[key]) for key in keys if key in self._varied and key in cell.settings)
            for factor, keys in FACTORS.items()
        }
        known = {key for keys in FACTORS.values() for key in keys}
        others = {key: value for key, value in cell.settings.items() if key in self._varied - known}
        return Place(**levels, rest=frozenset(others.items()))

    @staticmethod
    def _named(settings: Settings, varied: set[str]) -> str:
        return name_of({key: value for key, value in settings.items() if key in varied})


def _with(place: Place, factor: str, level: Level) -> Place:
    return place._replace(**{factor: level})
