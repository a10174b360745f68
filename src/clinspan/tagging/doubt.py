"""A drug is no disease: takes back diseases that an encoder of clinical notes, or the dictionary, reads as chemicals.

The adapter for `disease` was taught on abstracts, which list no medication, so it marks the drugs of a list too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clinspan.classifier.folder import shipped
from clinspan.document import Entity
from clinspan.labels import LabelSet
from clinspan.llms.base import LLM
from clinspan.llms.encoder import EncoderLLM
from clinspan.tagging.evidence import encoded
from clinspan.tagging.knowledge import Lookup

_DISEASE, _CHEMICAL = "disease", "chemical"


@dataclass(frozen=True, slots=True)
class Doubter:
    """Reads documents beside the model that found diseases in them.

    Attributes:
        encoder: knows chemicals and diseases.
        labels: both of them.
        lookup: what the dictionary says of both.
    """

    encoder: LLM
    labels: LabelSet
    lookup: Lookup

    def doubted(self, text: str, entities: Sequence[Entity]) -> Mapping[Entity, str]:
        """The diseases that are chemicals, each with who says so; the text is read only where there are diseases."""
        diseases = [entity for entity in entities if entity.label == _DISEASE]
        if not diseases:
            return {}
        read = [one.entity for window in encoded(self.encoder, text, self.labels) for one in window.in_core()]
        known = self.lookup.knowledge(text, matches=False).proposals
        found: dict[Entity, str] = {}
        for disease in diseases:
            if _taken_for_chemical(disease, read, exactly=False):
                found[disease] = f"{self.encoder.name} reads it as a chemical"
            elif _taken_for_chemical(disease, known, exactly=True):
                found[disease] = "the dictionary knows it as a chemical"
        return found


def _taken_for_chemical(disease: Entity, others: Sequence[Entity], *, exactly: bool) -> bool:
    near = [one for one in others if one.span.overlaps(disease.span)]
    if any(one.label == _DISEASE for one in near):
        return False
    return any(one.label == _CHEMICAL and (not exactly or one.span == disease.span) for one in near)


def reads_beside(labels: LabelSet) -> EncoderLLM | None:
    """The encoder that comes with clinspan and knows chemicals, where diseases are asked for and chemicals are not."""
    if _DISEASE not in labels or _CHEMICAL in labels:
        return None
    for folder, card in shipped():
        if any(set(head.labels) == {_DISEASE, _CHEMICAL} for head in card.heads):
            return EncoderLLM.opened(folder)
    return None
