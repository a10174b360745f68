"""What prompt, examples and knowledge bring, alone and together, where the grid has the cells to tell."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from clinspan.ablation.grid import Cell, name_of
from clinspan.ablation.results import Contrast, Results
from clinspan.ablation.settings import KEYS, Settings, Value

FACTORS: Mapping[str, Sequence[str]] = {
    "prompt": ("format", "style"),
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
        name: of the cell, but for its seed.
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
        results: the cells' figures.
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
