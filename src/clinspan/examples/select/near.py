"""The examples near one text, nearest first, without those that may not be shown with it."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from clinspan.examples.example import PoolExample
from clinspan.examples.retrieve import Floats, Hit, Retriever
from clinspan.examples.select.leakage import Leak, Leakage


class Examples(Protocol):
    """What is chosen from: a pool, opened or in memory."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> PoolExample: ...

    def __iter__(self) -> Iterator[PoolExample]: ...


class Near:
    """One text against a pool.

    Iterating gives every example that may be shown with the text, from the most to the least similar, fetched as far
    as it is asked for. Not for several threads.

    Args:
        text: a window.
        examples: the pool.
        retriever: measures similarity.
        leakage: what may not be shown with any part of the window's document.
        hits: the nearest examples, where they were fetched already, together with those of other windows.
    """

    def __init__(
        self,
        text: str,
        examples: Examples,
        retriever: Retriever,
        leakage: Leakage,
        hits: Sequence[Hit] = (),
    ):
        self.text = text
        self._examples = examples
        self._retriever = retriever
        self._leakage = leakage
        self._hits = list(hits)
        self._leaks: dict[int, Leak | None] = {}

    def __iter__(self) -> Iterator[Hit]:
        given: set[int] = set()
        while True:
            # An approximate index may rank anew when it is asked for more.
            for hit in [hit for hit in self._hits if hit.index not in given]:
                given.add(hit.index)
                if self.allows(hit.index):
                    yield hit
            if not self._fetch():
                return

    def __len__(self) -> int:
        """Examples of the pool, those that may not be shown included."""
        return len(self._examples)

    def example(self, index: int) -> PoolExample:
        """An example of the pool."""
        return self._examples[index]

    def allows(self, index: int) -> bool:
        """Whether an example may be shown with the text."""
        if index not in self._leaks:
            self._leaks[index] = self._leakage.of(self._examples[index], self.text)
        return self._leaks[index] is None

    @property
    def leaks(self) -> Sequence[Leak]:
        """Of the examples that were met, the reasons of those that may not be shown."""
        return [leak for leak in self._leaks.values() if leak is not None]

    def among(self, indices: Collection[int]) -> list[Hit]:
        """Some examples from the most to the least similar; those that may not be shown are left out."""
        wanted = sorted(index for index in set(indices) if self.allows(index))
        if not wanted:
            return []
        found = self._retriever.similarities(self.text, wanted).tolist()
        hits = [Hit(index, similarity) for index, similarity in zip(wanted, found, strict=True)]
        return sorted(hits, key=lambda hit: (-hit.similarity, hit.index))

    def nearest_of(self, k: int, wanted: Callable[[int], bool]) -> list[Hit]:
        """The `k` most similar of the examples that are `wanted` and may be shown."""
        return self._retriever.nearest([self.text], k, allowed=lambda index: wanted(index) and self.allows(index))[0]

    def between(self, indices: Sequence[int]) -> Floats:
        """How much examples resemble one another, see `Retriever.between`."""
        return self._retriever.between(indices)

    def _fetch(self) -> bool:
        """Fetches twice as many; False when there are no more."""
        held = len(self._hits)
        wanted = min(max(2 * held, 32), len(self._examples))
        if wanted <= held:
            return False
        self._hits = list(self._retriever.nearest([self.text], wanted)[0])
        return len(self._hits) > held
