"""Tagging from the dictionary alone: the honest baseline for every LLM, and what `--llm none` does."""

import re
from dataclasses import dataclass
from functools import partial

from clinspan.dictionary.abbreviations import abbreviations, expand
from clinspan.dictionary.grammar import extend_left, persons
from clinspan.dictionary.kinds import LabelTypes
from clinspan.dictionary.match import Match, longest_apart
from clinspan.dictionary.normalise import is_acronym, normal_form
from clinspan.dictionary.senses import Sense, TermMatch
from clinspan.dictionary.store import Dictionary
from clinspan.document import Entity, MatchKind, Span
from clinspan.labels import LabelSet

_TOO_GENERAL = """
abnormality acute all anomaly arm carcinogenesis carrier chronic combined complication condition death defect deficiency
disease disorder dysfunction early face family finding hypersensitive illness impairment injury late lesion lethal
malformation mass mild oncogenesis onset other pain problem progression recurrence red severe sign strain susceptibility
symptom syndrome trisomy tumorigenesis wound
"""
GENERIC = frozenset(normal_form(word) for word in _TOO_GENERAL.split())
"""Words too general to be an entity alone, in normal form."""


@dataclass(frozen=True, slots=True)
class _Found:
    span: Span
    label: str
    senses: tuple[Sense, ...]


class Tagger:
    """Tags texts with the terms of a dictionary that are of a label set's types.

    Args:
        fuzzy: whether misspelt terms are tagged too.
        extend: whether a name takes in coordinated names and words of inheritance on its left.
    """

    def __init__(self, dictionary: Dictionary, labels: LabelSet, *, fuzzy: bool = False, extend: bool = True):
        self._dictionary = dictionary
        self._types = LabelTypes(labels)
        self._fuzzy = fuzzy
        self._extend = extend

    def tag(self, text: str) -> tuple[Entity, ...]:
        """The entities of `text`, in text order, none overlapping another."""
        matches = self._dictionary.scan(text, fuzzy=self._fuzzy, overlapping=True)
        found = [labelled for match in matches if (labelled := self._label(text, match)) is not None]
        if self._extend:
            found = [self._extended(text, f) for f in longest_apart(found)]
            found.extend(self._persons(text))
        return tuple(_entity(text, f) for f in longest_apart(found))

    def _label(self, text: str, match: Match) -> _Found | None:
        if match.kind is not TermMatch.ABBREVIATION:
            if normal_form(match.text) in GENERIC:
                return None
            if is_acronym(match.text) and re.match(r"-\w", text[match.span.end : match.span.end + 2]):
                return None  # a part of a longer name, most often of a gene or a protein
        label = self._types.decide(match.senses)
        return _Found(match.span, label, self._types.senses(match.senses, label)) if label else None

    def _is_term(self, label: str, term: str) -> bool:
        match = self._dictionary.match(term, fuzzy=False, reorder=False)
        return match is not None and self._types.decide(match.senses) == label

    def _extended(self, text: str, f: _Found) -> _Found:
        return _Found(extend_left(text, f.span, partial(self._is_term, f.label)), f.label, f.senses)

    def _persons(self, text: str) -> list[_Found]:
        defined = abbreviations(text)
        expansion = expand(text, defined)
        found = []
        for label in self._types.labels:
            for span, term in persons(expansion.text, partial(self._is_term, label)):
                place = expansion.to_source(span.start, span.end)
                if place is not None:
                    senses = self._types.senses(self._dictionary.find(term, fuzzy=False), label)
                    found.append(_Found(place[0], label, senses))
        meant = {f.span: f for f in found}
        shorts = [(pair.short_span, meant[pair.long_span]) for pair in defined if pair.long_span in meant]
        return [*found, *(_Found(span, f.label, f.senses) for span, f in shorts)]


def _entity(text: str, f: _Found) -> Entity:
    concepts = tuple(sense.as_concept() for sense in f.senses)
    return Entity(f.span, f.label, f.span.of(text), match=MatchKind.DICTIONARY, concepts=concepts)
