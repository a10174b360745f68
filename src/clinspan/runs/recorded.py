"""An LLM that asks nothing twice: known answers come from the ledger or the cache, new ones are kept as they come.

`Estimator` stands in its place for `--dry-run` and asks nothing at all.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from clinspan.errors import BudgetError, LLMError, ModelError, OutputError
from clinspan.llms.base import LLM, Announcing, Wrapper, asking
from clinspan.messages import Completion, Request
from clinspan.runs.answers import NOTHING, Answers, TokenCounts, content_key
from clinspan.runs.ledger import NO_LIMITS, Budget, Ledger

AHEAD = 1024
"""Known answers that may wait for an unknown one before them: what bounds memory, together with the LLM's own look
ahead."""

_AROUND = 8

Result = Completion | LLMError


class Told(Protocol):
    """Is told of every result."""

    def __call__(self, result: Result, *, known: bool) -> None:
        """A request's result; `known`: the request was not made, since its result was there."""
        ...


@dataclass(slots=True)
class Tally:
    """What was asked in this session."""

    asked: int = 0
    known: int = 0
    """Requests that the ledger or the cache had the answer to."""
    failed: int = 0
    tokens: TokenCounts = NOTHING


@dataclass(slots=True, eq=False)
class _Slot:
    """A request's place in the order of results."""

    request: Request
    key: bytes
    result: Result | None = None
    most: TokenCounts = NOTHING
    kept: bool = False


def prompt_tokens(llm: LLM, request: Request) -> int:
    """Tokens of a request's messages by the LLM's count, with some for what stands around each in a chat."""
    return sum(llm.count_tokens(message.content) + _AROUND for message in request.messages)


class Recorded(Wrapper):
    """Wraps an LLM. Results come in the order of requests, and of equal requests only the first is made.

    Args:
        llm: is asked what is not known.
        ledger: of the run.
        cache: answers of other runs, asked second. Failures are not kept in it.
        budget: when it is spent, what is not known is answered with a BudgetError.
        told: is called with each result, in order, and whether it was known.
    """

    def __init__(
        self,
        llm: LLM,
        *,
        ledger: Ledger | None = None,
        cache: Answers | None = None,
        budget: Budget | None = None,
        told: Told | None = None,
    ):
        super().__init__(llm)
        self.tally = Tally()
        self.budget = budget or Budget(NO_LIMITS)
        self._ledger = ledger
        self._cache = cache
        self._told = told
        self._under_way: dict[int, _Slot] = {}
        if isinstance(llm, Announcing):
            llm.listener = self._hear

    def complete(self, requests: Iterable[Request]) -> Iterator[Result]:
        """One result for each request, in their order; requests are taken as they are needed.

        Raises:
            OutputError: when ledger or cache cannot keep an answer.
        """
        return _Queue(self, requests).results()

    def slot(self, request: Request) -> _Slot:
        """The request with its result, where that is known."""
        slot = _Slot(request, content_key(self.llm, request))
        if self._ledger is not None:
            slot.result = self._ledger.answers.get(slot.key)
        if slot.result is None:
            slot.result = self._from_cache(slot.key)
        if slot.result is not None:
            self.tally.known += 1
            self.place(slot, request)
            if self._told is not None:
                self._told(slot.result, known=True)
        return slot

    def place(self, slot: _Slot, request: Request) -> None:
        """Notes which window a request is about that is not made, since its result is there or on its way."""
        if self._ledger is not None:
            self._ledger.ask(request.about, slot.key)

    def _from_cache(self, key: bytes) -> Result | None:
        if self._cache is None or (self._ledger is not None and self._ledger.answers.wanted_again(key)):
            return None
        found = self._cache.get(key)
        if found is not None and self._ledger is not None:
            self._ledger.answers.put(key, found, paid=False)
        return found

    def admit(self, slot: _Slot, *, alone: bool) -> bool:
        """Whether the budget allows a request; where it is spent, the slot's result says so.

        Args:
            slot: the request's.
            alone: nothing is under way whose end could make room.
        """
        if not self.budget.limits.any:
            return True
        slot.most = TokenCounts(prompt_tokens(self.llm, slot.request), slot.request.max_tokens)
        if self.budget.admit(slot.most, alone=alone):
            return True
        if self.budget.exhausted:
            slot.result = BudgetError(f"not asked, since the budget of {self.budget.limits} is spent")
        return False

    def under_way(self, slot: _Slot) -> None:
        """Called before the LLM is given a request."""
        self._under_way[id(slot.request)] = slot

    def _hear(self, request: Request, result: Result) -> None:
        """Keeps a result as soon as it is known, before its turn; called from the LLM's own thread."""
        slot = self._under_way.get(id(request))
        if slot is not None and not slot.kept:
            # A disk that is full is no matter of that thread: it is said when the result's turn comes.
            with suppress(OutputError):
                self._keep(slot, result)
                slot.kept = True

    def settle(self, slot: _Slot, result: Result) -> None:
        """Keeps and counts a result when its turn has come."""
        del self._under_way[id(slot.request)]
        if not slot.kept:
            self._keep(slot, result)
        taken = NOTHING
        self.tally.asked += 1
        if isinstance(result, LLMError):
            self.tally.failed += 1
        else:
            # A server that does not count is taken to have used what was reckoned with.
            taken = TokenCounts.of(result) if result.prompt_tokens or result.completion_tokens else slot.most
        self.tally.tokens += taken
        self.budget.settle(slot.most, taken)
        if self._told is not None:
            self._told(result, known=False)

    def call_off(self, slot: _Slot) -> None:
        """Gives back what was held back for a request whose result nobody waits for."""
        del self._under_way[id(slot.request)]
        self.budget.settle(slot.most, NOTHING)

    def _keep(self, slot: _Slot, result: Result) -> None:
        # What was never sent is no finished request: the next session asks it.
        if isinstance(result, LLMError) and result.attempts == 0:
            return
        if self._ledger is not None:
            self._ledger.keep(slot.request.about, slot.key, result)
        if self._cache is not None and not isinstance(result, LLMError):
            self._cache.put(slot.key, result)


class _Queue:
    """The requests of one call, in order; those that are not known are handed to the LLM."""

    def __init__(self, recorded: Recorded, requests: Iterable[Request]):
        self._recorded = recorded
        self._feed = iter(requests)
        self._put_back: _Slot | None = None
        self._order: deque[_Slot] = deque()
        """Taken from the feed, not yet given back."""
        self._asked: deque[_Slot] = deque()
        """Handed to the LLM, not yet answered, in order."""
        self._open: dict[bytes, _Slot] = {}
        """The same by key."""

    def results(self) -> Iterator[Result]:
        """One for each request."""
        while (slot := self._take()) is not None:
            if slot.result is None and self._recorded.admit(slot, alone=True):
                yield from self._ask(slot)
            else:
                self._order.append(slot)
                yield from self._ready()

    def _ask(self, first: _Slot) -> Iterator[Result]:
        try:
            with asking(self._recorded.llm, self._unknown(first)) as answers:
                for answer in answers:
                    slot = self._asked.popleft()
                    del self._open[slot.key]
                    self._recorded.settle(slot, answer)
                    slot.result = answer
                    yield from self._ready()
        finally:
            left = len(self._asked)
            while self._asked:
                self._recorded.call_off(self._asked.popleft())
        if left:
            raise ModelError(f"{self._recorded.name} left {left} requests without an answer")
        # What was known already and was taken after the last answer came.
        yield from self._ready()

    def _unknown(self, first: _Slot) -> Generator[Request, None, None]:
        """What the LLM is to be asked, up to where it must have answered before more can be taken."""
        yield self._hand(first)
        while len(self._order) - len(self._asked) < AHEAD:
            slot = self._take()
            if slot is None:
                return
            if slot.result is not None or slot.key in self._open:
                self._order.append(slot)
            elif self._recorded.admit(slot, alone=not self._asked):
                yield self._hand(slot)
            elif slot.result is not None:
                self._order.append(slot)
            else:
                self._put_back = slot
                return

    def _take(self) -> _Slot | None:
        """The next request: with its result if that is known, as the one before it if they are equal."""
        slot, self._put_back = self._put_back, None
        if slot is not None:
            return slot
        request = next(self._feed, None)
        if request is None:
            return None
        slot = self._recorded.slot(request)
        first = None if slot.result is not None else self._open.get(slot.key)
        if first is None:
            return slot
        self._recorded.place(first, request)
        return first

    def _hand(self, slot: _Slot) -> Request:
        self._order.append(slot)
        self._asked.append(slot)
        self._open[slot.key] = slot
        self._recorded.under_way(slot)
        return slot.request

    def _ready(self) -> Iterator[Result]:
        while self._order and (result := self._order[0].result) is not None:
            self._order.popleft()
            yield result


COPY = 1.1
"""Tokens of an answer that repeats the text with entities marked, for each token of the text."""
LIST = 0.15
"""Tokens of an answer that lists entities, for each token that it may have."""


class Estimator(Wrapper):
    """Stands in for an LLM: counts what it would be asked, and answers nothing but what is known.

    Args:
        llm: counts tokens; it is not asked.
        known: where answers may be that need no request, in order.
    """

    def __init__(self, llm: LLM, known: Iterable[Answers] = ()):
        super().__init__(llm)
        self.requests = 0
        """That would be made."""
        self.known = 0
        """That need not be made."""
        self.tokens = NOTHING
        """That the requests would take, estimated."""
        self._known = tuple(known)
        self._counted: set[bytes] = set()

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """An answer that is known, or an empty one, for each request."""
        for request in requests:
            yield self._answer(request)

    def _answer(self, request: Request) -> Completion:
        key = content_key(self.llm, request)
        found = next((answer for store in self._known if isinstance(answer := store.get(key), Completion)), None)
        if found is not None or key in self._counted:
            self.known += 1
            return found or Completion("")
        self._counted.add(key)
        self.requests += 1
        self.tokens += TokenCounts(prompt_tokens(self.llm, request), self._expected(request))
        return Completion("")

    def _expected(self, request: Request) -> int:
        if request.constraint is not None:
            return min(request.max_tokens, round(COPY * self.llm.count_tokens(request.constraint.text)))
        return round(LIST * request.max_tokens)
