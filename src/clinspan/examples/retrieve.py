"""What finds examples that resemble a text: the contract, and how the best are taken in a fixed order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Allowed = Callable[[int], bool]
"""From an example's index to whether it may be taken."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An example of the pool by its index, and how much it resembles the text; 1 is the most there can be."""

    index: int
    similarity: float


class Retriever(Protocol):
    """Finds the examples of a pool that resemble a text. Any thread may ask.

    Attributes:
        name: `lexical`, or the encoder's.
    """

    name: str

    def nearest(self, texts: Sequence[str], k: int, *, allowed: Allowed | None = None) -> list[list[Hit]]:
        """For each text the `k` nearest examples, best first; of equals the one with the lower index comes first.

        There are fewer where fewer are allowed, or where fewer have anything in common with the text (lexical).
        """
        ...

    def similarities(self, text: str, indices: Sequence[int]) -> Floats:
        """How much the examples with these indices resemble a text, in their order, `(n,)`."""
        ...

    def between(self, indices: Sequence[int]) -> Floats:
        """How much the examples with these indices resemble one another, n x n, symmetric, the diagonal 1."""
        ...


def best(scores: Floats, k: int, *, allowed: Allowed | None = None, above: float = -np.inf) -> list[Hit]:
    """The `k` best of the scores that are over `above`, by falling score and then by index.

    Args:
        scores: one for each example.
        k: at most so many.
        allowed: which examples may be taken; it is asked about the best alone, until there are enough.
        above: what a score must be over.
    """
    wanted = min(len(scores), max(4 * k, 64))
    while wanted > 0 and k > 0:
        floor = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
        # All of those that equal the last one, so that the order among equals does not hang on the partition.
        chosen = np.flatnonzero((scores >= floor) & (scores > above))
        hits: list[Hit] = []
        for index in chosen[np.lexsort((chosen, -scores[chosen]))].tolist():
            if allowed is None or allowed(index):
                hits.append(Hit(index, float(scores[index])))
                if len(hits) == k:
                    return hits
        if wanted == len(scores) or floor <= above:
            return hits
        wanted = min(len(scores), 8 * wanted)
    return []
