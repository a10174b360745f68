"""Prompt formats: each writes and reads in one file. Here they are found by name, those that packages add among them.

Each is asked once, or one label at a time.

A package adds a format as an entry point of the group `clinspan.formats` that names its class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from clinspan.document import Entity
from clinspan.errors import ConfigError, did_you_mean
from clinspan.formats.base import Format, Mention, Reading
from clinspan.formats.dice import Dice
from clinspan.formats.fidelity import align_copy
from clinspan.formats.json_answer import JsonList, MentionMapping
from clinspan.formats.tanl import Tanl
from clinspan.labels import LabelSet
from clinspan.plugins import added


class PerType:
    """A format that shows and asks for the labels of its own question only."""

    def __init__(self, inner: Format):
        self.inner = inner
        self.name = f"per-type:{inner.name}"
        self.repeats_text = inner.repeats_text

    def split(self, labels: LabelSet) -> tuple[LabelSet, ...]:
        """One label set for each question."""
        return tuple(labels.only(name) for name in labels.names)

    def instructions(self, labels: LabelSet) -> str:
        """The inner format's."""
        return self.inner.instructions(labels)

    def render(self, text: str, entities: Sequence[Entity], labels: LabelSet) -> str:
        """The inner format's answer with the entities whose label is asked for.

        Raises:
            ConfigError: when the inner format cannot show them.
        """
        return self.inner.render(text, [e for e in entities if e.label in labels], labels)

    def parse(self, answer: str, labels: LabelSet) -> Reading:
        """What the answer to one question says."""
        return self.inner.parse(answer, labels)

    def json_schema(self, labels: LabelSet) -> Mapping[str, object] | None:
        """The inner format's."""
        return self.inner.json_schema(labels)


def split(form: Format, labels: LabelSet) -> tuple[LabelSet, ...]:
    """The label sets that `form` asks for, one for each request."""
    return form.split(labels) if isinstance(form, PerType) else (labels,)


def merge(readings: Sequence[Reading]) -> Reading:
    """All that the readings of one window say.

    The first copy is kept; the positions of mentions in the others are led to it, and left out where that fails.
    The places of unread parts and repairs still count in their own answers. Refused only when all were.
    """
    copy = next((r.copy for r in readings if r.copy is not None), None)
    mentions: list[Mention] = []
    for reading in readings:
        if copy is None or reading.copy is None or reading.copy == copy:
            mentions += reading.mentions
            continue
        places = align_copy(reading.copy, copy)
        mentions += [replace(m, position=places.span(m.position) if m.position else None) for m in reading.mentions]
    return Reading(
        tuple(mentions),
        tuple(u for r in readings for u in r.unread),
        tuple(p for r in readings for p in r.repairs),
        copy,
        bool(readings) and all(r.refused for r in readings),
    )


GROUP = "clinspan.formats"
"""The entry points that name the classes of formats of other packages."""
_BUILT_IN: tuple[type[Format], ...] = (Tanl, Dice, JsonList, MentionMapping)
_PER_TYPE = "per-type:"


@cache
def formats() -> Mapping[str, Format]:
    """All formats by name.

    Raises:
        ConfigError: when an entry point of a package makes no format, or one whose name is taken.
    """
    found = {form.name: form for form in (make() for make in _BUILT_IN)}
    for _, make, where in added(GROUP):
        form = make() if callable(make) else make
        if not isinstance(form, Format):
            raise ConfigError(f"makes {type(form).__name__}", where=where, expected="a clinspan.formats.base.Format")
        if form.name in found or form.name.startswith(_PER_TYPE):
            raise ConfigError(f"the format {form.name!r} is there already", where=where, expected="another name")
        found[form.name] = form
    return found


def names() -> tuple[str, ...]:
    """The names that `by_name` knows: each format, and each asked one type per call."""
    return (*formats(), *(_PER_TYPE + name for name in formats()))


def by_name(name: str) -> Format:
    """The format of that name.

    Raises:
        ConfigError: when there is none; it offers the nearest name.
    """
    if name not in names():
        raise ConfigError(f"no format {name!r}", fix=did_you_mean(name, names()))
    form = formats()[name.removeprefix(_PER_TYPE)]
    return PerType(form) if name.startswith(_PER_TYPE) else form
