"""The index of normal forms: a trie of the keys, the names of each key, and the words that may be misspelt."""

from array import array
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import TextIO

import marisa_trie

from clinspan.dictionary import layout

Progress = Callable[[str, int], None]
"""Called with the name of the step and how many names or keys it has done."""

_STEP = 100_000


def index_keys(spool: TextIO, folder: Path, acronyms: bytearray, progress: Progress) -> int:
    """Writes the index of the lines `form<TAB>name number` in `spool` into `folder`; returns how many keys it has."""
    words: set[str] = set()
    keys = marisa_trie.Trie(_keys(spool, words, progress))
    keys.save(str(folder / layout.KEYS))
    _write_postings(spool, folder, keys, acronyms, progress)
    total = len(keys)
    del keys
    marisa_trie.Trie(words).save(str(folder / layout.TOKENS))
    progress("misspellings", len(words))
    marisa_trie.Trie(_deletions(words)).save(str(folder / layout.DELETIONS))
    return total


def _lines(spool: TextIO) -> Iterator[tuple[str, int]]:
    spool.seek(0)
    for line in spool:
        form, number = line.rstrip("\n").split("\t")
        yield form[: layout.LONGEST_KEY] + " ", int(number)


def _keys(spool: TextIO, words: set[str], progress: Progress) -> Iterator[str]:
    for done, (key, _) in enumerate(_lines(spool)):
        words.update(word for word in key.split() if len(word) >= 4 and word.isalpha())
        if not done % _STEP:
            progress("keys", done)
        yield key


def _write_postings(
    spool: TextIO, folder: Path, keys: marisa_trie.Trie, acronyms: bytearray, progress: Progress
) -> None:
    # A counting sort of the names by key, in two passes over the file, since the pairs are many.
    counts = array("I", bytes(4 * (len(keys) + 1)))
    flags = bytearray([layout.CASED]) * len(keys)
    numbers = array("I")
    for done, (key, number) in enumerate(_lines(spool)):
        place = keys[key]
        numbers.append(place)
        counts[place + 1] += 1
        if not acronyms[number]:
            flags[place] = 0
        if not done % _STEP:
            progress("postings", done)
    starts = array("I", accumulate(counts))
    (folder / layout.POSTING_STARTS).write_bytes(starts)
    (folder / layout.KEY_FLAGS).write_bytes(flags)
    postings = array("I", bytes(4 * len(numbers)))
    for place, (_, number) in zip(numbers, _lines(spool), strict=True):
        postings[starts[place]] = number
        starts[place] += 1
    (folder / layout.POSTINGS).write_bytes(postings)


def _deletions(words: set[str]) -> Iterator[str]:
    for word in words:
        if len(word) >= layout.MISSPELT_FROM:
            for short in {word[:i] + word[i + 1 :] for i in range(len(word))} | {word}:
                yield short + layout.SEPARATOR + word
