"""How much of its prompt each request has in common with the one before it: what a server's prefix cache can save."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from clinspan.messages import Completion, Message
from clinspan.pipeline.remark import Remark
from clinspan.text.windows import CountTokens


@dataclass(slots=True)
class Sharing:
    """Counts that grow with every request and answer.

    The share is measured on the rendered messages, in their order, whatever cache there is; the cached tokens are what
    the LLM itself reports.

    Attributes:
        count: the model's own tokenizer.
        tokens: of all messages.
        shared: of these, those that stand at the start of the request before, too.
        prompt_tokens, cached_tokens: as the LLM counts them.
    """

    count: CountTokens
    tokens: int = 0
    shared: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    _before: list[tuple[Message, int]] = field(default_factory=list)

    def ask(self, messages: Sequence[Message]) -> None:
        """The next request."""
        now: list[tuple[Message, int]] = []
        alike = True
        for message, (before, size) in zip(messages, self._padded(), strict=False):
            if alike and message == before:
                self.shared += size
                now.append((message, size))
                continue
            if alike and before is not None and message.role == before.role:
                self.shared += self.count(_start(message.content, before.content))
            alike = False
            now.append((message, self.count(message.content)))
        self.tokens += sum(size for _, size in now)
        self._before = now

    def answered(self, completion: Completion) -> None:
        """What the LLM counted."""
        self.prompt_tokens += completion.prompt_tokens
        self.cached_tokens += completion.cached_tokens

    def remarks(self) -> Iterator[Remark]:
        """What a summary says."""
        if self.tokens:
            shared = f"{self.shared / self.tokens:.0%} stand at the start of the prompt before, too"
            yield Remark("prompt tokens", f"{self.tokens:,}, of which {shared}")
        if self.prompt_tokens and self.cached_tokens:
            said = f"{self.cached_tokens:,} of {self.prompt_tokens:,} ({self.cached_tokens / self.prompt_tokens:.0%})"
            yield Remark("taken from a cache", said)

    def _padded(self) -> Iterator[tuple[Message | None, int]]:
        yield from self._before
        while True:
            yield None, 0


def _start(first: str, second: str) -> str:
    """What two texts have in common from their first character on."""
    same = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)
    return first[: min(len(first), len(second)) if same is None else same]
