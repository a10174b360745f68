"""JSON list: the answer is an array of `{"text": mention, "label": label}` in the order of the text.

Says nested, overlapping and discontinuous mentions; the last have `parts`, the strings that make them up.
"""

import json
from collections.abc import Mapping, Sequence

from clinspan.document import Entity
from clinspan.formats import gold, instructions, json_answer
from clinspan.formats.base import Reading
from clinspan.labels import LabelSet


class JsonList:
    """Writes and reads JSON lists."""

    name = "json"
    repeats_text = False

    def instructions(self, labels: LabelSet) -> str:
        """The part of the prompt that says how to answer."""
        return instructions.written("json_list", labels)

    def json_schema(self, labels: LabelSet) -> Mapping[str, object] | None:
        """An array of objects with `text`, `label` and, for what is discontinuous, `parts`."""
        properties = {
            "text": {"type": "string", "minLength": 1},
            "label": {"type": "string", "enum": list(labels.names)},
            "parts": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 2},
        }
        item = {
            "type": "object",
            "properties": properties,
            "required": ["text", "label"],
            "additionalProperties": False,
        }
        return {"type": "array", "items": item}

    def render(self, text: str, entities: Sequence[Entity], labels: LabelSet) -> str:
        """The array, on one line.

        Raises:
            ConfigError: when an entity does not stand in the text.
            LabelError: when an entity's label is not in the set.
        """
        items: list[dict[str, object]] = []
        for entity in gold.in_order(text, entities, labels):
            parts = gold.parts(entity)
            item: dict[str, object] = {"text": " ".join(parts) or entity.text, "label": entity.label}
            items.append(item | {"parts": list(parts)} if parts else item)
        return json.dumps(items, ensure_ascii=False)

    def parse(self, answer: str, labels: LabelSet) -> Reading:
        """The mentions in the answer's order."""
        return json_answer.read(answer, labels, as_mapping=False)
