"""How a text and a model may write one word: what is levelled on both sides, and what is a misspelling of a word.

Levelled are: case (full folding), Unicode compatibility forms (ligatures, full width, composed and decomposed marks),
the shapes of quotes and comparison signs; left out are white space, dashes, table bars and characters without a width.
What is left out can hide a difference (5-10 and 510): the guards look at the original for that.

A misspelling is told by the distance of optimal string alignment (one edit is an insertion, deletion, substitution or
swap of neighbours). A word of the text that lies as near to a word of other meaning (hyper- and hypo-, -ectomy and
-otomy, prednisone and prednisolone) as to the model's word is never taken for it.
"""

import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import merge
from itertools import accumulate, compress, islice

import regex
from rapidfuzz import process
from rapidfuzz.distance import OSA

from clinspan.grounding.guards import COMPARISON, FAMILIES, MEASURE, NEGATION, PREFIXES, SIDE, SUFFIXES, UNIT

_DROPPED = " \t\n\r\x0b\x0c-|^"
_DELETE = _DROPPED.encode()
_KEEP = bytes(chr(code) not in _DROPPED for code in range(128)) + bytes(128)
_LOWER = bytes(range(256)).lower().replace(b"`", b"'")
_QUOTES = str.maketrans(
    {**dict.fromkeys("‘’‚‛′´`ʼʹ＇", "'"), **dict.fromkeys("“”„‟″«»", '"'), "≤": "<=", "≥": ">=", "⩽": "<=", "⩾": ">="}
    | {"±": "+/", "⁄": "/", "º": "°", "ı": "i", "×": "x", "™": "", "®": "", "©": "", "│": "", "┃": "", "¦": ""}
)
_LEFT_OUT = regex.compile(r"[\s\p{Pd}\p{Cf}\u2212\u0640\uFE0E\uFE0F|^]+")
_NOT_ASCII = regex.compile(r"[\x00-\x7f]?[^\x00-\x7f]+")
_PIECE = 256  # characters
_CLUSTER = regex.compile(r"\X")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the original: ASCII, of which the characters not left out stand for themselves, or one cluster.

    Attributes:
        start, end: its original offsets.
        whole: True for a cluster, all of whose folded characters come from all of it.
    """

    start: int
    end: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Folded:
    """A text in folded form, made of short pieces through which a place in it leads back to the original.

    Attributes:
        original: the text.
        text: its folded form.
        pieces: the stretches of the original, in order.
        begins: where in the folded form each of them begins.
    """

    original: str
    text: str
    pieces: Sequence[_Piece]
    begins: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """The original offsets of the folded range; None where it cuts an original character in two."""
        first = bisect_right(self.begins, start) - 1
        last = bisect_right(self.begins, end - 1) - 1
        opening, closing = self.pieces[first], self.pieces[last]
        if opening.whole and start != self.begins[first]:
            return None
        if closing.whole:
            following = self.begins[last + 1] if last + 1 < len(self.begins) else len(self.text)
            if end != following:
                return None
        return (
            opening.start if opening.whole else self._kept(opening, start - self.begins[first]),
            closing.end if closing.whole else self._kept(closing, end - 1 - self.begins[last]) + 1,
        )

    def _kept(self, piece: _Piece, number: int) -> int:
        """The original offset of the ASCII piece's character of that number, those left out not counted."""
        flags = self.original[piece.start : piece.end].encode().translate(_KEEP)
        return next(islice(compress(range(piece.start, piece.end), flags), number, None))


def fold(text: str) -> Folded:
    """The folded form of `text`; linear time, at the speed of C for ASCII."""
    pieces: list[_Piece] = []
    folded: list[str] = []
    done = 0
    for run in () if text.isascii() else _NOT_ASCII.finditer(text):
        _add_ascii(text, done, run.start(), pieces, folded)
        done = run.end()
        for cluster in _CLUSTER.finditer(text, run.start(), done):
            levelled = fold_cluster(cluster.group())
            if levelled:
                pieces.append(_Piece(cluster.start(), cluster.end(), whole=True))
                folded.append(levelled)
    _add_ascii(text, done, len(text), pieces, folded)
    begins = list(accumulate(map(len, folded[:-1]), initial=0)) if folded else []
    return Folded(text, "".join(folded), pieces, begins)


def _add_ascii(text: str, start: int, end: int, pieces: list[_Piece], folded: list[str]) -> None:
    for at in range(start, end, _PIECE):
        until = min(at + _PIECE, end)
        levelled = text[at:until].encode().translate(_LOWER, _DELETE).decode()
        if levelled:
            pieces.append(_Piece(at, until, whole=False))
            folded.append(levelled)


def fold_string(text: str) -> str:
    """The folded form alone."""
    return text.encode().translate(_LOWER, _DELETE).decode() if text.isascii() else fold(text).text


@lru_cache(maxsize=1 << 16)
def fold_cluster(cluster: str) -> str:
    """One character with its marks, folded: caseless matching of compatibility forms (Unicode 3.13, D146)."""
    folded = unicodedata.normalize("NFKD", cluster.translate(_QUOTES))
    folded = unicodedata.normalize("NFKD", folded.casefold()).translate(_QUOTES)
    # Capital I with a dot folds to i and a combining dot, which no one writes on a small i.
    folded = _LEFT_OUT.sub("", folded.replace("i\u0307", "i"))
    digits = (str(unicodedata.decimal(c)) if c.isdecimal() else c for c in unicodedata.normalize("NFC", folded))
    return "".join(digits)


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
