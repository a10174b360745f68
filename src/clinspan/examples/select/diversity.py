"""Maximal marginal relevance: similar to the text, and unlike what was chosen before.

Source: Carbonell and Goldstein, The use of MMR, diversity-based reranking (1998).
"""

from collections.abc import Iterator

import numpy as np

from clinspan.examples.retrieve import Floats


def marginal(similarity: Floats, alike: Floats, relevance: float) -> Iterator[int]:
    """The places of the candidates in the order in which they are chosen; at equal worth the first comes first.

    Args:
        similarity: (n,) of each candidate to the text.
        alike: (n, n) of the candidates to each other.
        relevance: weight of the first against the largest of the second, in [0, 1].
    """
    left = np.ones(len(similarity), dtype=bool)
    # Nothing is chosen yet, so the first choice is by similarity alone.
    closest = np.full(len(similarity), -np.inf)
    for number in range(len(similarity)):
        redundancy = closest if number else np.zeros(len(similarity))
        worth = np.where(left, relevance * similarity - (1.0 - relevance) * redundancy, -np.inf)
        best = int(np.argmax(worth))
        yield best
        left[best] = False
        closest = np.maximum(closest, alike[best])
