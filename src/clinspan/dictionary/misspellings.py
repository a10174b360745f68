"""Misspellings: words of the dictionary one edit away from a word that it does not have.

Deleting one letter on both sides finds every insertion, deletion, replacement and swap of neighbours with as many
lookups as the word has letters, whatever the dictionary's size (the symmetric delete method of SymSpell).
"""

from rapidfuzz.distance import OSA

from clinspan.dictionary import layout
from clinspan.dictionary.index import Index

_CACHE_SIZE = 1 << 15


class Speller:
    """Finds corrections; remembers those it has found."""

    def __init__(self, index: Index):
        self._index = index
        self._found: dict[str, tuple[str, ...]] = {}

    def corrections(self, word: str) -> tuple[str, ...]:
        """The dictionary's words at distance 1 from the normal form `word`; none where it is short, known or a number.

        A difference in the last letter alone is none: it is how "leukemic" differs from "leukemia".
        """
        found = self._found.get(word)
        if found is None:
            if len(self._found) >= _CACHE_SIZE:
                self._found.clear()
            found = self._found[word] = self._correct(word)
        return found

    def _correct(self, word: str) -> tuple[str, ...]:
        if len(word) < layout.MISSPELT_FROM or not word.isalpha() or word in self._index.tokens:
            return ()
        near: set[str] = set()
        for short in {word} | {word[:i] + word[i + 1 :] for i in range(len(word))}:
            near.update(
                key.split(layout.SEPARATOR)[1] for key in self._index.deletions.iterkeys(short + layout.SEPARATOR)
            )
        return tuple(sorted(other for other in near if OSA.distance(word, other) == 1 and not _ending(word, other)))


def _ending(word: str, other: str) -> bool:
    same = min(len(word), len(other)) - (len(word) == len(other))
    return word[:same] == other[:same]
