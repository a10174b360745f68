"""What a dictionary finds: matches with ranked senses, likely spellings of a word, and how likely a link is right.

How likely the first concept of an entity is right was counted on annotated corpora; there is none where nothing was
counted. `probability.toml` was counted on ids of corpora, `judged.toml` on mentions that were read one by one.
"""

import tomllib
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Protocol, TypeVar

from rapidfuzz.distance import OSA

from clinspan.dictionary import layout
from clinspan.dictionary.layout import Index
from clinspan.dictionary.normalise import is_acronym, visible
from clinspan.document import Span


class TermMatch(StrEnum):
    """How the words of a text and a dictionary's name agree, closest first."""

    EXACT = "exact"
    """Letter for letter."""
    NORMALISED = "normalised"
    """But for case, plural, possessive, hyphens, spelling, accents or a turned-round comma."""
    REORDERED = "reordered"
    """But for the order of the words."""
    FUZZY = "fuzzy"
    """But for one letter of a long word."""
    ABBREVIATION = "abbreviation"
    """It is the short form of such a term, defined in the same text."""


WEIGHT = {
    TermMatch.EXACT: 1.0,
    TermMatch.NORMALISED: 0.9,
    TermMatch.REORDERED: 0.8,
    TermMatch.FUZZY: 0.6,
    TermMatch.ABBREVIATION: 0.9,
}
"""How closely words agree, for ranking."""
SYNONYM = 0.95


@dataclass(frozen=True, slots=True)
class Sense:
    """A concept that a term may stand for.

    Attributes:
        source: short name of the vocabulary that has the term.
        term: the vocabulary's name that was met.
        score: in (0, 1]: how closely the words agree, and whether the term is the concept's preferred name. It ranks
            senses and is no probability.
        match: how the words agree.
        preferred: whether the term is the one that its source shows.
        shown: whether it is, but for the plural and the like: "infection" where "Infections" is shown.
        number: the concept's number in the dictionary.
    """

    concept: str
    name: str
    source: str
    term: str
    types: tuple[str, ...]
    definition: str
    score: float
    match: TermMatch = TermMatch.EXACT
    preferred: bool = True
    number: int = -1
    shown: bool = True


def senses_of(index: Index, key: int, surface: str, kind: TermMatch = TermMatch.NORMALISED) -> tuple[Sense, ...]:
    """All senses of a key for the words `surface`, best first, one for each concept.

    A term that must keep its case ("ALL") is no sense of words in another case ("all"); a letter s may follow it.
    """
    bare = _bare(surface)
    best: dict[int, tuple[float, int, int, TermMatch]] = {}
    shown: set[int] = set()
    for number in index.having(key):
        name = index.names[number]
        if is_acronym(name) and _bare(name) not in (bare, bare.removesuffix("s")):
            continue
        if index.name_flags[number] & layout.PREFERRED:
            shown.add(index.name_concepts[number])
        agreed = TermMatch.EXACT if kind is TermMatch.NORMALISED and name == surface else kind
        score = WEIGHT[agreed] * (1.0 if index.name_flags[number] & layout.PREFERRED else SYNONYM)
        concept = index.name_concepts[number]
        rank = (-score, index.source_ranks[index.name_sources[number]], number, agreed)
        if concept not in best or rank[:3] < best[concept][:3]:
            best[concept] = rank
    ranked = sorted(best.items(), key=lambda item: item[1][:3])
    return tuple(_sense(index, concept, rank, shown=concept in shown) for concept, rank in ranked)


def _bare(term: str) -> str:
    return visible(term).replace("-", "").replace(" ", "")


def _sense(index: Index, concept: int, rank: tuple[float, int, int, TermMatch], *, shown: bool) -> Sense:
    closeness, _, number, agreed = rank
    return Sense(
        concept=index.concept_ids[concept],
        name=index.names[index.concept_names[concept]],
        source=index.source_names[index.name_sources[number]],
        term=index.names[number],
        types=index.types(concept),
        definition=index.definition(concept),
        score=round(-closeness, 3),
        match=agreed,
        number=concept,
        preferred=bool(index.name_flags[number] & layout.PREFERRED),
        shown=shown,
    )


_SLIPS_KEPT = 1 << 15


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
            if len(self._found) >= _SLIPS_KEPT:
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


@dataclass(frozen=True, slots=True)
class Match:
    """A term of the dictionary in a text: `text` stands at `span`; `senses` best first, at least one."""

    span: Span
    text: str
    kind: TermMatch
    senses: tuple[Sense, ...]


class Placed(Protocol):
    """Anything with a span."""

    @property
    def span(self) -> Span:
        """Where it stands."""
        ...


_P = TypeVar("_P", bound=Placed)


def longest_apart(items: Iterable[_P]) -> list[_P]:
    """Of items that overlap the longest (then the first) alone, in text order."""
    kept: list[_P] = []
    for item in sorted(items, key=lambda item: (-len(item.span), item.span.start)):
        at = bisect_left(kept, item.span, key=lambda other: other.span)
        if (at == 0 or kept[at - 1].span.end <= item.span.start) and (
            at == len(kept) or item.span.end <= kept[at].span.start
        ):
            kept.insert(at, item)
    return kept


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
