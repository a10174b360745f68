"""Mapping: the answer is a JSON object from mention to label, in the order of the text.

Says nested and overlapping mentions, not discontinuous ones. A mention that occurs twice, or has two labels, stands
twice: JSON allows a key to come again, and the reader keeps both.
"""

import json
from collections.abc import Mapping, Sequence

from clinspan.document import Entity
from clinspan.errors import ConfigError
from clinspan.formats import gold, instructions, json_answer
from clinspan.formats.base import Reading
from clinspan.labels import LabelSet


class MentionMapping:
    """Writes and reads mappings."""

    name = "mapping"
    repeats_text = False

    def instructions(self, labels: LabelSet) -> str:
        """The part of the prompt that says how to answer."""
        return instructions.written("mapping", labels)

    def json_schema(self, labels: LabelSet) -> Mapping[str, object] | None:
        """An object whose values are labels."""
        return {"type": "object", "additionalProperties": {"type": "string", "enum": list(labels.names)}}

    def render(self, text: str, entities: Sequence[Entity], labels: LabelSet) -> str:
        """The object, on one line.

        Raises:
            ConfigError: when an entity is discontinuous or does not stand in the text.
            LabelError: when an entity's label is not in the set.
        """
        pairs: list[str] = []
        for entity in gold.in_order(text, entities, labels):
            if entity.fragments:
                raise ConfigError(
                    f"a mapping cannot show the discontinuous mention {entity.label} {entity.text!r} at "
                    f"{entity.start}-{entity.end}",
                    fix="Use the format 'json' or 'dice'.",
                )
            pairs.append(
                f"{json.dumps(entity.text, ensure_ascii=False)}: {json.dumps(entity.label, ensure_ascii=False)}"
            )
        return "{" + ", ".join(pairs) + "}"

    def parse(self, answer: str, labels: LabelSet) -> Reading:
        """The mentions in the answer's order."""
        return json_answer.read(answer, labels, as_mapping=True)
