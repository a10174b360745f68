"""A text as a sequence of words, in which mentions with misspelt or changed words are found."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from heapq import merge
from itertools import islice

import regex
from rapidfuzz import process
from rapidfuzz.distance import OSA

from clinspan.grounding.normalise import fold_string
from clinspan.grounding.spelling import SHORTEST, farthest, misspelt
from clinspan.grounding.words import COMPARISON, MEASURE, NEGATION, SIDE, UNIT

_WORD = regex.compile(
    r"(?:[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)?)|(?:\d+(?:[.,/:]\d+)*)|[^\s\p{Pd}\p{Cf}\u2212|│┃¦]\p{M}*"
)
_POSSESSIVE = regex.compile(r"'s?\Z")
_LONGEST = 48  # words of a mention; longer ones are sentences, and misspellings in them are not looked for
_CAPITALS = 8  # capital words shorter than this are names (SMARCB, SMARCA), not words with slips
_MOST = 1000  # places that are looked at
_CLASSES = (("side", SIDE), ("unit", UNIT), ("negation", NEGATION), ("comparison", COMPARISON))

Options = dict[str, str]
"""Words of the text that may stand for a word of a mention, each with what it changes ('' for nothing)."""


class WordIndex:
    """The words of a text: which there are, and where a sequence of them stands."""

    def __init__(self, text: str):
        self._text = text
        self._written: defaultdict[str, list[str]] = defaultdict(list)
        # No word has white space in it, so that the words can be told from the text's distinct pieces alone.
        for word in sorted(set(_findall(" ".join(set(text.split()))))):
            self._written[_level(word)].append(word)
        self._vocabulary = [word for word in self._written if len(word) >= SHORTEST]

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
        said = _findall(mention)
        if not said or len(said) > _LONGEST:
            return
        per_word: list[Options] = []
        for word in said:
            per_word.append(options(word))
            if not per_word[-1]:
                return
        firsts = [self._starts(written) for word in per_word[0] for written in self._written[word]]
        for start in islice(merge(*firsts), _MOST):
            matched = _match(self._text, start, per_word)
            if matched is not None:
                yield start, *matched

    def _starts(self, written: str) -> Iterator[int]:
        """Where a word begins that begins with this one; `_match` looks at the whole of it."""
        at = self._text.find(written)
        while at >= 0:
            if not (at and self._text[at - 1].isalnum() and written[0].isalnum()):
                yield at
            at = self._text.find(written, at + 1)

    def _spellings(self, said: str) -> Options:
        word = _level(said)
        allowed = {word: ""} if word in self._written else {}
        most = 0 if said.isupper() and len(said) < _CAPITALS else farthest(word)
        if most:
            near = process.extract(word, self._vocabulary, scorer=OSA.distance, score_cutoff=most + 2, limit=None)
            allowed.update((other, "") for other, _, _ in near if other != word and misspelt(word, other))
        return allowed

    def _changes(self, said: str) -> Options:
        allowed = self._spellings(said)
        changed = _class(_level(said))
        if changed:
            allowed.update((word, changed) for word in self._written if word not in allowed and _class(word) == changed)
        return allowed


def _match(text: str, start: int, per_word: Sequence[Options]) -> tuple[int, str] | None:
    """Where the sequence of words that starts there ends, and what it changes; None where another word comes."""
    changes, end, number = "", start, 0
    for found, allowed in zip(_WORD.finditer(text, start), per_word, strict=False):
        change = allowed.get(_level(found.group()))
        if change is None:
            return None
        changes, end, number = changes or change, found.end(), number + 1
    return (end, changes) if number == len(per_word) else None


def _findall(text: str) -> list[str]:
    found: list[str] = _WORD.findall(text)
    return found


@lru_cache(maxsize=1 << 15)
def _level(word: str) -> str:
    return _POSSESSIVE.sub("", fold_string(word)).replace("'", "") or word


def _class(word: str) -> str:
    """Which kind of meaning a word carries that may not change; '' for other words."""
    if word[0].isdigit():
        return "number"
    return next((name for name, words in _CLASSES if word in words), "number" if word in MEASURE else "")
