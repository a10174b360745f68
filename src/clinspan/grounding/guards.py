"""What a mention may never change or be: numbers, units, sides, negations and comparisons.

The first are read off the original strings, since folding hides some differences (5-10 and 510, I-II and III, 10⁹ and
109).
"""

import tomllib
import unicodedata
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files

import regex

_TABLES = tomllib.loads(files("clinspan.grounding").joinpath("words.toml").read_text(encoding="utf-8"))


def _set(*path: str) -> frozenset[str]:
    table = _TABLES
    for name in path[:-1]:
        table = table[name]
    return frozenset(table[path[-1]].split())


def _families(name: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(line.split()) for line in _TABLES["confusable"][name].strip().splitlines())


SIDE = _set("meaning", "side")
"""Laterality and position."""
NEGATION = _set("meaning", "negation")
"""Words that deny."""
COMPARISON = _set("meaning", "comparison")
"""Words that compare, or say in which direction something changes."""
MEASURE = _set("meaning", "measure")
"""Units, number words and frequencies written out."""
UNIT = _set("meaning", "unit")
"""Abbreviated units."""
COMMON_WORDS = _set("common", "words")
"""Short everyday words that, in capitals, are also acronyms."""
FUNCTION_WORDS = _set("common", "function")
"""Words that are no part of another word (the rapist is no therapist)."""
PREFIXES = _families("prefixes")
"""Groups of word beginnings that mean different things."""
SUFFIXES = _families("suffixes")
"""Groups of word endings that mean different things."""
FAMILIES = _families("words")
"""Groups of whole words that lie near each other and mean different things."""


_DASHES = regex.compile(r"[\p{Pd}\u2212\u2010\u2011]")
_WORD = regex.compile(r"[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)?|\p{N}+")
_NUMBER = regex.compile(r"\d+(?:(?:[.,'^]| ?[/:] ?)-?\d+)*")
_SIGN_BEFORE = regex.compile(r"(?:^|[\s(\[<>=~])-$")
_UNIT = regex.compile(r"\d[\s-]*(mm|m)(?![\p{L}\p{N}])", regex.I)
_NEGATIVE = regex.compile(r"\b(?:[A-Z][A-Za-z]?|[A-Z0-9]{2,})-(?=[ ,;)]|$)")
_COMPARISON_SIGNS = regex.compile(r"[<>=≤≥⩽⩾±~≈↑↓+]|(?<=\s)-(?=\s)")
_BROKEN_WORD = regex.compile(r"(?<=\p{L})[-\u2010]\s*\n\s*(?=\p{Ll})")
_UNSEEN = regex.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff\ufe0e\ufe0f]")
# X-ray and V-fib have letters, grade I-II has numerals.
_ROMAN = regex.compile(
    r"(?<![\p{L}\p{M}])(?:x{0,2}(?:i{1,3}|i[vx]|vi{0,3}|x))(?![\p{L}\p{M}]|-(?![ivx]+\b)\p{L})", regex.I
)
_ACRONYM = regex.compile(r"\p{Lu}{2,5}")


@dataclass(frozen=True, slots=True)
class Signature:
    """What must be equal in a mention and in the text it is grounded on, each in order.

    Attributes:
        number: digits with what joins them, and Roman numerals.
        unit: units that differ in case alone (mM and mm).
        side: words of laterality and position.
        negation: words that deny, and the minus after a marker (HIV-).
        comparison: signs and words that compare or say a direction of change.
    """

    number: tuple[str, ...]
    unit: tuple[str, ...]
    side: tuple[str, ...]
    negation: tuple[str, ...]
    comparison: tuple[str, ...]


@lru_cache(maxsize=4096)
def signature(text: str) -> Signature:
    """What may not change in `text`."""
    plain = text if text.isascii() else _plain(text)
    words = [_levelled(word) for word in _WORD.findall(plain)]
    romans = tuple(numeral.lower() for numeral in _ROMAN.findall(plain))
    denied = tuple(word for word in words if word in NEGATION or word.endswith("n't"))
    return Signature(
        number=_numbers(plain) + romans,
        # mM is not mm, M is not m; other units are the same in either case (MG, mg).
        unit=tuple(unit if unit in ("mM", "M") else unit.lower() for unit in _UNIT.findall(plain)),
        side=tuple(word for word in words if word in SIDE),
        negation=denied + tuple("-" for _ in _NEGATIVE.finditer(plain)),
        comparison=_comparisons(plain) + tuple(word for word in words if word in COMPARISON),
    )


def difference(mention: str, found: str) -> str | None:
    """The first kind of thing in which `found` says something else than `mention`; None where nothing is changed."""
    ours, theirs = signature(mention), signature(found)
    if ours == theirs or ("\n" in found and ours == signature(_BROKEN_WORD.sub("", found))):
        return None
    return next(field.name for field in fields(Signature) if getattr(ours, field.name) != getattr(theirs, field.name))


def is_other_word(mention: str, found: str) -> bool:
    """True when an acronym would be grounded on a common word: IT on it, AIDS on aids, US on Us."""
    return _ACRONYM.fullmatch(mention) is not None and not found.isupper() and _levelled(found.strip()) in COMMON_WORDS


def _levelled(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold().replace("’", "'")


def _numbers(plain: str) -> tuple[str, ...]:
    found: list[str] = []
    last = -1
    for number in _NUMBER.finditer(plain):
        start = number.start()
        if last >= 0 and plain[last:start].strip() == "-":
            found.append("-")
        elif start and plain[start - 1] == "-" and _SIGN_BEFORE.search(plain, max(0, start - 2), start):
            found.append("minus")
        found.append(number.group().replace(" ", ""))
        last = number.end()
    return tuple(found)


def _comparisons(plain: str) -> tuple[str, ...]:
    signs = (sign.strip() for sign in _COMPARISON_SIGNS.findall(plain))
    return tuple(sign for sign in signs if sign not in ("", "-"))


def _plain(text: str) -> str:
    """Compatibility forms levelled as in folding, but so that no number runs into its neighbour."""
    pieces: list[str] = []
    for char in _UNSEEN.sub("", text):
        if char.isascii():
            pieces.append(char)
            continue
        if char.isdecimal():
            pieces.append(str(unicodedata.decimal(char)))
            continue
        shape = unicodedata.decomposition(char)
        after_digit = bool(pieces) and pieces[-1][-1:].isdigit()
        level = unicodedata.normalize("NFKC", char).replace("\u2044", "/") if char not in "≤≥±" else char
        if shape.startswith("<super>") and after_digit:
            level = "^" + level
        elif shape.startswith(("<fraction>", "<circle>", "<sub>")) and after_digit:
            level = " " + level
        pieces.append(level)
    plain = _DASHES.sub("-", "".join(pieces)).replace("≤", "<=").replace("≥", ">=").replace("±", "+/-")
    # A minus inside a power is already raised.
    return regex.sub(r"\^-\^", "^-", plain)
