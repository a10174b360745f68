"""Linking: the concepts that an entity may stand for, best first; none where the dictionary does not know it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from clinspan.dictionary.match import Sense, TermMatch
from clinspan.dictionary.normalise import is_acronym
from clinspan.dictionary.senses import KINDS, short_forms
from clinspan.dictionary.store import Dictionary
from clinspan.dictionary.written import Written
from clinspan.document import Concept, Document, Span
from clinspan.labels import LabelSet

_AMBIGUOUS = 0.1
"""Senses whose scores are nearer than this are equally likely; a label's sense then wins over one without label."""


class LabelTypes:
    """The semantic types of a label set, each with the first label that names it."""

    def __init__(self, labels: LabelSet):
        self._labels: dict[str, str] = {}
        self._types = {label.name: label.semantic_types for label in labels.labels}
        for label in labels.labels:
            for name in label.semantic_types:
                self._labels.setdefault(name, label.name)
        self._known: dict[tuple[str, ...], str | None] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that name any type."""
        return tuple(dict.fromkeys(self._labels.values()))

    def types_of(self, label: str) -> tuple[str, ...]:
        """The semantic types of a label; none where the set lacks it."""
        return self._types.get(label, ())

    def label_of(self, sense: Sense) -> str | None:
        """The label of a sense; None where its types are of none."""
        types = sense.types
        # A dictionary has many senses and few sets of types.
        if types not in self._known:
            self._known[types] = next((self._labels[name] for name in types if name in self._labels), None)
        return self._known[types]

    def decide(self, senses: Sequence[Sense]) -> str | None:
        """The label of a term with these senses, best first; None when its likely senses have none."""
        for sense in senses:
            if sense.score < senses[0].score - _AMBIGUOUS:
                return None
            label = self.label_of(sense)
            if label is not None:
                return label
        return None

    def senses(self, senses: Sequence[Sense], label: str) -> tuple[Sense, ...]:
        """The senses that are of `label`, in the same order."""
        return tuple(sense for sense in senses if self.label_of(sense) == label)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which share of the entities the dictionary knows.

    Attributes:
        known: entities with at least one concept.
    """

    known: int
    total: int
    built: str

    @property
    def share(self) -> float:
        """Known of all, in [0, 1]; 0 where there is no entity."""
        return self.known / self.total if self.total else 0.0

    def __str__(self) -> str:
        known = f"{self.known} of {self.total} entities ({self.share:.0%})"
        return f"the dictionary, built {self.built[:10]}, knows {known}"


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
    SHORT_FORM = "short form"
    """They are short for one of its names: by the document's definition, or by what stands around them."""


def reason_of(sense: Sense) -> LinkReason:
    """Why a sense was found."""
    agreed = {
        TermMatch.REORDERED: LinkReason.ORDER,
        TermMatch.FUZZY: LinkReason.MISSPELLING,
        TermMatch.ABBREVIATION: LinkReason.SHORT_FORM,
    }
    return agreed.get(sense.match) or (LinkReason.EXACT if sense.preferred else LinkReason.SYNONYM)


class Linker:
    """Links entities to a dictionary's concepts by what stands around them; none where no concept fits."""

    def __init__(self, dictionary: Dictionary, labels: LabelSet):
        self._dictionary = dictionary
        self._types = LabelTypes(labels)

    def link(self, document: Document, written: Written | None = None) -> Document:
        """The document with the concepts of each entity that has none yet.

        Args:
            written: the document's text, where the dictionary was asked about it before: it is not scanned again.
        """
        if all(entity.concepts for entity in document.entities):
            return document
        written = written or Written.of(document.text)
        scanned = self._dictionary.scan(written, fuzzy=False, overlapping=True)
        matches = {match.span: match.senses for match in scanned}
        entities = tuple(
            entity
            if entity.concepts
            else replace(entity, concepts=self.concepts(written, entity.span, entity.label, matches.get(entity.span)))
            for entity in document.entities
        )
        return replace(document, entities=entities)

    def concepts(
        self, written: Written, place: Span, label: str, senses: Sequence[Sense] | None
    ) -> tuple[Concept, ...]:
        """The concepts that what stands at `place` may mean, best first.

        Args:
            senses: what the dictionary found there; None to look the words up.
        """
        said = place.of(written.text)
        long = written.long_form(said)
        if long is not None:
            found = senses or self._dictionary.find(long, fuzzy=False)
            return self._made(found, label, LinkReason.SHORT_FORM)
        chosen = short_forms().choose(written.text, place, self._types.types_of(label))
        if chosen is not None:
            kind = KINDS.get(chosen.meaning.kind, frozenset())
            meant = self._dictionary.find(chosen.meaning.name, fuzzy=False) if kind else ()
            fit = [sense for sense in meant if not sense.types or not kind.isdisjoint(sense.types)]
            return self._made(fit, label, LinkReason.SHORT_FORM, share=chosen.share)
        found = senses or self._dictionary.find(said)
        if is_acronym(said):
            # A short form says too little to go against the label.
            fit = [sense for sense in found if self._types.label_of(sense) in (None, label)]
            return self._made(fit, label, LinkReason.SHORT_FORM)
        return self._made(found, label, None)

    def _made(
        self, senses: Iterable[Sense], label: str, reason: LinkReason | None, *, share: float = 1.0
    ) -> tuple[Concept, ...]:
        """The senses as concepts, those of the entity's label first."""
        return tuple(
            Concept(
                sense.concept,
                sense.name,
                sense.source,
                sense.types,
                min(sense.score, round(share, 3)),
                reason or reason_of(sense),
            )
            for sense in sorted(senses, key=lambda sense: self._types.label_of(sense) != label)
        )
