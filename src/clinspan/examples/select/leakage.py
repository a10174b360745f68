"""Keeps examples away from the document they come from, by its id and by its text."""

from collections.abc import Collection
from enum import StrEnum
from functools import cached_property

from clinspan.examples.example import PoolExample
from clinspan.text.windows import tokens

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
        document: the document's id.
        text: all of its text.
        copies: ids of the pool's documents that are this one, or nearly.
    """

    def __init__(self, document: str, text: str, copies: Collection[str] = ()):
        self._document = document
        self._copies = copies
        self._text = text

    def of(self, example: PoolExample, window: str) -> Leak | None:
        """Why `example` may not be shown with `window`, a part of the document; None when it may."""
        if example.document == self._document:
            return Leak.SAME_DOCUMENT
        if example.document in self._copies:
            return Leak.COPY
        words = _words(example.text)
        if not words or _holds(self._joined, words):
            return Leak.SAME_TEXT
        asked = _words(window)
        if len(asked) >= _TELLING and _holds(_joined(words), asked):
            return Leak.HOLDS_TEXT
        if len(words) >= _LONG:
            runs = _runs(words)
            if sum(run in self._own_runs for run in runs) >= _COPIED * len(runs):
                return Leak.NEAR_COPY
        return None

    @cached_property
    def _own_words(self) -> list[str]:
        return _words(self._text)

    @cached_property
    def _joined(self) -> str:
        return _joined(self._own_words)

    @cached_property
    def _own_runs(self) -> frozenset[tuple[str, ...]]:
        return frozenset(_runs(self._own_words))


def _words(text: str) -> list[str]:
    words = (span.of(text).casefold() for span in tokens(text))
    return [word for word in words if any(c.isalnum() for c in word)]


def _joined(words: list[str]) -> str:
    return f" {' '.join(words)} "


def _holds(joined: str, words: list[str]) -> bool:
    return _joined(words) in joined


def _runs(words: list[str]) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1)]
