"""What every LLM can do, and what LLMs have in common."""

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, Protocol, runtime_checkable

import regex

from clinspan.decoding.draft import Boundary
from clinspan.document import Entity, Span
from clinspan.errors import LLMError
from clinspan.formats.base import Format
from clinspan.messages import Completion, Request

Kind = Literal["embedded", "transformers", "served", "encoder", "replayed", "other"]
"""How an LLM is run: by llama.cpp or by transformers in this process, behind HTTP, as a token classifier, from a
recording, or in a way that clinspan knows nothing of."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What sets LLMs apart that are asked in the same way; a wrapper has those of the LLM that it wraps.

    Attributes:
        kind: how it is run.
        profile: name of the settings that suit it, see `tagging.settings.NAMED`.
        calibrations: what its scores mean, where it was tuned: a calibration's TOML for each set of labels, by their
            sorted names with `+` in between.
        attributes: whether it was tuned to say the attributes that labels declare.
        threads: that it may use, and what reads beside it too; None where nobody said.
    """

    kind: Kind = "other"
    profile: str = "served"
    calibrations: Mapping[str, str] = field(default_factory=dict)
    attributes: bool = False
    threads: int | None = None

    def calibration(self, labels: Iterable[str]) -> str | None:
        """The TOML of the calibration for these labels; None where the LLM brings none."""
        return self.calibrations.get("+".join(sorted(labels)))


class LLM(Protocol):
    """Answers requests. Cache, limits, recording and replay wrap one.

    Attributes:
        name: names the model in reports and cache keys, with what changes its answers (weights' checksum, adapter).
        context: tokens that fit into one request and its answer together; None where unknown.
        constrains: True when `Request.constraint` is honoured.
        traits: what else sets it apart.
    """

    name: str
    context: int | None
    constrains: bool
    traits: Traits

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


class Wrapper:
    """What every LLM that wraps another has from it.

    Args:
        llm: is asked.
    """

    def __init__(self, llm: LLM):
        self.llm = llm
        self.name = llm.name
        self.context = llm.context
        self.constrains = llm.constrains
        self.traits = llm.traits

    def count_tokens(self, text: str) -> int:
        """As the wrapped LLM counts."""
        return self.llm.count_tokens(text)


@runtime_checkable
class Particular(Protocol):
    """An LLM that was made for certain labels and formats."""

    def check(self, labels: Sequence[str], form: Format) -> None:
        """Makes sure that it can be asked for these labels together, and answer in this format.

        Raises:
            ConfigError: when it cannot.
        """
        ...


@runtime_checkable
class ReadsAttributes(LLM, Protocol):
    """An LLM, or an encoder, that says attributes of mentions which are given."""

    @property
    def known_attributes(self) -> tuple[str, ...]:
        """Names of the attributes that it knows."""
        ...

    def values(
        self, windows: Sequence[tuple[str, Sequence[tuple[Span, str]]]]
    ) -> Iterator[list[dict[str, tuple[str, float]]]]:
        """For each window, for each of its spans with a label, the values that it gives and their probabilities."""
        ...


@runtime_checkable
class SeesLogits(LLM, Protocol):
    """An LLM whose log-odds can be read, by which a bias is chosen."""

    def open_log_odds(self, request: Request, entities: Sequence[Entity] = ()) -> tuple[Boundary, ...]:
        """The log-odds of opening a bracket at each word of the request's window."""
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


# The kinds of ASCII: `a` for letters, a space for white space, `.` for all else.
_KINDS = bytes(
    ord("a") if chr(code).isalpha() else ord(" ") if chr(code) in "\t\n\v\f\r " else ord(".") for code in range(128)
).ljust(256)
_PIECE = regex.compile(r"\p{L}+|\s+|.", regex.DOTALL)


# What stands in every prompt is counted for every prompt.
@lru_cache(maxsize=256)
def estimate_tokens(text: str) -> int:
    """At least as many tokens as byte-pair tokenizers make of clinical English, by the pieces they cut text into.

    Two letters a token for words (drug names come near it), one for each digit, and one for each byte of all else.
    """
    if text.isascii():
        return _ascii_tokens(text.encode().translate(_KINDS))
    total = 0
    for piece in _PIECE.findall(text):
        size = len(piece.encode())
        total += math.ceil(size / 2) if piece[0].isalpha() else 1 if piece.isspace() else size
    return total


def _ascii_tokens(kinds: bytes) -> int:
    """The same count, of a text of kinds alone, without a step for each token: a tenth of the time."""
    spaced = kinds.split()
    white = len(spaced) - 1 + kinds.startswith(b" ") + kinds.endswith(b" ") if spaced else bool(kinds)
    return len(kinds.replace(b"aa", b"a")) - kinds.count(b" ") + white
