"""Tagging from the dictionary alone: the honest baseline for every LLM, and what `--llm none` does."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from clinspan.dictionary.abbreviations import Abbreviation
from clinspan.dictionary.decision import Decision, learn
from clinspan.dictionary.everyday import everyday
from clinspan.dictionary.grammar import extend_left, persons
from clinspan.dictionary.kinds import LabelTypes
from clinspan.dictionary.match import Match, longest_apart
from clinspan.dictionary.normalise import is_acronym, normal_form
from clinspan.dictionary.senses import Sense, TermMatch
from clinspan.dictionary.store import Dictionary
from clinspan.dictionary.terms import TermList, label_terms
from clinspan.dictionary.written import Written
from clinspan.document import Document, Entity, MatchKind, Span
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
    always: bool = False


class Tagger:
    """Tags texts with the terms of a dictionary that are of a label set's types.

    Terms that labels.toml names are tagged wherever they stand.

    Args:
        dictionary: None for the label set's own terms, and those of a decision, alone.
        labels: what is tagged.
        decision: what a pool has taught; see `learned`.
        fuzzy: whether misspelt terms are tagged too.
        extend: whether a name takes in coordinated names and words of inheritance on its left.
    """

    def __init__(
        self,
        dictionary: Dictionary | None,
        labels: LabelSet,
        *,
        decision: Decision | None = None,
        fuzzy: bool = False,
        extend: bool = True,
    ):
        self._dictionary = dictionary
        self._labels = labels
        self._types = LabelTypes(labels)
        self._decision = decision
        self._always = label_terms(labels)
        self._terms = TermList({**(decision.added if decision else {}), **self._always})
        self._fuzzy = fuzzy
        self._extend = extend

    def learned(self, pool: Sequence[Document]) -> "Tagger":
        """This tagger with a decision learned from a pool of annotated documents."""
        plain = Tagger(self._dictionary, self._labels, fuzzy=self._fuzzy, extend=self._extend)
        decision = learn(pool, [plain.tag(document.text) for document in pool])
        return Tagger(self._dictionary, self._labels, decision=decision, fuzzy=self._fuzzy, extend=self._extend)

    @property
    def knows_nothing(self) -> bool:
        """True where there is neither a dictionary nor any term of its own: no text has an entity then."""
        return self._dictionary is None and not len(self._terms)

    def tag(self, text: str | Written) -> tuple[Entity, ...]:
        """The entities of `text`, which may be written out already, in text order, none overlapping another."""
        written = Written.of(text) if isinstance(text, str) else text
        text = written.text
        # The label set's own terms come first: at the same place the user's word goes before the vocabularies'.
        found = self._listed(written)
        found += [labelled for match in self._scan(written) if (labelled := self._label(text, match)) is not None]
        if self._extend:
            found = [self._extended(text, f) for f in longest_apart(self._kept(text, found))]
            found.extend(self._persons(written))
        found = [f for f in found if not everyday().heading(text, f.span)]
        return tuple(self._entity(text, f) for f in longest_apart(self._kept(text, found)))

    def _label(self, text: str, match: Match) -> _Found | None:
        label = self._types.decide(match.senses)
        if label is None:
            return None
        if match.kind is not TermMatch.ABBREVIATION:
            if normal_form(match.text) in GENERIC:
                return None
            if is_acronym(match.text) and re.match(r"-\w", text[match.span.end : match.span.end + 2]):
                return None  # a part of a longer name, most often of a gene or a protein
            if everyday().another_sense(text, match.span):
                return None
        return _Found(match.span, label, self._types.senses(match.senses, label))

    def _scan(self, written: Written) -> tuple[Match, ...]:
        if self._dictionary is None:
            return ()
        return self._dictionary.scan(written, fuzzy=self._fuzzy, overlapping=True)

    def _senses(self, term: str, label: str) -> tuple[Sense, ...]:
        if self._dictionary is None:
            return ()
        return self._types.senses(self._dictionary.find(term, fuzzy=False), label)

    def _is_term(self, label: str, term: str) -> bool:
        if self._dictionary is None:
            return False
        match = self._dictionary.match(term, fuzzy=False, reorder=False)
        return match is not None and self._types.decide(match.senses) == label

    def _extended(self, text: str, f: _Found) -> _Found:
        return replace(f, span=extend_left(text, f.span, partial(self._is_term, f.label)))

    def _kept(self, text: str, found: list[_Found]) -> list[_Found]:
        decision = self._decision
        if decision is None:
            return found
        return [f for f in found if f.always or decision.keeps(f.label, f.span.of(text))]

    def _listed(self, written: Written) -> list[_Found]:
        found = []
        for first, last, key in self._terms.scan(written.expansion.text, written.tokens):
            place = written.place(first, last)
            if place is not None:
                label = self._terms.label(key)
                senses = self._senses(place[0].of(written.text), label)
                found.append(_Found(place[0], label, senses, always=key in self._always))
        return found + _short_forms(found, written.defined)

    def _persons(self, written: Written) -> list[_Found]:
        expansion = written.expansion
        found = []
        for label in self._types.labels:
            for span, term in persons(expansion.text, partial(self._is_term, label)):
                place = expansion.to_source(span.start, span.end)
                if place is not None:
                    senses = self._senses(term, label)
                    found.append(_Found(place[0], label, senses))
        return found + _short_forms(found, written.defined)

    def _entity(self, text: str, f: _Found) -> Entity:
        mention = f.span.of(text)
        score = self._decision.score(f.label, mention) if self._decision else None
        concepts = tuple(sense.as_concept() for sense in f.senses)
        return Entity(f.span, f.label, mention, score=score, match=MatchKind.DICTIONARY, concepts=concepts)


def _short_forms(found: Sequence[_Found], defined: Sequence[Abbreviation]) -> list[_Found]:
    """The short forms in the brackets that define them, where the long form was found."""
    meant = {f.span: f for f in found}
    return [
        _Found(pair.short_span, meant[pair.long_span].label, meant[pair.long_span].senses)
        for pair in defined
        if pair.long_span in meant
    ]
