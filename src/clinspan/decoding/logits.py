"""What decoding needs of a language model: its tokenizer, and logits at the positions it asks about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ask:
    """A question about what follows a token of a sequence.

    Attributes:
        after: index into the sequence of the token whose continuation is asked about.
        tokens: the ids whose logits are wanted there.
    """

    after: int
    tokens: tuple[int, ...]


class CausalModel(Protocol):
    """A model that scores continuations of a sequence."""

    def tokenize(self, piece: str) -> tuple[int, ...]:
        """The ids of `piece` by itself: no special tokens, no space added."""
        ...

    def evaluate(self, tokens: Sequence[int], asks: Sequence[Ask]) -> tuple[tuple[float, ...], ...]:
        """Reads a sequence, whole; what it shares with the one before, up to the first ask, need not be read again.

        Args:
            tokens: ids from the sequence's start.
            asks: in the order of `after`.

        Returns:
            for each ask the logits of its ids, in their order.

        Raises:
            LLMError: when the sequence is longer than the context.
        """
        ...
