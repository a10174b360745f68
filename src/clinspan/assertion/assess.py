"""Sets the declared attributes of entities that are there, by the lexicon, the sections and other sources."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from clinspan.assertion.lexicon import CLASSES, Lexicon, lexicon
from clinspan.assertion.prose import is_prose
from clinspan.assertion.scope import Said, by_kind, decided, said_of
from clinspan.document import Document, Entity
from clinspan.labels import Attribute, LabelSet
from clinspan.text.sentences import section_at, sections

ASSERTION, TEMPORALITY, SECTION = "assertion", "temporality", "section"
TOLD = (ASSERTION, TEMPORALITY)
"""The attributes that rules know."""
_PAST_REACH = 6
_TIMED = frozenset({None, "present", "absent", "associated-with-someone-else"})


Told = tuple[str, float | None]
"""A value with the source's probability of it; None where it gives none."""

SURE = 0.8
"""A source that gives its value at least this probability is believed before a cue, and before what goes unsaid. Chosen
among 0 to .98 on 370 problems of eight notes and half of 288 traps, from which neither the cues nor the encoder that
comes with clinspan had learned: .954 and .924 right; .946 and .924 by the encoder alone, .927 and .757 by the cues."""

AGREED = 0.8
"""Where a source gives the value that the rules say at least this probability, no better one is asked."""
_RULES = 2.0
"""What the rules' value is worth beside two sources, in log-odds."""


class Reads(Protocol):
    """Says attributes of entities that are given, as a tuned encoder does."""

    def __call__(self, document: Document) -> Sequence[Mapping[str, Told]]:
        """For each entity of the document the attributes that the source knows."""
        ...


class ReadsSome(Protocol):
    """As `Reads`, for some of a document's entities: a source that takes its time."""

    def __call__(self, document: Document, among: Sequence[int]) -> Sequence[Mapping[str, Told]]:
        """For each entity of the document the attributes that the source knows; it may say nothing of those not among.

        Args:
            among: the numbers of the entities that are asked about.
        """
        ...


def assess(
    document: Document,
    labels: LabelSet,
    *,
    reads: Reads | None = None,
    closer: ReadsSome | None = None,
    language: str = "en",
    keep: bool = False,
    with_sections: bool = False,
) -> Document:
    """The document with the declared attributes of its entities set.

    The rules know the attributes `assertion`, with the values of `lexicon.CLASSES`, and `temporality`, current or past.
    What `reads` says of the assertion wins where it is sure (`SURE`), and where it gives no probability and no cue
    decides; it wins for every other attribute. An attribute that neither knows is left as it is. In research prose a
    source that gives a probability does not say what is absent: the rules do.

    Args:
        labels: declare which labels have which attributes.
        reads: another source, asked once for the document.
        closer: a better source than `reads`, asked of the entities of whose assertion `reads` and the rules do not say
            the same, or `reads` is not sure (`AGREED`). What the two and the rules say of it is weighed (`_weighed`);
            of other attributes it speaks in place of `reads`.
        language: of the lexicon.
        keep: whether values that entities have already stay.
        with_sections: whether entities get the attribute `section`, and the document's metadata its sections. They are
            left out by default, since no label set declares them and most formats would show them as a judgement.

    Raises:
        ConfigError: when there is no lexicon of the language.
    """
    words = lexicon(language)
    asked = [labels[e.label].attributes if e.label in labels else () for e in document.entities]
    numbers = [number for number, attributes in enumerate(asked) if attributes]
    research = bool(numbers) and is_prose(document.text, language)
    said = said_of(document.text, [document.entities[number].span for number in numbers], words, research=research)
    ruled_by = {n: _by_rules(document.entities[n], asked[n], one, words) for n, one in zip(numbers, said, strict=True)}
    read = list(reads(document)) if reads is not None and numbers else [{}] * len(document.entities)
    _read_closer(document, ruled_by, read, closer)
    made = list(document.entities)
    for number in numbers:
        entity, values = document.entities[number], ruled_by[number]
        for attribute in asked[number]:
            seen, sure = read[number].get(attribute.name, ("", None))
            held = research and sure is not None and "absent" in (seen, values.get(attribute.name))
            if seen in attribute.value_names and not held and _wins(sure, attribute, values):
                values[attribute.name] = seen
        now = {**entity.attributes, **values, **(entity.attributes if keep else {})}
        # The probability of a value that a rule replaced says nothing of the new one.
        kept = tuple((name, p) for name, p in entity.attribute_scores if now[name] == entity.attributes[name])
        made[number] = replace(entity, attributes=now, attribute_scores=kept)
    if not with_sections:
        return replace(document, entities=tuple(made)) if numbers else document
    parts = sections(document.text)
    for number, entity in enumerate(made):
        name = section_at(parts, entity.start)
        if name is not None:
            made[number] = replace(entity, attributes={**entity.attributes, SECTION: name})
    told = [{"name": part.name, "start": part.span.start, "end": part.span.end} for part in parts]
    return replace(document, entities=tuple(made), metadata={**document.metadata, "sections": told})


def _read_closer(
    document: Document,
    by_rules: Mapping[int, Mapping[str, str]],
    read: list[Mapping[str, Told]],
    closer: ReadsSome | None,
) -> None:
    """Puts what a better source says into what was read of the mentions about which there is doubt."""
    doubtful = [number for number, said in by_rules.items() if not _agree(read[number].get(ASSERTION), said)]
    if closer is None or not doubtful:
        return
    better = closer(document, doubtful)
    for number in doubtful:
        first, second = read[number].get(ASSERTION), better[number].get(ASSERTION)
        both = _weighed(first, second, by_rules[number].get(ASSERTION))
        read[number] = {**read[number], **better[number], **({ASSERTION: both} if both is not None else {})}


def _agree(told: Told | None, by_rules: Mapping[str, str]) -> bool:
    """Whether a source is sure of the assertion that the rules say."""
    if told is None or told[1] is None:
        return False
    return told[1] >= AGREED and by_rules.get(ASSERTION) == told[0]


def _weighed(first: Told | None, second: Told | None, by_rules: str | None) -> Told | None:
    """The assertion that two sources and the rules say together, sure of it; None where a source has no probability.

    The sum of the mean log-probability, in which the values that a source does not name share what it leaves, and of
    `_RULES` for the rules' value. Weights chosen among 0 to 2.5 and .5 to 1 on 36 development notes, 41 notes that no
    encoder of mentions had learned from and 288 traps.
    """
    probable = [(value, p) for value, p in (told for told in (first, second) if told is not None) if p is not None]
    if len(probable) < 2:
        return None
    others = len(CLASSES) - 2

    def said(value: str) -> float:
        shares = (p if value == named else (1 - p) / others for named, p in probable)
        return sum(math.log(share + 1e-6) for share in shares) / 2 + _RULES * (value == by_rules)

    named = [value for value in (*(value for value, _ in probable), by_rules) if value is not None]
    return max(named, key=said), 1.0


def _wins(sure: float | None, attribute: Attribute, by_rules: Mapping[str, str]) -> bool:
    """Whether a source's value takes the place of the rules'."""
    if attribute.name != ASSERTION or ASSERTION not in by_rules:
        return True
    return by_rules[ASSERTION] == attribute.default if sure is None else sure >= SURE


def _by_rules(entity: Entity, attributes: Sequence[Attribute], said: Sequence[Said], words: Lexicon) -> dict[str, str]:
    """The values that the rules know; none of an attribute whose values are others than theirs."""
    values = {}
    for attribute in attributes:
        names = attribute.value_names
        if attribute.name == ASSERTION and set(names) & set(CLASSES):
            values[attribute.name] = decided(said, names) or attribute.default
        elif attribute.name == TEMPORALITY and {"current", "past"} <= set(names):
            values[attribute.name] = "past" if _is_past(entity, said, words) else "current"
    return values


def _is_past(entity: Entity, said: Sequence[Said], words: Lexicon) -> bool:
    near = by_kind(said).get("past", _PAST_REACH + 1)
    return near <= _PAST_REACH and decided(said, CLASSES) in _TIMED and not words.goes_on(entity.text)


def as_told(document: Document) -> Sequence[Mapping[str, Told]]:
    """What the entities say of themselves, as the source that found them did; for `assess(reads=...)`."""
    return [
        {name: (value, entity.attribute_score(name)) for name, value in entity.attributes.items()}
        for entity in document.entities
    ]
