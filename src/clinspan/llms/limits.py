"""How fast a server is asked: one policy for every LLM behind HTTP, and the gate that requests wait at.

The policy does not sleep or look at a clock: each piece is told the time, in seconds of a clock that only goes forward.

Sources: additive increase and multiplicative decrease after Chiu and Jain (1989), with the slow start of TCP; the
circuit breaker after Nygard, "Release It!" (2007); waits with jitter as RFC 9110 and the vendors' guides ask for.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from statistics import median

from clinspan.errors import ConfigError

LATENCY_HOLDS = 2.0
"""More requests at once are tried while answers take at most this many times as long as they did at best."""

# A server that works on many at once takes longer for each and gets more done; this much longer, and they only queue.
_TAKEN_BACK_FROM = 4.0
_CUT = 0.5
_IN_TIME = 0.5
"""Share of the timeout in which answers have to come while more requests at once are tried."""
_INSTANT = 0.001
_LEAST_ROUND = 8
# What an answer costs before its first token, in tokens: so that short answers and long ones can be compared.
_AHEAD_TOKENS = 16
# How fast a best time from a quieter day is forgotten: by each round. Slowly, since a server with a queue would else be
# led to an ever longer one.
_FORGET = 1.01


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """The policy's figures.

    Attributes:
        start: requests under way at once, to begin with.
        first_wait: seconds before the first repetition; doubled for each further one, up to `longest_wait`.
        longest_wait: see `first_wait`.
        patience: seconds that one request waits in all for a server that says it is busy (429).
        dead_after: faults in a row after which the server is held to be dead.
        dead_wait: seconds between two attempts to find out whether it is back.
        outage: seconds that requests wait for a dead server which has answered before; later ones fail at once.
    """

    start: int = 4
    first_wait: float = 0.5
    longest_wait: float = 30.0
    patience: float = 600.0
    dead_after: int = 8
    dead_wait: float = 5.0
    outage: float = 60.0

    def __post_init__(self) -> None:
        for name in ("start", "dead_after"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", expected="1 or more")
        for name in ("first_wait", "longest_wait", "patience", "dead_wait", "outage"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}", expected="a number of seconds, 0 or more")


class _Stage(Enum):
    """How the number of requests under way grows."""

    FIRST = 0
    """Waits for the answers to the first requests."""
    RISING = 1
    """Each answer makes room for one more."""
    STEADY = 2
    """Each round makes room for one more."""


class Pace:
    """How many requests may be under way at once: `limit` grows while latency holds and is halved by an overload.

    It begins with few. From there it leaps to as many as would still be answered in time by a server that answers one
    after the other, as far as the first answers tell: quick ones are made much of at once, and the queue of a slow
    server stays short. What a leap or the rise after it went too far is taken back once.

    Args:
        start: the limit to begin with.
        most: the highest limit.
        timeout: seconds after which a request is given up.
    """

    def __init__(self, start: int, most: int, timeout: float):
        self.most = most
        self.limit = float(min(start, most))
        self.active = 0
        self._in_time = timeout * _IN_TIME
        self._stage = _Stage.FIRST
        self._cut_at = -math.inf
        self._seconds: list[float] = []
        self._round: list[float] = []
        self._round_size = int(self.limit)
        self._best = math.inf

    @property
    def room(self) -> bool:
        """Whether one more may set out."""
        return self.active < int(self.limit)

    def answered(self, started: float, now: float, tokens: int = 0) -> None:
        """An answer came to a request that set out at `started`; call it while the request still counts as active.

        Args:
            started: when it set out.
            now: when its answer was whole.
            tokens: of the answer, where known.
        """
        # A limit that is not used to the full says nothing about what the server bears.
        full = self.active >= int(self.limit)
        if self._stage is _Stage.FIRST and not full:
            return
        seconds = now - started
        took = seconds / (tokens + _AHEAD_TOKENS)
        self._seconds.append(seconds)
        self._round.append(took)
        if len(self._round) >= self._round_size:
            self._judge()
        if full and took <= LATENCY_HOLDS * self._best and seconds <= self._in_time:
            self.limit = min(self.most, self.limit + (1 if self._stage is _Stage.RISING else 1 / self.limit))

    def _judge(self) -> None:
        """Takes stock of a round of answers."""
        typical, seconds = median(self._round), median(self._seconds)
        self._best = min(typical, self._best * _FORGET)
        if self._stage is _Stage.FIRST:
            self._stage = _Stage.RISING
            self.limit = max(self.limit, min(self.most, self._in_time // max(seconds, _INSTANT)))
        elif self._stage is _Stage.RISING and typical > LATENCY_HOLDS * self._best:
            self._stage = _Stage.STEADY
            left = min(1.0, _TAKEN_BACK_FROM * self._best / typical, self._in_time / seconds)
            self.limit = max(1.0, self.limit * left)
        self._new_round()

    def _new_round(self) -> None:
        self._seconds.clear()
        self._round.clear()
        self._round_size = max(int(self.limit), _LEAST_ROUND)

    def overloaded(self, started: float, now: float) -> None:
        """The server could not cope with a request that set out at `started`."""
        # Requests that set out before the last cut tell of the load before it.
        if started > self._cut_at:
            self.limit = max(1.0, self.limit * _CUT)
            self._cut_at = now
            self._stage = _Stage.STEADY
            self._new_round()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a breaker says to a request: `go` at once, or come again after `wait` seconds, or, with neither, give up."""

    go: bool = False
    wait: float | None = None


class Breaker:
    """Stops asking a server that is dead, and finds out whether it is back by one request at a time.

    Args:
        limits: the policy's figures.
    """

    def __init__(self, limits: LimitSettings):
        self._limits = limits
        self.faults = 0
        self.last: str = ""
        self._answered_before = False
        self._opened: float | None = None
        self._next_probe = 0.0
        self._probing = False
        self._hopeless = False

    @property
    def open(self) -> bool:
        """True while the server is held to be dead."""
        return self._opened is not None

    def well(self) -> None:
        """The server answered, be it that it is busy or that a request was wrong."""
        self.faults = 0
        self._opened = None
        self._answered_before = True
        self._probing = self._hopeless = False

    def fault(self, now: float, what: str, *, hopeless: bool = False) -> None:
        """The server did not answer; `hopeless` where waiting mends nothing (a wrong key)."""
        self.faults += 1
        self.last = what
        self._hopeless = hopeless
        if self.faults >= self._limits.dead_after:
            self._opened = now if self._opened is None else self._opened
            self._next_probe = now + self._limits.dead_wait
            self._probing = False

    def undecided(self) -> None:
        """A request was taken back before its answer came."""
        self._probing = False

    def ask(self, now: float) -> Verdict:
        """Whether a request may set out; where it may while the breaker is open, it is the probe."""
        if self._opened is None:
            return Verdict(go=True)
        if not self._probing and now >= self._next_probe:
            self._probing = True
            return Verdict(go=True)
        if self._answered_before and not self._hopeless and now < self._opened + self._limits.outage:
            until = self._limits.dead_wait if self._probing else self._next_probe - now
            return Verdict(wait=max(until, 0.001))
        return Verdict()


def backoff(repetition: int, limits: LimitSettings, chance: random.Random) -> float:
    """Seconds before repetition number `repetition` (from 0): doubled each time, and somewhere in the upper half."""
    whole = min(limits.longest_wait, limits.first_wait * 2.0 ** min(repetition, 30))
    return whole * (0.5 + 0.5 * chance.random())


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The seconds that a server asks to wait, in any notation; None where it does not say.

    Args:
        headers: HTTP headers of the response, names in any case.
        now: the time of day, to which an HTTP date is compared.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    said = headers.get("retry-after")
    if (seconds := _number(said)) is not None:
        return seconds
    try:
        when = parsedate_to_datetime(said or "")
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def _number(said: str | None) -> float | None:
    try:
        value = float(said or "")
    except ValueError:
        return None
    return max(0.0, value) if math.isfinite(value) else None


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
