"""What an LLM that is asked about a part of a document is expected to gain there, by what is thought before.

It moves the probability of a candidate up or down. Only where that crosses the threshold is something else decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clinspan.fusion.heard import Candidate

Floats = NDArray[np.float64]

_WIDE = 2.0
"""Root mean squares of a move that count as its reach: few moves are longer."""
_NEAR = 0.3
"""From the threshold: candidates nearer than this say how far an LLM moves those about which there is doubt."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a gold document says of an LLM that was asked everywhere; it took part in no fit that judges it.

    Attributes:
        before: probabilities of the candidates that were there without the LLM.
        after: of the same candidates, with it.
        window: for each of them the number of the window in which it begins.
        windows: how many windows there are.
    """

    before: Floats
    after: Floats
    window: NDArray[np.intp]
    windows: int

    @classmethod
    def of(
        cls,
        quiet: tuple[Sequence[Candidate], Floats],
        full: tuple[Sequence[Candidate], Floats],
        starts: Sequence[int],
    ) -> "Moved":
        """What candidates and their probabilities say, those without the LLM and those with it.

        Args:
            starts: where the windows begin, in order.
        """
        with_it = {(one.span, one.label): float(p) for one, p in zip(*full, strict=True)}
        after = np.array([with_it[one.span, one.label] for one in quiet[0]])
        return cls(quiet[1], after, window_of(quiet[0], starts), len(starts))


def window_of(candidates: Sequence[Candidate], starts: Sequence[int]) -> NDArray[np.intp]:
    """For each candidate the number of the window in which it begins, by where the windows begin, in order."""
    begins = [one.span.start for one in candidates]
    return np.maximum(0, np.searchsorted(starts, begins, side="right") - 1)


@dataclass(frozen=True, slots=True)
class Gain:
    """Where asking pays.

    A candidate with the probability p is worth max(0, p - t) to the best set, t being the threshold. Where an LLM moves
    p by r, up or down alike, it is worth max(0, r - |p - t|) / 2 more, on average, to know before deciding: the value
    of information (Howard 1966). A window is worth the sum over the candidates that begin in it.

    Attributes:
        reach: r, in probability.
        reached: the gain that 1 %, 2 %, ..., 100 % of the windows of the gold reach, falling.

    Raises:
        ValueError: when these are no such numbers.
    """

    reach: float
    reached: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 0.0 <= self.reach <= 1.0:
            raise ValueError(f"an LLM cannot move a probability by {self.reach}")
        if len(self.reached) != 100 or list(self.reached) != sorted(self.reached, reverse=True):
            raise ValueError("the gains that each percent of the windows reach are not 100 falling numbers")

    def of_windows(self, probabilities: Floats, least: float, window: NDArray[np.intp], windows: int) -> Floats:
        """The expected gain of each window.

        Args:
            probabilities: of candidates, before an LLM is asked.
            least: the threshold.
            window: for each candidate the number of its window.
            windows: how many there are.
        """
        return _summed(self.reach, probabilities, least, window, windows)

    def worth(self, share: float) -> float:
        """The gain that so many windows of the gold reach, as a share of them; between two percents the lower one's."""
        return self.reached[max(0, int(share * 100 + 1e-9) - 1)]


def learned(documents: Sequence[Moved], least: float) -> Gain:
    """How far an LLM moves probabilities, and what windows are then worth.

    Args:
        documents: gold ones, with windows.
        least: the threshold before an LLM is asked.
    """
    before = np.concatenate([one.before for one in documents])
    near = np.abs(before - least) < _NEAR
    moves = (np.concatenate([one.after for one in documents]) - before)[near]
    reach = min(1.0, _WIDE * float(np.sqrt(np.mean(moves**2)))) if near.any() else 0.0
    each = np.sort(np.concatenate([_summed(reach, one.before, least, one.window, one.windows) for one in documents]))
    last = [max(0, -(-len(each) * percent // 100) - 1) for percent in range(1, 101)]
    return Gain(reach, tuple(float(each[::-1][number]) for number in last))


def _summed(reach: float, probabilities: Floats, least: float, window: NDArray[np.intp], windows: int) -> Floats:
    gains = np.maximum(0.0, reach - np.abs(probabilities - least)) / 2.0
    return np.bincount(window, gains, windows).astype(np.float64)
