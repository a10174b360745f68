"""What every prompt format can do, and what a reading of an answer is made of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jinja2 import Environment, PackageLoader, StrictUndefined

from clinspan.document import NO_ATTRIBUTES, Entity, Span
from clinspan.errors import ConfigError
from clinspan.formats.named import asked_of
from clinspan.labels import LabelSet


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity as an answer names it: strings only, not yet verified against any text.

    Attributes:
        label: a label of the set that was asked for.
        text: the mention as the answer writes it, unescaped.
        position: where it stands in the reading's `copy`, for formats that repeat the text.
        score: the probability the LLM gave it, where known.
        parts: the parts of a discontinuous mention, in order; empty when continuous.
        attributes: what the answer says of it beside the label; what it leaves out is not known.
    """

    label: str
    text: str
    position: Span | None = None
    score: float | None = None
    parts: tuple[str, ...] = ()
    attributes: Mapping[str, str] = NO_ATTRIBUTES


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of an answer that was not understood: `answer[start:end]`, and why.

    Attributes:
        harmless: True where no mention is lost: words around the answer proper (a preamble, a comment, a fence), and an
            attribute's value that is not known.
    """

    text: str
    start: int
    end: int
    reason: str
    harmless: bool = False


@dataclass(frozen=True, slots=True)
class Repair:
    """Something that had to be mended to read the answer, and where in the answer (code points)."""

    what: str
    start: int


@dataclass(frozen=True, slots=True)
class Reading:
    """All that an answer says: nothing of it is dropped.

    Attributes:
        mentions: in the answer's order.
        copy: the text as the answer repeats it, brackets and escapes taken away; None where the format repeats none.
        refused: True when the model declined to answer.
    """

    mentions: tuple[Mention, ...] = ()
    unread: tuple[Unread, ...] = ()
    repairs: tuple[Repair, ...] = ()
    copy: str | None = None
    refused: bool = False


class AnswerReader:
    """What a format has read of an answer so far."""

    def __init__(self, answer: str):
        self.answer = answer
        self.mentions: list[Mention] = []
        self.unread: list[Unread] = []
        self.repairs: list[Repair] = []

    def repair(self, what: str, start: int) -> None:
        """Notes that something was mended, at the answer's offset `start`."""
        self.repairs.append(Repair(what, start))

    def leave(self, start: int, end: int, reason: str, *, harmless: bool = False) -> None:
        """Notes a part of the answer that is not understood; see `Unread`."""
        self.unread.append(Unread(self.answer[start:end], start, end, reason, harmless))

    def reading(self, *, copy: str | None = None) -> Reading:
        """All that was read; what was not understood and what was mended in the answer's order."""
        return Reading(
            tuple(self.mentions),
            tuple(sorted(self.unread, key=lambda unread: (unread.start, unread.end))),
            tuple(sorted(self.repairs, key=lambda repair: repair.start)),
            copy,
        )


@runtime_checkable
class Format(Protocol):
    """A way to write entities as text and to read them back.

    `parse(render(text, entities, labels), labels)` gives back the entities that went in, for any text and label names.
    Neither raises on any answer, and both take time linear in their input. A format can be hashed, as plain objects
    can: what it writes for a label set is kept.

    Where labels of the set declare attributes, answers say them; `LabelSet.without_attributes` asks for none.
    """

    name: str
    repeats_text: bool
    """True when the answer repeats the window (TANL), so that mentions carry positions."""

    def __hash__(self) -> int: ...

    def instructions(self, labels: LabelSet) -> str:
        """The part of the prompt that says how to answer."""
        ...

    def render(self, text: str, entities: Sequence[Entity], labels: LabelSet) -> str:
        """The right answer for `text` with these entities.

        Raises:
            ConfigError: when the format cannot show them (overlapping spans in a format that only nests, say).
        """
        ...

    def parse(self, answer: str, labels: LabelSet) -> Reading:
        """All that `answer` says, whatever it looks like."""
        ...

    def json_schema(self, labels: LabelSet) -> Mapping[str, object] | None:
        """A JSON schema that right answers satisfy, where the format is JSON."""
        ...


def in_order(text: str, entities: Sequence[Entity], labels: LabelSet) -> list[Entity]:
    """The entities by start, the longer first; those with one span stay in the order they were given in.

    Raises:
        ConfigError: when an entity does not stand in `text`.
        LabelError: when an entity's label is not in the set.
    """
    for entity in entities:
        labels[entity.label]
        if entity.span.of(text) != entity.text:
            raise ConfigError(f"the text has no {entity.text!r} at {entity.start}-{entity.end}")
    return sorted(entities, key=lambda e: (e.start, -e.end))


def fragment_texts(entity: Entity) -> tuple[str, ...]:
    """The strings of a discontinuous entity's parts; empty for a continuous one."""
    offset = entity.start
    return tuple(entity.text[f.start - offset : f.end - offset] for f in entity.fragments)


def prompt_templates(folder: str) -> Environment:
    """The templates of prompts in a folder of the package."""
    return Environment(
        loader=PackageLoader("clinspan", folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        autoescape=False,  # prompts are plain text, never HTML
        auto_reload=False,  # or each prompt would ask the disk whether its templates have changed
    )


_TEMPLATES = prompt_templates("formats")
# jinja's own filter of this kind escapes for HTML.
_TEMPLATES.filters["tojson_plain"] = lambda value: json.dumps(value, ensure_ascii=False)


class Instructed:
    """A format whose instructions are a template beside the code, and whose answers are not JSON.

    Attributes:
        template: its name, without the ending.
    """

    template: str

    def instructions(self, labels: LabelSet) -> str:
        """The part of the prompt that says how to answer."""
        return _TEMPLATES.get_template(f"{self.template}.jinja").render(labels=labels.labels, asked=asked_of(labels))

    def json_schema(self, labels: LabelSet) -> Mapping[str, object] | None:  # noqa: ARG002 - the protocol's
        """None: the answer is not JSON."""
        return None
