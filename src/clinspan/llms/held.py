"""What a model's context holds: the tokens, and the batches that they were read in."""

from collections.abc import Sequence
from itertools import pairwise

PREFIX_TOKENS = 64
"""Tokens of a batch of what prompts may share. Fewer are read more slowly, more are taken over at a coarser grain."""


class Held:
    """The tokens of one sequence in the order they were read, grown by whole batches and cut back anywhere.

    Attributes:
        tokens: the ids.
    """

    def __init__(self) -> None:
        self.tokens: list[int] = []
        # Where the batches end that the beginning was read in, up to the first that was cut.
        self._ends: list[int] = []

    def __len__(self) -> int:
        return len(self.tokens)

    def add(self, batch: Sequence[int]) -> None:
        """Notes a batch that was read."""
        whole = len(self.tokens) == (self._ends[-1] if self._ends else 0)
        self.tokens += batch
        if whole:
            self._ends.append(len(self.tokens))

    def cut(self, at: int) -> None:
        """Forgets all from place `at` on; 0 forgets everything."""
        del self.tokens[at:]
        self._ends = [end for end in self._ends if end <= at]

    def shared(self, tokens: Sequence[int]) -> int:
        """How many of the first `tokens` are held."""
        return next(
            (i for i, (held, token) in enumerate(zip(self.tokens, tokens, strict=False)) if held != token),
            min(len(self.tokens), len(tokens)),
        )

    def shared_batches(self, tokens: Sequence[int], ends: Sequence[int]) -> int:
        """How many of the first `tokens` are held from batches that ended where they would end, at `ends`."""
        shared = self.shared(tokens)
        kept = 0
        for end, held in zip(ends, self._ends, strict=False):
            if end != held or end > shared:
                break
            kept = end
        return kept


def batch_ends(cuts: Sequence[int]) -> tuple[int, ...]:
    """The ends of the batches in which a prompt is read up to the last of `cuts`, which are growing places in it.

    One ends at each of them, and between them every `PREFIX_TOKENS` tokens.
    """
    return tuple(
        end
        for start, stop in pairwise((0, *cuts))
        for end in (*range(start + PREFIX_TOKENS, stop, PREFIX_TOKENS), stop)
    )
