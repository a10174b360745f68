"""Answers in JSON: a list of objects, and a mapping of mentions to labels.

Their values are read in whatever arrangement a model put them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import regex

from clinspan.document import Attributes, Entity
from clinspan.errors import ConfigError
from clinspan.formats import loose
from clinspan.formats.base import AnswerReader, Instructed, Mention, Reading, fragment_texts, in_order
from clinspan.formats.loose import Node
from clinspan.formats.named import AttributeNames, LabelNames, asked_of, values_of, written
from clinspan.labels import LabelSet

_TEXT_KEYS = ("text", "mention", "span", "word", "term", "phrase", "name", "value", "entity")
_LABEL_KEYS = ("label", "type", "entity_type", "entity type", "category", "class", "tag", "entity")
_WRAPPERS = frozenset(
    {"entities", "mentions", "annotations", "results", "result", "answer", "output", "data", "items", "list", "spans"}
)
_NOTHING = frozenset({"null", "none", "n/a", "[]", "", "nothing"})
_OWN_KEYS = frozenset({*_TEXT_KEYS, *_LABEL_KEYS, "parts"})
_FENCE = regex.compile(r"```[\w+-]*")

Pair = tuple[Node, Node | None]


def read(answer: str, labels: LabelSet, *, as_mapping: bool) -> Reading:
    """All mentions in `answer`, which should be JSON.

    Args:
        answer: as the model gave it.
        labels: what was asked for.
        as_mapping: True when objects are to be read as mention to label wherever all their values are labels; False
            when `text` and `label` are the keys that count.
    """
    names = LabelNames(labels)
    nodes, repairs = loose.values(answer)
    reader = _JsonAnswerReader(answer, labels, names, as_mapping=as_mapping)
    reader.repairs += repairs
    for node in nodes:
        reader.top(node)
    if not reader.mentions and not any(map(_is_structured, nodes)):
        lines = loose.read_lines(answer, labels, names)
        if lines.mentions or not nodes:
            return lines
    reader.around(nodes)
    return reader.reading()


def _is_structured(node: Node) -> bool:
    """False for the brackets of prose, such as "[disease]" and "[1]"."""
    return node.kind == "object" or not node.items or any(item.kind != "word" for item in node.items)


class _JsonAnswerReader(AnswerReader):
    def __init__(self, answer: str, labels: LabelSet, names: LabelNames, *, as_mapping: bool):
        super().__init__(answer)
        self.names = names
        self.attributes = AttributeNames(labels)
        self.only = labels.names[0] if len(labels.names) == 1 else None
        self.as_mapping = as_mapping
        self._seen: set[tuple[tuple[str, str], ...]] = set()

    def top(self, node: Node) -> None:
        """Reads one of the answer's values; a whole answer given twice counts once."""
        before, silent = len(self.mentions), len(self.unread)
        self._value(node, None)
        if not node.whole and len(self.mentions) == before and len(self.unread) == silent:
            self.leave(node.start, node.end, "the answer ends before the first mention")
        whole = node.kind == "array" or self.as_mapping
        said = tuple((m.label, m.text) for m in self.mentions[before:])
        if whole and said and said in self._seen:
            del self.mentions[before:]
            self.repair("the same answer again", node.start)
        self._seen.add(said)

    def around(self, nodes: Sequence[Node]) -> None:
        """Names what stands before, between and after the values."""
        at = 0
        for start, end in [*((n.start, n.end) for n in nodes), (len(self.answer), len(self.answer))]:
            gap = self.answer[at:start]
            for fence in _FENCE.finditer(gap):
                self.repair("code fence", at + fence.start())
            words = _FENCE.sub(lambda found: " " * len(found.group()), gap)
            if words.strip(" \t\r\n,;.`"):
                begin = at + len(words) - len(words.lstrip())
                self.leave(begin, at + len(words.rstrip()), "words around the JSON", harmless=True)
            at = end

    def _value(self, node: Node, label: str | None) -> None:
        """Reads a value; `label` is what an outer key says its strings are."""
        if node.kind == "object":
            self._object(node, label)
        elif node.kind == "array":
            self._array(node, label)
        elif node.kind == "word" and node.text.casefold() in _NOTHING:
            self.repair(f"{node.text!r} read as no mention", node.start)
        elif not node.whole:
            self.leave(node.start, node.end, "the answer ends inside a string")
        elif label is not None:
            if node.text.strip().casefold() not in _NOTHING:
                self._mention(node.text, label, node)
        elif self.only is not None and node.kind == "string":
            self.repair(f"no label given, read as {self.only!r}", node.start)
            self._mention(node.text, self.only, node)
        else:
            self.leave(node.start, node.end, "a mention without a label")

    def _array(self, node: Node, label: str | None) -> None:
        if label is None and len(node.items) == 2 and all(i.kind == "string" for i in node.items):
            first, second = node.items
            found = self._label(second)
            if found is not None and (self.only is None or second.text == found):
                self.repair("a pair in an array read as mention and label", node.start)
                self._mention(first.text, found, first)
                return
        for item in node.items:
            self._value(item, label)

    def _object(self, node: Node, label: str | None) -> None:
        if self.as_mapping and label is None and self._is_mapping(node.pairs):
            for key, value in node.pairs:
                self._mapped(key, value)
            return
        for record in _records(node.pairs):
            text, kind, parts = (_get(record, keys) for keys in (_TEXT_KEYS, _LABEL_KEYS, ("parts",)))
            if text is kind and text is not None:  # "entity" alone serves either way, but not both
                text, kind = (None, kind) if parts else (text, None)
            if (text or parts) and (kind or label or self.only):
                self._record(record, text, kind, parts, label)
            elif text and len(record) == 1 and text[0].text in ("text", "mention") and text[1]:
                self.leave(text[0].start, text[1].end, "a mention without a label")
            else:
                for key, value in record:
                    self._entry(key, value, label)

    def _is_mapping(self, pairs: Sequence[Pair]) -> bool:
        return all(value is not None and self._is_kind(value) for _, value in pairs)

    def _is_kind(self, value: Node) -> bool:
        """A label letter for letter, alone or, where attributes are asked for, with values of it in an array."""
        if value.kind != "array" or not self.attributes:
            return value.text in self.names.exact
        if not value.items or any(item.kind != "string" for item in value.items):
            return False
        kind, *rest = (item.text for item in value.items)
        return kind in self.names.exact and all(self.attributes.find(kind, said) for said in rest)

    def _mapped(self, key: Node, value: Node | None) -> None:
        """A mention with its label, or with its label and values in an array."""
        if value is None or value.kind != "array":
            self._mention(key.text, value.text if value else "", key)
            return
        first, *rest = value.items
        label = self._label(first)
        if label is None:  # the answer was cut off within it
            self.leave(key.start, first.end, "a mention without a label")
            return
        before = len(self.mentions)
        self._mention(key.text, label, key)
        self._tell(before, label, [(None, item) for item in rest])

    def _tell(self, since: int, label: str, given: Sequence[tuple[str | None, Node]]) -> None:
        """Sets what an answer says of the mentions from number `since` on."""
        given = [(name, node) for name, node in given if node.text.casefold() not in _NOTHING or node.kind == "string"]
        heard = self.attributes.read(label, [(name, node.text if node.whole else "") for name, node in given])
        for number, reason in heard.unknown:
            node = given[number][1]
            self.leave(node.start, node.end, reason, harmless=True)
        for number, what in heard.mended:
            self.repair(what, given[number][1].start)
        said = Attributes(heard.attributes)
        self.mentions[since:] = [replace(mention, attributes=said) for mention in self.mentions[since:]]

    def _values(self, key: Node, value: Node | None, label: str | None) -> list[tuple[str | None, Node]]:
        """What one key of a record says of attributes; nothing where it says nothing of them."""
        if not self.attributes or value is None or label is None:
            return []
        if key.text.strip().casefold() in ("attributes", "attribute"):
            if value.kind == "object":
                return [(name.text, said) for name, said in value.pairs if said is not None]
            return [(None, item) for item in (value.items if value.kind == "array" else [value])]
        names = {attribute.name.casefold() for attribute in self.attributes.asked.get(label, ())}
        return [(key.text, value)] if key.text.strip().casefold() in names else []

    def _record(
        self, record: Sequence[Pair], text: Pair | None, kind: Pair | None, parts: Pair | None, outer: str | None
    ) -> None:
        """An object with a text and a label under names of their own."""
        start = record[0][0].start
        end = max((value or key).end for key, value in record)
        named = kind[1] if kind else None
        label = self._label(named) if named else outer or self.only
        told: list[tuple[str | None, Node]] = []
        for key, value in record:
            if any(pair is not None and key is pair[0] for pair in (text, kind, parts)):
                continue
            found = self._values(key, value, label)
            told += found
            if not found and not (self.attributes and key.text == "attributes"):
                self.repair(f"key {key.text!r} passed over", key.start)
        before = len(self.mentions)
        if kind is None:
            self.repair(f"no label given, read as {label!r}", start)
        pieces = _strings(parts[1]) if parts and parts[1] else ()
        said = text[1] if text else None
        if label is None:
            self.leave(start, end, f"{named.text if named else ''!r} is not a label that was asked for")
        elif len(pieces) > 1:
            self.mentions.append(Mention(label, " ".join(pieces), parts=pieces))
        elif said is None or (said.kind in ("string", "word") and not (said.whole and said.text)):
            self.leave(start, end, "a mention without its text, or cut off inside it")
        elif said.kind == "string":
            self._mention(said.text, label, said)
        else:
            self._value(said, label)
        if told and label is not None:
            self._tell(before, label, told)

    def _entry(self, key: Node, value: Node | None, outer: str | None) -> None:
        """A key with its value outside of records: mention to label, label to mentions, or a wrapper."""
        if key.kind in ("object", "array") or value is None:
            self._value(key, outer)
            if value is not None:
                self._value(value, outer)
            return
        if key.text.strip().casefold() in _OWN_KEYS and key.text not in self.names.exact:
            # What a record calls its parts is neither a mention nor a label, but what it holds may be.
            if value.kind in ("object", "array"):
                self._value(value, outer)
            else:
                self.leave(key.start, value.end, "a part of a mention that lacks the other")
        elif outer is None and value.kind in ("string", "word") and (label := self._label(value)) is not None:
            self._mention(key.text, label, key)
        elif (label := self.names.find(key.text)) is not None:
            self._value(value, label)
        elif key.text.strip().casefold() in _WRAPPERS:
            self._value(value, outer)
        elif self._has_values(value):
            self._mapped(key, value)
        elif (kinds := list(self._kinds(value))) and None not in kinds:
            for label in kinds:
                self._mention(key.text, label or "", key)
        elif value.kind in ("string", "word") and not value.whole:
            self.leave(key.start, value.end, "the answer ends inside a string")
        else:
            said = f"{value.text!r} is not a label that was asked for" if value.text else "not a mention with a label"
            self.leave(key.start, value.end, said)

    def _has_values(self, value: Node) -> bool:
        """True for a label and at least one thing that is no label, in an array, where attributes are asked for."""
        if not self.attributes or value.kind != "array" or len(value.items) < 2:
            return False
        if any(item.kind not in ("string", "word") for item in value.items):
            return False
        first, *rest = (self.names.find(item.text) for item in value.items)
        return first is not None and None in rest

    def _kinds(self, value: Node) -> Iterator[str | None]:
        """The labels in `{"fever": ["disease"]}` or `{"fever": {"type": "disease"}}`."""
        if value.kind == "array":
            yield from (self._label(item) for item in value.items)
        elif value.kind == "object":
            kind = _get(value.pairs, _LABEL_KEYS)
            yield self._label(kind[1]) if kind and kind[1] else None

    def _label(self, node: Node) -> str | None:
        if node.kind not in ("string", "word") or not node.whole:
            return None
        label = self.names.find(node.text)
        if label is not None and label != node.text:
            self.repair(f"label {node.text!r} read as {label!r}", node.start)
        return label

    def _mention(self, text: str, label: str, node: Node) -> None:
        if text:
            self.mentions.append(Mention(label, text))
        else:
            self.leave(node.start, node.end, "a mention without its text, or cut off inside it")


def _records(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """The pairs, cut where a key comes again: models write several mentions into one object."""
    record: list[Pair] = []
    keys: set[str] = set()
    for key, value in pairs:
        if key.text in keys:
            yield record
            record, keys = [], set()
        record.append((key, value))
        keys.add(key.text)
    if record:
        yield record


def _get(pairs: Sequence[Pair], keys: Sequence[str]) -> Pair | None:
    """The first of `keys` that stands among the pairs."""
    found = {pair[0].text.strip().casefold(): pair for pair in reversed(pairs) if pair[0].kind in ("string", "word")}
    return next((found[key] for key in keys if key in found), None)


def _strings(node: Node) -> tuple[str, ...]:
    return tuple(item.text for item in node.items if item.kind == "string" and item.whole and item.text)


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
        item = {"type": "object", "properties": properties, "required": ["text", "label"]}
        return {"type": "array", "items": {**item, "additionalProperties": False}}

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
        ways = [label, {"type": "array", "items": item, "minItems": 2}]
        return {"type": "object", "additionalProperties": {"anyOf": ways}}

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
