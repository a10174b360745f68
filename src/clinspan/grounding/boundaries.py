"""Boundary conventions, learned from gold documents: which words at a mention's edge belong inside.

For each label and each word, one counts how often the word is the outermost of a gold mention on its left (or right),
and how often it stands directly outside. Where the lower end of Wilson's interval for the more frequent of the two is
above one half, a rule follows: pull the word in where it stands outside, or leave it out where it stands inside. No
word is known beforehand, and words that deny, compare, number or say a side are never moved, since that would change
what the mention says.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import sqrt
from typing import Any

import regex

from clinspan.document import Document, Entity, Span
from clinspan.grounding.guards import signature

_WORD = regex.compile(r"[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)*|\p{N}+|\S\p{M}*")
_WORD_BEFORE = regex.compile(r"(?:[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)*|\p{N}+|\S\p{M}*)(?=[ \t]*\n?[ \t]*\Z)")
_GAP = regex.compile(r"[ \t]*\n?[ \t]*")
_REACH = 60  # characters in which the next word is looked for
_MOST_STEPS = 4  # words moved at one edge
_Z = 1.96


class Edge(StrEnum):
    """Which end of a mention a rule is for."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class BoundaryRule:
    """What gold documents do with one word at one edge of one label's mentions.

    Attributes:
        label: whose mentions.
        edge: at which end.
        word: case-folded.
        inside: how often it is the outermost word inside.
        outside: how often it stands directly outside.

    Raises:
        ValueError: when a count is negative or the word is empty.
    """

    label: str
    edge: Edge
    word: str
    inside: int
    outside: int

    def __post_init__(self) -> None:
        if self.inside < 0 or self.outside < 0 or not self.word:
            raise ValueError(
                f"a boundary rule needs a word and counts, not {self.word!r}, {self.inside}, {self.outside}"
            )

    @property
    def extends(self) -> bool:
        """True when the rule pulls the word in, False when it leaves it out."""
        return self.inside > self.outside

    @property
    def name(self) -> str:
        """The rule in words, with its support."""
        verb = "take in" if self.extends else "leave out"
        agree = max(self.inside, self.outside)
        return f"{verb} {self.word!r} on the {self.edge.value} ({agree} of {self.inside + self.outside})"


@dataclass(frozen=True, slots=True)
class BoundaryRules:
    """The learned rules of all labels; none at all by default."""

    rules: tuple[BoundaryRule, ...] = ()
    _by_place: Mapping[tuple[str, Edge, str], BoundaryRule] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {(rule.label, rule.edge, rule.word): rule for rule in self.rules}
        object.__setattr__(self, "_by_place", places)

    @classmethod
    def learn(cls, documents: Iterable[Document], *, min_support: int = 5) -> "BoundaryRules":
        """Counts the edges of the documents' entities, which are taken for gold.

        Args:
            documents: gold documents; discontinuous entities are left out.
            min_support: a rule needs its word seen at least so often at that edge.
        """
        inside: Counter[tuple[str, Edge, str]] = Counter()
        outside: Counter[tuple[str, Edge, str]] = Counter()
        for document in documents:
            for entity in document.entities:
                if entity.fragments:
                    continue
                for edge in Edge:
                    inner, outer = _inner(document.text, entity.span, edge), _outer(document.text, entity.span, edge)
                    if inner is not None:
                        inside[entity.label, edge, _word(document.text, inner)] += 1
                    if outer is not None:
                        outside[entity.label, edge, _word(document.text, outer)] += 1
        rules: list[BoundaryRule] = []
        for key in sorted(inside.keys() | outside.keys()):
            rule = BoundaryRule(*key, inside[key], outside[key])
            agree, support = max(rule.inside, rule.outside), rule.inside + rule.outside
            if support >= min_support and wilson_lower(agree, support) > 0.5 and _may_move(rule.word):
                rules.append(rule)
        return cls(tuple(rules))

    def apply(self, entity: Entity, text: str) -> Entity:
        """The entity with its boundaries as the gold documents draw them, and the rules that moved them named."""
        if entity.fragments or not self.rules:
            return entity
        span, applied = entity.span, list[str]()
        for edge in Edge:
            span, used = self._move(text, span, entity.label, edge)
            applied += used
        if not applied or span == entity.span:
            return entity
        return replace(entity, span=span, text=span.of(text), rules=(*entity.rules, *applied))

    def _move(self, text: str, span: Span, label: str, edge: Edge) -> tuple[Span, list[str]]:
        used: list[str] = []
        for _ in range(_MOST_STEPS):
            inner = _inner(text, span, edge)
            rule = self._by_place.get((label, edge, _word(text, inner))) if inner else None
            if inner is None or rule is None or rule.extends:
                break
            span = _without(text, span, inner, edge)
            used.append(rule.name)
        if used:
            return span, used
        for _ in range(_MOST_STEPS):
            outer = _outer(text, span, edge)
            rule = self._by_place.get((label, edge, _word(text, outer))) if outer else None
            if outer is None or rule is None or not rule.extends:
                break
            span = Span(min(span.start, outer.start), max(span.end, outer.end))
            used.append(rule.name)
        return span, used

    def to_toml(self) -> str:
        """As an array of tables `boundaries`, each rule with its support."""
        return "\n".join(
            f"[[boundaries]]\nlabel = {_quoted(rule.label)}\nedge = {_quoted(rule.edge)}\nword = {_quoted(rule.word)}\n"
            f"inside = {rule.inside}\noutside = {rule.outside}\n"
            for rule in self.rules
        )

    @classmethod
    def from_toml(cls, data: Mapping[str, Any]) -> "BoundaryRules":
        """Reads back what `to_toml` wrote, from the parsed file.

        Raises:
            KeyError, TypeError, ValueError: when a rule lacks a key or has a value it cannot have.
        """
        tables = data.get("boundaries", [])
        return cls(
            tuple(
                BoundaryRule(str(t["label"]), Edge(t["edge"]), str(t["word"]), int(t["inside"]), int(t["outside"]))
                for t in tables
            )
        )


def wilson_lower(successes: int, trials: int, z: float = _Z) -> float:
    """The lower end of Wilson's score interval for a proportion (Wilson 1927); 0 for no trials."""
    if trials == 0:
        return 0.0
    share = successes / trials
    middle = share + z * z / (2 * trials)
    return (middle - z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))) / (1 + z * z / trials)


def _may_move(word: str) -> bool:
    seen = signature(word)
    return not (seen.number or seen.unit or seen.side or seen.negation or seen.comparison)


def _inner(text: str, span: Span, edge: Edge) -> Span | None:
    """The outermost word inside; None where it is the only one."""
    words = list(_WORD.finditer(text, span.start, span.end))
    if len(words) < 2:
        return None
    found = words[0 if edge is Edge.LEFT else -1]
    return Span(found.start(), found.end())


def _outer(text: str, span: Span, edge: Edge) -> Span | None:
    """The word directly outside, with at most one line end between."""
    if edge is Edge.LEFT:
        found = _WORD_BEFORE.search(text, max(0, span.start - _REACH), span.start)
    else:
        gap = _GAP.match(text, span.end)
        found = _WORD.match(text, gap.end() if gap else span.end)
    return Span(found.start(), found.end()) if found else None


def _without(text: str, span: Span, word: Span, edge: Edge) -> Span:
    if edge is Edge.LEFT:
        rest = text[word.end : span.end]
        return Span(word.end + len(rest) - len(rest.lstrip()), span.end)
    return Span(span.start, span.start + len(text[span.start : word.start].rstrip()))


def _word(text: str, span: Span) -> str:
    return span.of(text).casefold().replace("’", "'")


def _quoted(text: str) -> str:
    escaped = "".join(
        f"\\u{ord(c):04x}" if c < " " or c == "\x7f" else c for c in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{escaped}"'
