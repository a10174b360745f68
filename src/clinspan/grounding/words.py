"""The words that grounding treats with care, read from words.toml beside this file."""

import tomllib
from importlib.resources import files

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
