"""Tells whether two documents are the same text, or nearly.

A text is known by a sketch: the smallest hashes of its runs of words (Broder, "On the resemblance and containment of
documents", 1997), from which the share of runs that two texts have in common is estimated.
"""

import zlib
from collections.abc import Callable, Iterable
from typing import Any

from clinspan.dictionary.normalise import tokenise

NEAR = 0.7
"""Texts that share this part of their runs are one text twice: a note and its copy with another date."""

_RUN = 5
_SIZE = 24


def sketch(text: str) -> tuple[int, ...]:
    """The smallest hashes of all runs of five words, in order; at most 24. Case and punctuation do not count."""
    words = [form for form in tokenise(text).forms if any(map(str.isalnum, form))] or [text.strip()]
    runs = {" ".join(words[i : i + _RUN]) for i in range(max(1, len(words) - _RUN + 1))}
    return tuple(sorted({zlib.crc32(run.encode()) for run in runs})[:_SIZE])


def resemblance(one: Iterable[int], other: Iterable[int]) -> float:
    """The share of runs that two texts have in common, by their sketches, from 0 to 1."""
    a, b = set(one), set(other)
    smallest = set(sorted(a | b)[: max(len(a), len(b))])
    return len(a & b & smallest) / len(smallest) if smallest else 0.0


def nearest(rows: Callable[..., list[tuple[Any, ...]]], text: tuple[int, ...]) -> list[int]:
    """The numbers of the documents that are nearly the text with this sketch, the most alike first.

    Args:
        rows: all rows of a query, given with its values, in a database with the table `sketches (hash, document)`.
        text: its sketch.
    """
    marks = ",".join("?" * len(text))
    # Two texts that are nearly the same have at least about half of their sketches in common.
    least = max(1, len(text) // 2)
    query = f"select document from sketches where hash in ({marks}) group by document having count(*) >= {least}"
    found = []
    for (document,) in rows(query, *text):
        hashes = rows("select hash from sketches where document = ?", document)
        alike = resemblance(text, (value for (value,) in hashes))
        if alike >= NEAR:
            found.append((-alike, document))
    return [document for _, document in sorted(found)]
