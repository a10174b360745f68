"""Which label a dictionary's term is of: by the semantic types that the label set names."""

from collections.abc import Sequence

from clinspan.dictionary.senses import Sense
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
