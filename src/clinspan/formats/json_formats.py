"""Answers in JSON: a list of objects, and a mapping of mentions to labels."""

import json
from collections.abc import Mapping, Sequence

from clinspan.document import Entity
from clinspan.errors import ConfigError
from clinspan.formats.base import Instructed, Reading, fragment_texts, in_order
from clinspan.formats.json_answer import read
from clinspan.formats.named import asked_of, values_of, written
from clinspan.labels import LabelSet


class JsonList(Instructed):
    """Writes and reads JSON lists."""

    name = "json"
    repeats_text = False
    template = "json_list"

    def json_schema(self, labels: LabelSet) -> Mapping[str, object] | None:
        """An array of objects with `text`, `label`, and where they have them `parts` and `attributes`."""
        properties: dict[str, object] = {
            "text": {"type": "string", "minLength": 1},
            "label": {"type": "string", "enum": list(labels.names)},
            "parts": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 2},
        }
        allowed: dict[str, list[str]] = {}
        for attributes in asked_of(labels).values():
            for one in attributes:
                known = allowed.setdefault(one.name, [])
                known += [value for value, _ in one.values if value not in known]
        if allowed:
            properties["attributes"] = {
                "type": "object",
                "properties": {name: {"type": "string", "enum": values} for name, values in allowed.items()},
                "additionalProperties": False,
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
        asked = asked_of(labels)
        items: list[dict[str, object]] = []
        for entity in in_order(text, entities, labels):
            parts = fragment_texts(entity)
            item: dict[str, object] = {"text": " ".join(parts) or entity.text, "label": entity.label}
            if parts:
                item["parts"] = list(parts)
            if said := values_of(entity.label, entity.attributes, asked):
                item["attributes"] = said
            items.append(item)
        return json.dumps(items, ensure_ascii=False)

    def parse(self, answer: str, labels: LabelSet) -> Reading:
        """The mentions in the answer's order."""
        return read(answer, labels, as_mapping=False)


class MentionMapping(Instructed):
    """Writes and reads mappings."""

    name = "mapping"
    repeats_text = False
    template = "mapping"

    def json_schema(self, labels: LabelSet) -> Mapping[str, object] | None:
        """An object whose values are labels, or arrays of a label and what is asked of its mentions."""
        label: dict[str, object] = {"type": "string", "enum": list(labels.names)}
        forms = [form for attributes in asked_of(labels).values() for a in attributes for _, form in a.values]
        if not forms:
            return {"type": "object", "additionalProperties": label}
        item = {"type": "string", "enum": list(dict.fromkeys((*labels.names, *forms)))}
        array = {"type": "array", "items": item, "minItems": 2}
        return {"type": "object", "additionalProperties": {"anyOf": [label, array]}}

    def render(self, text: str, entities: Sequence[Entity], labels: LabelSet) -> str:
        """The object, on one line.

        Raises:
            ConfigError: when an entity is discontinuous or does not stand in the text.
            LabelError: when an entity's label is not in the set.
        """
        asked = asked_of(labels)
        pairs: list[str] = []
        for entity in in_order(text, entities, labels):
            if entity.fragments:
                raise ConfigError(
                    f"a mapping cannot show the discontinuous mention {entity.label} {entity.text!r} at "
                    f"{entity.start}-{entity.end}",
                    fix="Use the format 'json' or 'dice'.",
                )
            said = written(entity.label, entity.attributes, asked)
            kind = [entity.label, *said] if said else entity.label
            pairs.append(f"{json.dumps(entity.text, ensure_ascii=False)}: {json.dumps(kind, ensure_ascii=False)}")
        return "{" + ", ".join(pairs) + "}"

    def parse(self, answer: str, labels: LabelSet) -> Reading:
        """The mentions in the answer's order."""
        return read(answer, labels, as_mapping=True)
