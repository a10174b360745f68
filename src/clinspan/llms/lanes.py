"""Several contexts of one model side by side, and the threads that they share."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from clinspan.llms.llama import Llama
from clinspan.llms.threads import Threads
from clinspan.llms.weights import Weights


class Lanes:
    """Contexts over the same weights, each lent to one caller at a time.

    A small model's passes are short, and threads that share one mostly wait for each other: contexts side by side, with
    a thread each, read more (docs/decisions/runtime.md). One that is alone gets all the threads.

    Args:
        weights: of the model.
        lanes: how many contexts.
        threads: of all of them together.
        context: tokens that each holds.

    Raises:
        ModelError: when a context cannot be made.
    """

    def __init__(self, weights: Weights, *, lanes: int, threads: int, context: int) -> None:
        self.threads = Threads(threads)
        self.first = Llama(weights, context=context, threads=self.threads)
        self._all = [self.first, *(Llama(weights, context=context, threads=self.threads) for _ in range(lanes - 1))]
        self._idle: SimpleQueue[Llama] = SimpleQueue()
        for lane in self._all:
            self._idle.put(lane)

    def __len__(self) -> int:
        return len(self._all)

    @contextmanager
    def lane(self) -> Iterator[Llama]:
        """A context of one's own; waits until one is idle."""
        lane = self._idle.get()
        try:
            with self.threads.busy():
                yield lane
        finally:
            self._idle.put(lane)

    def close(self) -> None:
        """Frees contexts and weights, once every lane is idle."""
        for _ in self._all:
            self._idle.get()
        for lane in self._all:
            lane.close()
            self._idle.put(lane)
