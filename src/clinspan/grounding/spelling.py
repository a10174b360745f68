"""Whether a word of the text is a misspelling of a word a model wrote, and not another word.

The distance is optimal string alignment (one edit is an insertion, deletion, substitution or swap of neighbours). A
word of the text that lies as near to a word of other meaning (hyper- and hypo-, -ectomy and -otomy, prednisone and
prednisolone) as to the model's word is never taken for it.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

import regex
from rapidfuzz.distance import OSA

from clinspan.grounding.words import COMPARISON, FAMILIES, MEASURE, NEGATION, PREFIXES, SIDE, SUFFIXES

SHORTEST = 5
"""Words with fewer letters must be equal: they have too many neighbours."""
_LONG = 9
_KEPT = SIDE | NEGATION | COMPARISON | MEASURE
_LETTERS = regex.compile(r"[\p{L}\p{M}]+")
_BRITISH = regex.compile(r"(?<=\p{L})?(?:ae|oe)")
_ACCENTS = regex.compile(r"(?<=\p{Latin})[\u0300-\u036f]+")
_ROMAN = regex.compile(r"[ivxlcm]+")
_VOWELS = frozenset("aeiouyäöüáéíóúàèìòùâêîôûãõåæøœ")

_families: defaultdict[str, set[str]] = defaultdict(set)
for _family in FAMILIES:
    for _word in _family:
        _families[_word].update(other for other in _family if other != _word)


@lru_cache(maxsize=4096)
def farthest(word: str) -> int:
    """How many edits a misspelling of the folded `word` may have: 0 where it must be equal."""
    if len(word) < SHORTEST or word in _KEPT or not _LETTERS.fullmatch(word) or _ROMAN.fullmatch(word):
        return 0
    return 1 if len(word) < _LONG else 2


@lru_cache(maxsize=4096)
def misspelt(word: str, found: str) -> bool:
    """True when `found`, a folded word of the text, can only be a misspelling or another spelling of `word`."""
    if farthest(word) == 0 or farthest(found) == 0:
        return False
    if _BRITISH.sub("e", word) == _BRITISH.sub("e", found):
        return True
    if _unaccented(word) == _unaccented(found):
        return True
    distance = OSA.distance(word, found, score_cutoff=farthest(word))
    if distance > farthest(word) or word[0] != found[0] or not _likely(word, found, distance):
        return False
    return all(OSA.distance(other, found, score_cutoff=distance) > distance for other in lookalikes(word))


def lookalikes(word: str) -> Iterator[str]:
    """Words of other meaning that `word` could be mistaken for, from the lists of beginnings, endings and words."""
    yield from _families.get(word, ())
    for group in PREFIXES:
        for prefix in group:
            if word.startswith(prefix) and len(word) > len(prefix) + 2:
                yield from (other + word[len(prefix) :] for other in group if other != prefix)
    for group in SUFFIXES:
        for suffix in group:
            if word.endswith(suffix) and len(word) > len(suffix) + 2:
                yield from (word[: -len(suffix)] + other for other in group if other != suffix)


def _unaccented(word: str) -> str:
    """`word` as those write it who leave all accents out (Meniere); only of Latin letters."""
    return word if word.isascii() else _ACCENTS.sub("", unicodedata.normalize("NFD", word))


def _likely(word: str, found: str, distance: int) -> bool:
    """True for slips of typing and hearing; not for a consonant changed in a short word, or a syllable more or less."""
    if distance == 1:
        if len(word) != len(found) or len(word) >= 7:
            return True
        changed = [(a, b) for a, b in zip(word, found, strict=True) if a != b]
        return len(changed) == 2 or all(a in _VOWELS and b in _VOWELS for a, b in changed)
    # Two letters more or fewer side by side make another word (quinine, quinidine), apart they are two slips.
    if abs(len(word) - len(found)) == 2:
        shorter, longer = sorted((word, found), key=len)
        return all(longer[:at] + longer[at + 2 :] != shorter for at in range(len(longer) - 1))
    return True
