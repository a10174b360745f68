"""Sets the declared attributes of entities that are there, by the lexicon, the sections and other sources."""

from collections.abc import Collection, Mapping, Sequence
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

SURE = 0.6
"""A source that gives its value at least this probability is believed before a cue; where there is no cue it always is.
Chosen among .5 to .95 on 36 and 73 notes that the encoder which comes with clinspan had not learned from, and 288
traps: .931, .943 and .938 right; .927, .940 and .938 by the encoder alone, .916, .887 and .774 by the cues."""


class Reads(Protocol):
    """Says attributes of entities that are given, as a tuned encoder does."""

    def __call__(self, document: Document, among: Collection[int] | None = None) -> Sequence[Mapping[str, Told]]:
        """For each entity of the document the attributes that the source knows.

        Args:
            among: the numbers of the entities that are asked about, where not all are; of others it may say nothing.
        """
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
    What `reads` says of the assertion wins where no cue decides, and over a cue where it is sure (`SURE`); it wins for
    every other attribute. An attribute that neither knows is left as it is. In research prose a
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
    asked = [labels[e.label].attributes if e.label in labels else () for e in document.entities]
    numbers = [number for number, attributes in enumerate(asked) if attributes]
    research = bool(numbers) and is_prose(document.text, language)
    said = said_of(document.text, [document.entities[number].span for number in numbers], words, research=research)
    ruled_by = {n: _by_rules(document.entities[n], asked[n], one, words) for n, one in zip(numbers, said, strict=True)}
    read = list(reads(document, numbers)) if reads is not None and numbers else [{}] * len(document.entities)
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


def _wins(sure: float | None, attribute: Attribute, by_rules: Mapping[str, str]) -> bool:
    """Whether a source's value takes the place of the rules'."""
    if attribute.name != ASSERTION or ASSERTION not in by_rules:
        return True
    return by_rules[ASSERTION] == attribute.default or (sure is not None and sure >= SURE)


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


def completed(reads: Reads | None) -> Reads:
    """A source that says what entities say of themselves, as who found them did, and asks `reads` about the others.

    The others are those that do not say their assertion.
    """

    def read(document: Document, among: Collection[int] | None = None) -> Sequence[Mapping[str, Told]]:
        told = [
            {name: (value, entity.attribute_score(name)) for name, value in entity.attributes.items()}
            for entity in document.entities
        ]
        asked = range(len(told)) if among is None else among
        lacking = [number for number in asked if ASSERTION not in told[number]]
        if reads is None or not lacking:
            return told
        further = reads(document, lacking)
        return [said if ASSERTION in said else {**more, **said} for said, more in zip(told, further, strict=True)]

    return read
