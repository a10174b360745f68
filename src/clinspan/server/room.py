"""How much may go on at once: a bounded number of requests under way, and so many a second."""

import time
from collections.abc import Callable

_WAIT = 1.0
"""Seconds after which a client may try again when all places are taken."""


class Room:
    """Lets requests in, or says how long to wait. For one event loop.

    Args:
        most: requests under way at once.
        rate: requests a second; a second's worth may come at once. None for no limit.
        clock: seconds that only go forward.
    """

    def __init__(self, most: int, rate: float | None = None, clock: Callable[[], float] = time.monotonic):
        self.active = 0
        self._most = most
        self._rate = rate
        self._clock = clock
        self._burst = max(1.0, rate or 0.0)
        self._left = self._burst
        self._counted_at = clock()

    def enter(self) -> float:
        """Takes a place and gives 0, or takes none and gives the seconds to wait."""
        if self.active >= self._most:
            return _WAIT
        if self._rate is not None:
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._counted_at) * self._rate)
            self._counted_at = now
            if self._left < 1.0:
                return (1.0 - self._left) / self._rate
            self._left -= 1.0
        self.active += 1
        return 0.0

    def leave(self) -> None:
        """Gives the place back."""
        self.active -= 1
