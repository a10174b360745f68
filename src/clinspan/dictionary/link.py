"""Linking: the concepts that an entity may stand for, best first; none where the dictionary does not know it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from clinspan.dictionary.match import Sense
from clinspan.dictionary.store import Dictionary
from clinspan.dictionary.written import Written
from clinspan.document import Concept, Document
from clinspan.labels import LabelSet

_AMBIGUOUS = 0.1
"""Senses whose scores are nearer than this are equally likely; a label's sense then wins over one without label."""


class LabelTypes:
    """The semantic types of a label set, each with the first label that names it."""

    def __init__(self, labels: LabelSet):
        self._labels: dict[str, str] = {}
        for label in labels.labels:
            for name in label.semantic_types:
                self._labels.setdefault(name, label.name)
        self._known: dict[tuple[str, ...], str | None] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that name any type."""
        return tuple(dict.fromkeys(self._labels.values()))

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


class Linker:
    """Links entities to a dictionary's concepts, those of the entity's label first."""

    def __init__(self, dictionary: Dictionary, labels: LabelSet):
        self._dictionary = dictionary
        self._types = LabelTypes(labels)

    def link(self, document: Document, written: Written | None = None) -> Document:
        """The document with the concepts of each entity that has none yet; short forms that it defines are known.

        Args:
            written: the document's text, where the dictionary was asked about it before: it is not scanned again.
        """
        if all(entity.concepts for entity in document.entities):
            return document
        scanned = self._dictionary.scan(written or document.text, overlapping=True)
        matches = {match.span: match.senses for match in scanned}
        entities = tuple(
            entity if entity.concepts else replace(entity, concepts=self._ranked(senses, entity.label))
            for entity in document.entities
            for senses in (matches.get(entity.span) or self._dictionary.find(entity.text),)
        )
        return replace(document, entities=entities)

    def _ranked(self, senses: Iterable[Sense], label: str) -> tuple[Concept, ...]:
        ordered = sorted(senses, key=lambda sense: self._types.label_of(sense) != label)
        return tuple(sense.as_concept() for sense in ordered)
