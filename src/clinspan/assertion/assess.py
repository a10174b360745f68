"""Sets the declared attributes of entities that are there, by the lexicon, the sections and other sources."""

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


class Reads(Protocol):
    """Says attributes of entities that are given, as a tuned encoder does."""

    def __call__(self, document: Document) -> Sequence[Mapping[str, Told]]:
        """For each entity of the document the attributes that the source knows."""
        ...


def assess(
    document: Document,
    labels: LabelSet,
    *,
    reads: Reads | None = None,
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
        language: of the lexicon.
        keep: whether values that entities have already stay.
        with_sections: whether entities get the attribute `section`, and the document's metadata its sections. They are
            left out by default, since no label set declares them and most formats would show them as a judgement.

    Raises:
        ConfigError: when there is no lexicon of the language.
    """
    words = lexicon(language)
    asked = [_attributes(entity, labels) for entity in document.entities]
    numbers = [number for number, attributes in enumerate(asked) if attributes]
    research = bool(numbers) and is_prose(document.text, language)
    spans = [document.entities[number].span for number in numbers]
    said = said_of(document.text, spans, words, research=research)
    read = reads(document) if reads is not None and numbers else [{}] * len(document.entities)
    made = list(document.entities)
    for number, one in zip(numbers, said, strict=True):
        entity = document.entities[number]
        values = _by_rules(entity, asked[number], one, words)
        for attribute in asked[number]:
            seen, sure = read[number].get(attribute.name, ("", None))
            ruled = research and sure is not None and "absent" in (seen, values.get(attribute.name))
            if seen in attribute.value_names and not ruled and _wins(sure, attribute, values):
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


def _wins(sure: float | None, attribute: Attribute, by_rules: Mapping[str, str]) -> bool:
    """Whether a source's value takes the place of the rules'."""
    if attribute.name != ASSERTION or ASSERTION not in by_rules:
        return True
    return by_rules[ASSERTION] == attribute.default if sure is None else sure >= SURE


def _attributes(entity: Entity, labels: LabelSet) -> tuple[Attribute, ...]:
    return labels[entity.label].attributes if entity.label in labels else ()


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


def after(first: Reads, second: Reads) -> Reads:
    """Two sources as one: what the second knows takes the place of what the first says."""

    def both(document: Document) -> Sequence[Mapping[str, Told]]:
        return [{**one, **other} for one, other in zip(first(document), second(document), strict=True)]

    return both


def as_told(document: Document) -> Sequence[Mapping[str, Told]]:
    """What the entities say of themselves, as the source that found them did; for `assess(reads=...)`."""
    return [
        {name: (value, entity.attribute_score(name)) for name, value in entity.attributes.items()}
        for entity in document.entities
    ]
