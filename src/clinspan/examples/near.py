"""The examples near one text, nearest first or drawn, without those that come from the text's own document."""

from collections.abc import Callable, Collection, Iterator, Sequence
from enum import StrEnum
from functools import cached_property, lru_cache
from random import Random
from typing import Protocol

from clinspan.examples.retrieve import Floats, Hit, Retriever
from clinspan.examples.store import PoolExample
from clinspan.text.windows import tokens


def generator(seed: int, text: str) -> Random:
    """A generator for one seed and text; the same in every process."""
    return Random(f"{seed}\n{text}".encode("utf-8", errors="surrogatepass"))


def places(size: int, seed: int, text: str) -> Iterator[int]:
    """The numbers below `size` in a random order, each once, drawn as far as they are asked for.

    Source: the Fisher-Yates shuffle, with only the moved places held, so that 16 of a million cost 16 steps.
    """
    random = generator(seed, text)
    moved: dict[int, int] = {}
    for first in range(size):
        other = random.randrange(first, size)
        here = moved.pop(first, first)
        if other == first:
            yield here
        else:
            yield moved.get(other, other)
            moved[other] = here


_RUN = 3
_COPIED = 0.8
_LONG = 12
_TELLING = 5


class Leak(StrEnum):
    """Why an example may not be shown with a text."""

    SAME_DOCUMENT = "from the same document"
    COPY = "from another version of the document"
    SAME_TEXT = "its words stand in the document"
    HOLDS_TEXT = "it holds the whole text"
    NEAR_COPY = "nearly all of it stands in the document"


class Leakage:
    """What may not be shown with the windows of one document.

    Texts are compared word by word, without case, punctuation and white space. An example of twelve words or more
    is a near copy when four fifths of its runs of three words stand in the document; shorter sentences are alike in
    many notes.

    Args:
        copies: ids of the pool's documents that are this one, or nearly.
    """

    def __init__(self, document: str, text: str, copies: Collection[str] = ()):
        self._document = document
        self._copies = copies
        self._text = text
        self._last: tuple[str, tuple[str, ...]] = ("", ())

    def of(self, example: PoolExample, window: str) -> Leak | None:
        """Why `example` may not be shown with `window`, a part of the document; None when it may."""
        if example.document == self._document:
            return Leak.SAME_DOCUMENT
        if example.document in self._copies:
            return Leak.COPY
        words = _words_of_pool(example.text)
        if not words or _joined(words) in self._joined:
            return Leak.SAME_TEXT
        asked = self._asked(window)
        if len(asked) >= _TELLING and _joined(asked) in _joined(words):
            return Leak.HOLDS_TEXT
        if len(words) >= _LONG:
            runs = _runs(words)
            if sum(run in self._own_runs for run in runs) >= _COPIED * len(runs):
                return Leak.NEAR_COPY
        return None

    def _asked(self, window: str) -> tuple[str, ...]:
        """The window's words; those of the window that was asked about last are at hand."""
        held, words = self._last
        if held != window:
            words = _words(window)
            self._last = window, words
        return words

    @cached_property
    def _joined(self) -> str:
        return _joined(_words(self._text))

    @cached_property
    def _own_runs(self) -> frozenset[tuple[str, ...]]:
        return frozenset(_runs(self._joined.split()))


def _words(text: str) -> tuple[str, ...]:
    words = (span.of(text).casefold() for span in tokens(text))
    return tuple(word for word in words if any(c.isalnum() for c in word))


# The examples that one text resembles are compared with the next one too, as a rule. Notes do not get in here.
_words_of_pool = lru_cache(maxsize=1 << 12)(_words)


def _joined(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1)]


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
        """Why the examples that were met and may not be shown were refused."""
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
        """Fetches twice as many hits; False when there are no more."""
        held = len(self._hits)
        wanted = min(max(2 * held, 32), len(self._examples))
        if wanted <= held:
            return False
        self._hits = list(self._retriever.nearest([self.text], wanted)[0])
        return len(self._hits) > held
