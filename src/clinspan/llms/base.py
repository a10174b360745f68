"""What every LLM can do."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

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

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        """One result for each request, in their order, each given as soon as it and those before it are known.

        A stream, not a batch. What an implementation, or a wrapper of one, keeps to:

        - `requests` may be endless, and reading a note may be what makes the next one. It is pulled as there is room,
          never read to its end first, and no more than a bounded number is pulled ahead of the results given.
        - It is pulled by the thread that asks for results, while that waits in `next`; never by another thread.
        - What pulling raises (Ctrl-C, a fault of the caller) is let through. A request that fails is no such thing: it
          gives its LLMError in its place, and the others go on.
        - Closed early, it ends what is under way and pulls nothing more.
        - Several streams of one LLM may be open at once, and the requests of one may be made out of another's results.
          Limits (connections, the model's lock, rates) are therefore the LLM's, not a stream's.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` takes, by the model's own tokenizer, or an upper estimate where it is not at hand."""
        ...


@runtime_checkable
class Announcing(Protocol):
    """An LLM with several requests under way, whose answers may be known long before their turn.

    Attributes:
        listener: is told each request and its result as soon as it is known, from the LLM's own thread, so that it can
            be kept before its turn. None: nobody is told.
    """

    listener: Callable[[Request, Completion | LLMError], None] | None


@contextmanager
def asking(llm: LLM, requests: Generator[Request, None, None]) -> Iterator[Iterator[Completion | LLMError]]:
    """The results of `llm.complete`; on leaving, however that comes about, they and then `requests` are closed."""
    results = llm.complete(requests)
    try:
        yield results
    finally:
        if isinstance(results, Generator):
            results.close()
        requests.close()


def in_order(
    requests: Iterable[Request], start: Callable[[Request], Future[Completion | LLMError]], *, most: int
) -> Iterator[Completion | LLMError]:
    """The results of requests that are under way side by side, in their order, as `LLM.complete` gives them.

    Args:
        requests: pulled as there is room.
        start: begins one; called off when the results are closed early.
        most: requests that are taken in at once.
    """
    waiting: deque[Future[Completion | LLMError]] = deque()
    try:
        for request in requests:
            waiting.append(start(request))
            if len(waiting) >= most or waiting[0].done():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@runtime_checkable
class Closable(Protocol):
    """An LLM that holds connections or memory."""

    def close(self) -> None:
        """Ends what is under way and gives back what is held."""
        ...


@contextmanager
def closing(llm: LLM | None) -> Iterator[LLM | None]:
    """Closes the LLM, if it is one that needs it, however the block ends."""
    try:
        yield llm
    finally:
        if isinstance(llm, Closable):
            llm.close()
