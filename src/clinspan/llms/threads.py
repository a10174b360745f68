"""How many threads a forward pass takes."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MOST = 8
"""If nobody says how many: each context over a small model takes memory, a hundred megabytes with 4,096 tokens."""


def most_threads() -> int:
    """A thread for each core that this process may use, `MOST` of them at most."""
    return min(MOST, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def default_threads() -> int:
    """`most_threads`, or fewer where the environment's OMP_NUM_THREADS says so, as it does in Ray's workers."""
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(most_threads(), int(said) if said.isdecimal() and int(said) else MOST)


class Threads:
    """A number of threads that contexts share: each pass takes its part, so that one that is alone takes all.

    What a pass gives does not depend on how many it takes.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._busy = 0
        self._lock = threading.Lock()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While it lasts, one context more shares the threads."""
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        with self._lock:
            self._busy += by

    @property
    def part(self) -> int:
        """Threads for the next pass of one context."""
        return max(1, self._number // max(1, self._busy))
