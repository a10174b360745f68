"""Lets requests to a server set out: as many at once as its pace allows, none while it asks for patience."""

import asyncio
from collections import deque
from dataclasses import dataclass

from clinspan.llms.limits import Breaker, LimitSettings, Pace


class Shut(Exception):
    """The server is held to be dead; the request was not sent."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request under way, since `started` by the loop's clock."""

    started: float


class Gate:
    """The one place that every request to a server passes, whichever run it belongs to. For one event loop.

    Args:
        limits: the policy's figures.
        most: requests under way at once, at most.
        timeout: seconds that one may take.
    """

    def __init__(self, limits: LimitSettings, most: int, timeout: float):
        self.pace = Pace(limits.start, most, timeout)
        self.breaker = Breaker(limits)
        self._waiting: deque[asyncio.Future[Ticket]] = deque()
        self._paused_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, *, again: bool = False) -> Ticket:
        """Waits until one more request may set out; a repeated one goes before those that have not been sent yet.

        Raises:
            Shut: when the server is held to be dead.
        """
        place: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if again else self._waiting.append)(place)
        self._let_in()
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                # Let in and called off at once: the place is another's.
                self.called_off()
            raise

    def answered(self, ticket: Ticket, tokens: int) -> None:
        """The request was answered, by so many tokens where known."""
        self.pace.answered(ticket.started, self._now, tokens)
        self.breaker.well()
        self._leave()

    def declined(self) -> None:
        """The server is well, but will not answer this request."""
        self.breaker.well()
        self._leave()

    def busy(self, ticket: Ticket, wait: float) -> None:
        """The server asks everybody to wait."""
        self.pace.overloaded(ticket.started, self._now)
        self.breaker.well()
        self._paused_until = max(self._paused_until, self._now + wait)
        self._leave()

    def failed(self, ticket: Ticket, what: str, *, hopeless: bool = False) -> None:
        """The server did not answer."""
        self.pace.overloaded(ticket.started, self._now)
        self.breaker.fault(self._now, what, hopeless=hopeless)
        self._leave()

    def called_off(self) -> None:
        """The request was taken back."""
        self.breaker.undecided()
        self._leave()

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _leave(self) -> None:
        self.pace.active -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting:
            if self._waiting[0].done():
                self._waiting.popleft()
                continue
            now = self._now
            if not self.pace.room:
                return
            if now < self._paused_until:
                self._come_back(self._paused_until - now)
                return
            verdict = self.breaker.ask(now)
            if verdict.wait is not None:
                self._come_back(verdict.wait)
                return
            place = self._waiting.popleft()
            if verdict.go:
                self.pace.active += 1
                place.set_result(Ticket(now))
            else:
                place.set_exception(Shut())

    def _come_back(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._let_in)
