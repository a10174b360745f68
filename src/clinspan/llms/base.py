"""What every LLM can do."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from clinspan.errors import LLMError
from clinspan.messages import Completion, Request


class LLM(Protocol):
    """Answers requests. Cache, limits, recording and replay wrap one.

    Attributes:
        name: names the model in reports and cache keys, with what changes its answers (weights' checksum, adapter).
        context: tokens that fit into one request and its answer together; None where unknown.
        constrains: True when `Request.constraint` is honoured.
    """

    name: str
    context: int | None
    constrains: bool

    def complete(self, requests: Sequence[Request]) -> Iterator[Completion | LLMError]:
        """One result for each request, in their order, each given as soon as it is known.

        A request that fails gives its LLMError in its place; the others go on.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` takes, by the model's own tokenizer, or an upper estimate where it is not at hand."""
        ...
