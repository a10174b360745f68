"""What the review room holds: notes with what is measured of them, the versions that were saved, and who saved them.

How a person's marks become entities: no fault repeats a label, a value or a text that was sent, since the service
passes these messages on. And how all that stands in the review file: its tables, and their rows.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import regex

from clinspan import codec
from clinspan.dictionary.normalise import tokenise
from clinspan.document import NO_ATTRIBUTES, OF, READ_STATES, Attributes, Document, Entity, Span
from clinspan.errors import ClinspanError, InputError
from clinspan.labels import Attribute, Label
from clinspan.tagging.calibration import REVIEW, YES


@dataclass(frozen=True, slots=True)
class Mark:
    """An entity as a person marked it; offsets are code points.

    Attributes:
        fragments: the parts of a discontinuous entity; empty where it is continuous.
        id: of an entity that was there, or that a detail names as its owner.
    """

    start: int
    end: int
    label: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    fragments: tuple[tuple[int, int], ...] = ()
    id: str | None = None


def corrected(
    marks: Sequence[Mark], text: str, before: Sequence[Entity], labels: Sequence[Label], *, accepted: bool = False
) -> tuple[Entity, ...]:
    """The entities of a corrected note, in the order of the text.

    A mark with the place and label of an entity that was there keeps its score, concepts and kind of match, and its
    attributes that the label does not declare. One that was moved or relabelled, or is new, has none of them: nobody
    scored it. A detail whose owner was deleted belongs to none. What a promise left to a person (`review`) is settled
    once the note is accepted.

    Args:
        marks: all entities that the note now has.
        text: the note's.
        before: the entities that the person saw.
        labels: those that may be given.
        accepted: whether the person says that the note is right.

    Raises:
        InputError: naming the entity by its number, from 0, and the fault.
    """
    known = {label.name: label for label in labels}
    origins = _origins(marks, before)
    ids = [mark.id or (origin.id if origin is not None else None) for mark, origin in zip(marks, origins, strict=True)]
    named = [id for id in ids if id]
    if len(set(named)) < len(named):
        raise InputError("two entities have one id", where="entities")
    # What the tagger says beyond the label set goes along when a boundary is moved.
    carried = {(REVIEW, YES), *(pair for entity in before for pair in entity.attributes.items())}
    found: dict[Entity, None] = {}
    for number, (mark, origin, id) in enumerate(zip(marks, origins, ids, strict=True)):
        where = f"entities[{number}]"
        if mark.label not in known:
            raise InputError("has a label that this note cannot have", where=where, expected=", ".join(known))
        entity = _entity(mark, text, origin, id, where=where)
        said = _attributes(mark, known[mark.label], origin, named, carried, where=where)
        if accepted:
            said.pop(REVIEW, None)
        found[_with(entity, said, origin)] = None
    places = [(entity.span, entity.label, entity.fragments) for entity in found]
    if len(set(places)) < len(places):
        raise InputError("one place has one label twice, with different attributes", where="entities")
    return tuple(sorted(found, key=lambda entity: (entity.start, -entity.end, entity.label)))


def _entity(mark: Mark, text: str, origin: Entity | None, id: str | None, *, where: str) -> Entity:
    """The entity without its attributes."""
    if not 0 <= mark.start < mark.end <= len(text):
        raise InputError(
            "does not lie in the text", where=where, expected=f"0 <= start < end <= {len(text)}, in code points"
        )
    span = Span(mark.start, mark.end)
    if not span.of(text).strip():
        raise InputError("covers nothing but white space", where=where)
    try:
        fragments = tuple(Span(start, end) for start, end in mark.fragments)
        if not fragments and origin is not None:
            fragments = origin.fragments
        made = Entity(span, mark.label, span.of(text), fragments=fragments, id=id)
    except ValueError:
        raise InputError("has parts that do not cover it from its start to its end", where=where) from None
    if origin is None or origin.fragments != fragments:
        return made
    return replace(origin, id=id, attributes=NO_ATTRIBUTES, attribute_scores=())


def _with(entity: Entity, said: Mapping[str, str], origin: Entity | None) -> Entity:
    """The entity with attributes; one that was not changed keeps its probability."""
    had = origin.attributes if origin is not None else NO_ATTRIBUTES
    scores = origin.attribute_scores if origin is not None else ()
    kept = tuple((name, score) for name, score in scores if name in said and said[name] == had[name])
    return replace(entity, attributes=Attributes(said), attribute_scores=kept)


def _origins(marks: Sequence[Mark], before: Sequence[Entity]) -> list[Entity | None]:
    """For each mark the entity that it repeats, each entity once: of its place and label, and of several there the one
    with its id, its parts and its attributes."""
    there: dict[tuple[int, int, str], list[Entity]] = {}
    for entity in before:
        there.setdefault((entity.start, entity.end, entity.label), []).append(entity)
    origins: list[Entity | None] = []
    for mark in marks:
        alike = there.get((mark.start, mark.end, mark.label), [])
        origin = max(alike, key=partial(_likeness, mark), default=None)
        if origin is not None:
            alike.remove(origin)
        origins.append(origin)
    return origins


def _likeness(mark: Mark, entity: Entity) -> tuple[bool, bool, bool]:
    parts = tuple((part.start, part.end) for part in entity.fragments)
    return entity.id == mark.id, parts == mark.fragments, entity.attributes == mark.attributes


def _attributes(
    mark: Mark, label: Label, origin: Entity | None, ids: Sequence[str], carried: set[tuple[str, str]], *, where: str
) -> dict[str, str]:
    declared = {attribute.name: attribute.value_names for attribute in label.attributes}
    had = dict(origin.attributes) if origin is not None else {}
    said = {name: value for name, value in had.items() if name not in declared and name != OF}
    for name, value in mark.attributes.items():
        if name in declared and value not in declared[name]:
            raise InputError(
                "has a value that its attribute cannot have",
                where=f"{where}.attributes",
                expected=f"{name}: {', '.join(declared[name])}",
            )
        if name not in declared and name != OF and (name, value) not in carried:
            raise InputError(
                "has an attribute that its label does not declare",
                where=f"{where}.attributes",
                expected=", ".join(declared) or "none",
            )
        if name != OF or value in ids:
            said[name] = value
    # In the order in which they were, so that what was not changed is the same.
    return {name: said[name] for name in (*had, *said) if name in said}


Places = npt.NDArray[np.uint32]
SIZE = 1 << 20
"""Words and pairs of words are known by the place of their hash in a table of this size."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What the choice of the next note goes by.

    Attributes:
        words: how many there are.
        doubt: how unsure the tagger was, from 0 to 1; None where nothing says.
        same: 16 bytes that are the same for texts with the same words in the same order.
        runs: the places of the text's words and pairs of words, in order, each once.
    """

    words: int
    doubt: float | None
    same: bytes
    runs: Places


def measured(document: Document) -> Measures:
    """The measures of a document; case, white space and punctuation do not count in `same` and `runs`."""
    words = [form for form in tokenise(document.text).forms if any(map(str.isalnum, form))]
    pairs = (f"{one} {other}" for one, other in pairwise(words))
    places = {zlib.crc32(run.encode()) % SIZE for run in (*words, *pairs)}
    same = hashlib.sha256(" ".join(words).encode() if words else document.text.encode()).digest()[:16]
    return Measures(len(document.text.split()), _doubt(document), same, np.array(sorted(places), np.uint32))


def _doubt(document: Document) -> float | None:
    """The mean over entities with a score and windows that were not read.

    An entity with the score s counts 2 (1 - s), at most 1: one that is as likely wrong as right is a doubt of 1. So are
    one that a promise left to a person, and a window that nobody read.
    """
    doubts = [1.0 for entity in document.entities if REVIEW in entity.attributes]
    doubts += [
        min(1.0, 2.0 * (1.0 - entity.score))
        for entity in document.entities
        if entity.score is not None and REVIEW not in entity.attributes
    ]
    doubts += [1.0 for window in document.windows if window.state not in READ_STATES]
    return sum(doubts) / len(doubts) if doubts else None


class State(StrEnum):
    """How far a note has come."""

    NEW = "new"
    """As the tagger left it."""
    CHANGED = "changed"
    """Somebody works on it."""
    ACCEPTED = "accepted"
    """Somebody says that it is right."""


@dataclass(frozen=True, slots=True)
class Version:
    """One save of a note.

    Attributes:
        based_on: the version that was looked at when this one was made; 0 for the first.
        by: who saved it.
        at: when, as ISO 8601 in UTC.
        count: of its entities.
        aside: whether somebody else had saved first, so that it never was the note's.
    """

    number: int
    based_on: int
    by: str
    at: str
    state: State
    count: int
    aside: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A note as a list shows it: its current version, and the text's first characters as `title`."""

    key: int
    id: str
    title: str
    words: int
    doubt: float | None
    version: Version


@dataclass(frozen=True, slots=True)
class Note:
    """A note with the entities of its current version; `hash` is the SHA-256 of its text."""

    key: int
    hash: str
    version: Version
    document: Document


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a note for the choice of the next one."""

    key: int
    state: State
    measures: Measures


@dataclass(frozen=True, slots=True)
class Added:
    """What an import did: notes that are new, saves added to notes that were there, and notes left as they are."""

    new: int
    saved: int
    left: int


@dataclass(frozen=True, slots=True)
class Reviewer:
    """What one person did: notes with a version of theirs, and those whose current version they accepted."""

    by: str
    notes: int
    accepted: int


class Conflict(ClinspanError):
    """Somebody saved first. What was sent is kept in the history, aside.

    Attributes:
        newer: the note as it is now.
    """

    def __init__(self, newer: Note):
        super().__init__(f"{newer.version.by} saved version {newer.version.number} meanwhile")
        self.newer = newer


VERSION = 1
APPLICATION = 0x636C7276
SCHEMA = """
create table if not exists labels (place integer primary key, name text not null unique, said text not null);
create table if not exists notes (
    key integer primary key, id text not null unique, text text not null, hash text not null, about text not null,
    title text not null, words integer not null, doubt real, same blob not null, runs blob not null,
    version integer not null, state text not null
);
create table if not exists versions (
    note integer not null references notes, version integer not null, based_on integer not null, who text not null,
    at text not null, state text not null, count integer not null, aside integer not null, entities text not null,
    primary key (note, version)
) without rowid;
create index if not exists notes_state on notes (state);
create index if not exists versions_who on versions (who)
"""
_UNSEEN = regex.compile(r"[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]")
OF_VERSION = "v.version, v.based_on, v.who, v.at, v.state, v.count, v.aside"
"""The columns that `version_of` takes."""
CURRENT = "notes n join versions v on v.note = n.key and v.version = n.version"
"""The notes, each with its current version."""


def is_name(by: str) -> bool:
    """Whether a person may be called so: no control character, and none that turns the direction of what follows."""
    return bool(by.strip()) and _UNSEEN.search(by) is None


def text_hash(text: str) -> str:
    """What a text is known by: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def about_of(document: Document) -> str:
    """What is kept of a document beside its text and entities."""
    said = document.to_dict()
    return json.dumps({name: said[name] for name in ("windows", "metadata") if name in said}, ensure_ascii=False)


def version_of(row: Sequence[Any]) -> Version:
    """The version of a row with the columns `OF_VERSION`."""
    number, based_on, by, at, state, count, aside = row
    return Version(number, based_on, by, at, State(state), count, bool(aside))


def dumped(entities: Iterable[Entity]) -> str:
    """Entities as they are kept; the same for the same entities."""
    return json.dumps([entity.to_dict(sparse=True) for entity in entities], ensure_ascii=False)


def entities_of(said: str, text: str) -> tuple[Entity, ...]:
    """The entities that are kept of a text."""
    return tuple(codec.entity_of(one, text, where="a review file") for one in json.loads(said))


def document_of(id: str, text: str, entities: str, about: Mapping[str, object]) -> Document:
    """The document of a note and of the entities of one of its versions."""
    said = {**about, "id": id, "text": text, "entities": json.loads(entities)}
    return codec.document_of(said, where="a review file")


def label_of(said: Mapping[str, Any]) -> Label:
    """A label that is kept."""
    attributes = tuple(
        Attribute(each["name"], tuple(each["values"].items()), each["default"]) for each in said["attributes"]
    )
    return Label(said["name"], said["definition"], said["guideline"], attributes=attributes, of=said["of"] or "")
