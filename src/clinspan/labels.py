"""Labels, and the sets of them that a user defines in labels.toml or takes from those built in."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import regex

from clinspan.document import OF, Entity, Span
from clinspan.errors import LabelError, did_you_mean


@dataclass(frozen=True, slots=True)
class Attribute:
    """What is asked of each entity of a label beside its place, such as whether a problem is present or denied.

    Attributes:
        values: each value with one sentence that says when it holds, in the order shown to the model.
        default: the value of an entity of which the text says nothing else; one of the values.
    """

    name: str
    values: tuple[tuple[str, str], ...]
    default: str

    def __post_init__(self) -> None:
        names = self.value_names
        if "=" in self.name:
            raise LabelError(
                f"{self.name!r} cannot be an attribute's name", expected="a name without =, as in name=value"
            )
        for name in (self.name, *names):
            if not name or name != name.strip() or not name.isprintable():
                raise LabelError(f"{name!r} cannot name an attribute or a value", expected="printable text")
        if len(names) < 2 or len(set(names)) < len(names):
            raise LabelError(f"attribute {self.name!r} needs two values or more, each once")
        for name, definition in self.values:
            if not definition.strip():
                raise LabelError(f"value {name!r} of attribute {self.name!r} has no definition")
        if self.default not in names:
            raise LabelError(
                f"attribute {self.name!r} has the default {self.default!r}, which is not one of its values",
                fix=did_you_mean(self.default, names),
            )

    @property
    def value_names(self) -> tuple[str, ...]:
        """The values without their definitions."""
        return tuple(name for name, _ in self.values)


@dataclass(frozen=True, slots=True)
class Label:
    """A kind of entity.

    Attributes:
        name: as it is shown to the model and reported; may hold spaces.
        definition: one sentence, as the prompt gives it.
        guideline: what counts and where an entity begins and ends; may be empty.
        semantic_types: names of the UMLS semantic types whose concepts are of this label.
        terms: strings that are of this label wherever they stand as whole words.
        attributes: what is asked of each entity of this label.
        of: the label of the set whose entities this label gives details of, as a dose of a drug; empty for none.
    """

    name: str
    definition: str
    guideline: str = ""
    semantic_types: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    of: str = ""

    def __post_init__(self) -> None:
        if not self.name or self.name != self.name.strip() or not self.name.isprintable():
            raise LabelError(f"{self.name!r} cannot be a label's name", expected="printable text with no outer spaces")
        if not self.definition.strip():
            raise LabelError(f"label {self.name!r} has no definition", expected="one sentence that says what it is")
        if len({attribute.name for attribute in self.attributes}) < len(self.attributes):
            raise LabelError(f"label {self.name!r} has two attributes of one name", fix="Rename one of them.")
        if self.of and any(attribute.name == OF for attribute in self.attributes):
            raise LabelError(f"label {self.name!r} is a detail and has an attribute {OF!r} too", fix="Rename it.")

    def to_dict(self) -> dict[str, object]:
        """What a person must know to use the label, as plain values; `of` is None where it is no detail."""
        attributes = [{"name": a.name, "values": dict(a.values), "default": a.default} for a in self.attributes]
        said = {"name": self.name, "definition": self.definition, "guideline": self.guideline}
        return {**said, "of": self.of or None, "attributes": attributes}


@dataclass(frozen=True, slots=True)
class Example:
    """A text with all its entities, to show the model. `source` is the id of the document it comes from."""

    text: str
    entities: tuple[Entity, ...]
    source: str = ""

    def __post_init__(self) -> None:
        for entity in self.entities:
            if entity.span.of(self.text) != entity.text:
                raise LabelError(f"example from {self.source!r}: {entity.text!r} is not at {entity.start}-{entity.end}")


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels that are asked for together, with fixed examples that use them.

    Raises:
        LabelError: when it is empty, two labels have one name, or an example uses a label that is not in it.
    """

    name: str
    labels: tuple[Label, ...]
    examples: tuple[Example, ...] = ()

    def __post_init__(self) -> None:
        if not self.labels:
            raise LabelError("a label set needs at least one label", where=self.name)
        seen: set[str] = set()
        for label in self.labels:
            if label.name.casefold() in seen:
                raise LabelError(f"two labels have the name {label.name!r}", where=self.name, fix="Rename one of them.")
            seen.add(label.name.casefold())
        for label in self.labels:
            if label.of and (label.of == label.name or self[label.of].of):
                raise LabelError(
                    f"label {label.name!r} is a detail of {label.of!r}, which is a detail itself",
                    where=self.name,
                    expected="`of` with a label of the set that has none",
                )
        for example in self.examples:
            for entity in example.entities:
                self[entity.label]

    def __getitem__(self, name: str) -> Label:
        for label in self.labels:
            if label.name == name:
                return label
        raise LabelError(f"no label {name!r}", where=self.name, fix=did_you_mean(name, self.names))

    def __contains__(self, name: object) -> bool:
        return any(label.name == name for label in self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """The labels' names, in the set's order."""
        return tuple(label.name for label in self.labels)

    def only(self, *names: str) -> "LabelSet":
        """The set with some of its labels, and the examples with their entities alone.

        A label whose owner is left out is a detail no more.

        Raises:
            LabelError: when there is no such label.
        """
        for name in names:
            self[name]
        kept = tuple(
            label if not label.of or label.of in names else replace(label, of="")
            for label in self.labels
            if label.name in names
        )
        examples = tuple(
            Example(e.text, tuple(entity for entity in e.entities if entity.label in names), e.source)
            for e in self.examples
        )
        return LabelSet(f"{self.name}/{'+'.join(label.name for label in kept)}", kept, examples)

    def without_attributes(self) -> "LabelSet":
        """The set where nothing is asked of entities beside their labels; itself where nothing is asked anyway."""
        if not any(label.attributes for label in self.labels):
            return self
        return replace(self, labels=tuple(replace(label, attributes=()) for label in self.labels))

    @classmethod
    def from_toml(cls, path: str | Path) -> "LabelSet":
        """Reads a label set from a TOML file, described in docs/reference/labels.md.

        Raises:
            LabelError: naming file, section and key, when the file cannot be read or is wrong.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise LabelError(f"cannot be read: {error.strerror}", where=str(path)) from error
        except UnicodeDecodeError as error:
            raise LabelError(f"is not UTF-8 at byte {error.start}", where=str(path)) from error
        return _parse(text, where=str(path), default_name=path.stem)

    @classmethod
    def builtin(cls, name: str) -> "LabelSet":
        """One of the sets that come with clinspan.

        Raises:
            LabelError: when there is none of that name.
        """
        if name not in builtin_names():
            raise LabelError(f"no built-in label set {name!r}", fix=did_you_mean(name, builtin_names()))
        file = resources.files("clinspan") / "labelsets" / f"{name}.toml"
        return _parse(file.read_text(encoding="utf-8"), where=f"{name}.toml (built in)", default_name=name)

    @classmethod
    def load(cls, name_or_path: str) -> "LabelSet":
        """A built-in set by name, else a file: a name with a dot or a slash is a path.

        Raises:
            LabelError: when there is neither.
        """
        if name_or_path in builtin_names():
            return cls.builtin(name_or_path)
        if "." in name_or_path or "/" in name_or_path or "\\" in name_or_path:
            return cls.from_toml(name_or_path)
        return cls.builtin(name_or_path)


def builtin_names() -> tuple[str, ...]:
    """Names of the label sets that come with clinspan."""
    folder = resources.files("clinspan") / "labelsets"
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


_SET_KEYS = frozenset({"name", "labels", "examples"})
_LABEL_KEYS = frozenset({"name", "definition", "guideline", "semantic_types", "terms", "attributes", "of"})
_ATTRIBUTE_KEYS = frozenset({"name", "default", "values"})
_EXAMPLE_KEYS = frozenset({"text", "entities", "source"})
_ENTITY_KEYS = frozenset({"text", "label", "start", "attributes"})


def _parse(text: str, *, where: str, default_name: str) -> LabelSet:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LabelError(f"is not TOML: {error}", where=where) from error
    _check_keys(data, _SET_KEYS, where=where)
    labels = []
    for number, section in enumerate(_tables(data, "labels", where), 1):
        place = f"{where}, [[labels]] {number}"
        _check_keys(section, _LABEL_KEYS, where=place)
        try:
            labels.append(
                Label(
                    name=_string(section, "name", place),
                    definition=_string(section, "definition", place),
                    guideline=_string(section, "guideline", place, default=""),
                    semantic_types=_strings(section, "semantic_types", place),
                    terms=_strings(section, "terms", place),
                    of=_string(section, "of", place, default=""),
                    attributes=tuple(
                        _attribute(item, where=f"{place}, [[labels.attributes]] {count}")
                        for count, item in enumerate(_tables(section, "attributes", place), 1)
                    ),
                )
            )
        except LabelError as error:
            raise error if error.where else LabelError(error.what, where=place, expected=error.expected) from None
    examples = [
        _example(section, labels, where=f"{where}, [[examples]] {number}")
        for number, section in enumerate(_tables(data, "examples", where), 1)
    ]
    try:
        return LabelSet(_string(data, "name", where, default=default_name), tuple(labels), tuple(examples))
    except LabelError as error:
        raise LabelError(error.what, where=where, expected=error.expected, fix=error.fix) from None


def _attribute(section: Mapping[str, Any], *, where: str) -> Attribute:
    _check_keys(section, _ATTRIBUTE_KEYS, where=where)
    values = section.get("values")
    if not isinstance(values, dict) or not all(isinstance(said, str) for said in values.values()):
        raise LabelError(
            "'values' is not a table of texts",
            where=where,
            expected='[labels.attributes.values] with value = "definition"',
        )
    try:
        return Attribute(_string(section, "name", where), tuple(values.items()), _string(section, "default", where))
    except LabelError as error:
        raise LabelError(error.what, where=error.where or where, expected=error.expected, fix=error.fix) from None


def _example(section: Mapping[str, Any], labels: Sequence[Label], *, where: str) -> Example:
    _check_keys(section, _EXAMPLE_KEYS, where=where)
    text = _string(section, "text", where)
    entities: list[Entity] = []
    known = {label.name: label for label in labels}
    for number, item in enumerate(_tables(section, "entities", where), 1):
        place = f"{where}, entity {number}"
        _check_keys(item, _ENTITY_KEYS, where=place)
        label, mention = _string(item, "label", place), _string(item, "text", place)
        if label not in known:
            raise LabelError(
                f"uses the label {label!r}, which the set lacks", where=place, fix=did_you_mean(label, known)
            )
        start = _place(text, mention, item.get("start"), [e for e in entities if e.label == label])
        if start is None:
            raise LabelError(
                f"{mention!r} does not stand in the example's text as whole words"
                + (f" at {item['start']}" if "start" in item else ""),
                where=place,
                expected="a mention copied from `text`, once for each time it occurs",
            )
        said = _said(item, known[label], place)
        entities.append(Entity(Span(start, start + len(mention)), label, mention, attributes=said))
    entities.sort(key=lambda e: (e.start, -e.end))
    return Example(text, tuple(entities), _string(section, "source", where, default=""))


def _said(item: Mapping[str, Any], label: Label, where: str) -> Mapping[str, str]:
    """What an example says of an entity, by attribute.

    Raises:
        LabelError: when the label has no such attribute, or the attribute no such value.
    """
    said = item.get("attributes", {})
    if not isinstance(said, dict):
        raise LabelError("'attributes' is not a table", where=where, expected='attributes = { NAME = "VALUE" }')
    declared = {attribute.name: attribute for attribute in label.attributes}
    for name, value in said.items():
        if name not in declared:
            fix = did_you_mean(name, declared)
            raise LabelError(f"the label {label.name!r} has no attribute {name!r}", where=where, fix=fix)
        if value not in declared[name].value_names:
            raise LabelError(
                f"{value!r} is not a value of {name!r}",
                where=where,
                expected=", ".join(declared[name].value_names),
                fix=did_you_mean(str(value), declared[name].value_names),
            )
    return said


def _place(text: str, mention: str, start: object, taken: Sequence[Entity]) -> int | None:
    if start is not None:
        return start if isinstance(start, int) and start >= 0 and text.startswith(mention, start) else None
    used = {entity.start for entity in taken}
    for found in regex.finditer(rf"(?<!\w){regex.escape(mention)}(?!\w)", text):
        if found.start() not in used:
            return int(found.start())
    return None


def _check_keys(section: Mapping[str, Any], known: frozenset[str], *, where: str) -> None:
    for key in section:
        if key not in known:
            raise LabelError(f"unknown key {key!r}", where=where, fix=did_you_mean(key, known))


def _tables(section: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    value = section.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise LabelError(f"{key!r} is not a list of tables", where=where, expected=f"[[{key}]] sections")
    return value


def _string(section: Mapping[str, Any], key: str, where: str, *, default: str | None = None) -> str:
    value = section.get(key, default)
    if value is None:
        raise LabelError(f"the key {key!r} is missing", where=where)
    if not isinstance(value, str):
        raise LabelError(f"{key!r} is {type(value).__name__}", where=where, expected="text in quotes")
    return value.strip() if key != "text" else value


def _strings(section: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = section.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise LabelError(f"{key!r} is not a list of texts", where=where, expected=f'{key} = ["...", "..."]')
    return tuple(value)
