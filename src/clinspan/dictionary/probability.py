"""How likely the first concept of an entity is right, counted on annotated corpora; none where nothing was counted.

`probability.toml` was counted on ids of corpora, `judged.toml` on mentions that were read one by one.
"""

import tomllib
from enum import StrEnum
from functools import cache
from importlib import resources

from clinspan.dictionary.match import Sense, TermMatch

_PRIOR = 4.0
"""Mentions that the share of a reason counts for, beside those of a vocabulary."""


class How(StrEnum):
    """How an entity's name was read."""

    NAMED = "named"
    """As it stands."""
    DEFINED = "defined"
    """As the document defines it."""
    LISTED = "listed"
    """As the list of short forms says."""
    UNDEFINED = "undefined"
    """As it stands, though it is a short form."""


class LinkReason(StrEnum):
    """Why a concept was taken."""

    EXACT = "exact"
    """The words are the concept's name, but for case, plural and the like."""
    SYNONYM = "synonym"
    """They are another of its names."""
    ORDER = "word order"
    """They are one of its names in another order."""
    MISSPELLING = "misspelling"
    """They are one of its names but for one letter."""
    REWORDED = "reworded"
    """They are one of its names in other words: an adjective for its noun, a name without "disease"."""
    CAUSED = "drug-induced"
    """The text says that a drug caused what they name."""
    PART = "part"
    """They name several, each with a concept: this is one of them."""
    SHORT_FORM = "short form"
    """They are short for one of its names: by the document's definition, or by what stands around them."""


def reason_of(sense: Sense) -> LinkReason:
    """Why a sense was found."""
    agreed = {
        TermMatch.REORDERED: LinkReason.ORDER,
        TermMatch.FUZZY: LinkReason.MISSPELLING,
        TermMatch.ABBREVIATION: LinkReason.SHORT_FORM,
    }
    return agreed.get(sense.match) or (LinkReason.EXACT if sense.shown else LinkReason.SYNONYM)


def counted(how: How, reason: LinkReason, *, rival: bool) -> str:
    """The name under which mentions of one kind are counted. What the list says is looked up as a name."""
    way = How.NAMED if how is How.LISTED else how
    return f"{way} {reason}{' rival' if rival else ''}"


def probability(how: How, reason: LinkReason, source: str, *, rival: bool) -> float | None:
    """The probability that a first concept is right; None for a vocabulary that was not counted.

    Args:
        rival: whether another concept, of another meaning, agrees as closely.
    """
    table = _table("probability.toml")
    kinds = table.get(source) or _table("judged.toml").get(source)
    if kinds is None:
        return None
    name = counted(how, reason, rival=rival)
    rows = [row[name] for row in table.values() if name in row]
    right, seen = sum(row[0] for row in rows), sum(row[1] for row in rows)
    general = (right + 1) / (seen + 2)
    here, there = kinds.get(name, (0, 0))
    return (here + _PRIOR * general) / (there + _PRIOR)


@cache
def _table(file: str) -> dict[str, dict[str, tuple[int, int]]]:
    """By vocabulary and kind: how often the first concept was right, and how often there was one."""
    text = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    return {
        source: {kind: (pair[0], pair[1]) for kind, pair in rows.items()}
        for source, rows in tomllib.loads(text).items()
    }
