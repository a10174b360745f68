"""A text as a sequence of words, in which mentions with misspelt or changed words are found."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache

import regex
from rapidfuzz import process
from rapidfuzz.distance import OSA

from clinspan.grounding.normalise import fold_string
from clinspan.grounding.spelling import SHORTEST, farthest, misspelt
from clinspan.grounding.words import COMPARISON, MEASURE, NEGATION, SIDE, UNIT

_WORD = regex.compile(
    r"(?P<word>[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)?)|(?:\d+(?:[.,/:]\d+)*)|[^\s\p{Pd}\p{Cf}\u2212|│┃¦]\p{M}*"
)
_POSSESSIVE = regex.compile(r"'s?\Z")
_LONGEST = 48  # words of a mention; longer ones are sentences, and misspellings in them are not looked for
_CAPITALS = 8  # capital words shorter than this are names (SMARCB, SMARCA), not words with slips
_MOST = 1000  # places that are looked at
_CLASSES = (("side", SIDE), ("unit", UNIT), ("negation", NEGATION), ("comparison", COMPARISON))

Options = dict[str, str]
"""Words of the text that may stand for a word of a mention, each with what it changes ('' for nothing)."""


class WordIndex:
    """The words of a text, with where each stands."""

    def __init__(self, text: str):
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._words: list[str] = []
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        for found in _WORD.finditer(text):
            word = _level(found.group())
            self._places[word].append(len(self._words))
            self._words.append(word)
            self._starts.append(found.start())
            self._ends.append(found.end())
        self._vocabulary = [word for word in self._places if len(word) >= SHORTEST]

    def misspelt(self, mention: str) -> Iterator[tuple[int, int]]:
        """The ranges that say `mention` with misspelt words, left to right."""
        for start, end, changed in self._found(mention, self._spellings):
            if not changed:
                yield start, end

    def changed(self, mention: str) -> tuple[str, int, int] | None:
        """What is changed, and the first range that says `mention` but for that."""
        ranges = self._found(mention, self._changes)
        return next(((changed, start, end) for start, end, changed in ranges if changed), None)

    def _found(self, mention: str, options: Callable[[str], Options]) -> Iterator[tuple[int, int, str]]:
        said = _WORD.findall(mention) and [found.group() for found in _WORD.finditer(mention)]
        if not said or len(said) > _LONGEST:
            return
        per_word = [options(word) for word in said]
        counts = [sum(len(self._places[word]) for word in words) for words in per_word]
        rarest = counts.index(min(counts))
        places = sorted(place - rarest for word in per_word[rarest] for place in self._places[word])
        for first in places[:_MOST]:
            last = first + len(said)
            if first < 0 or last > len(self._words):
                continue
            found = self._words[first:last]
            if all(word in allowed for word, allowed in zip(found, per_word, strict=True)):
                changes = (allowed[word] for word, allowed in zip(found, per_word, strict=True))
                yield self._starts[first], self._ends[last - 1], next((change for change in changes if change), "")

    def _spellings(self, said: str) -> Options:
        word = _level(said)
        allowed = {word: ""} if word in self._places else {}
        most = 0 if said.isupper() and len(said) < _CAPITALS else farthest(word)
        if most:
            near = process.extract(word, self._vocabulary, scorer=OSA.distance, score_cutoff=most + 2, limit=None)
            allowed.update((other, "") for other, _, _ in near if other != word and misspelt(word, other))
        return allowed

    def _changes(self, said: str) -> Options:
        allowed = self._spellings(said)
        changed = _class(_level(said))
        if changed:
            allowed.update((word, changed) for word in self._places if word not in allowed and _class(word) == changed)
        return allowed


@lru_cache(maxsize=1 << 15)
def _level(word: str) -> str:
    return _POSSESSIVE.sub("", fold_string(word)).replace("'", "") or word


def _class(word: str) -> str:
    """Which kind of meaning a word carries that may not change; '' for other words."""
    if word[0].isdigit():
        return "number"
    return next((name for name, words in _CLASSES if word in words), "number" if word in MEASURE else "")
