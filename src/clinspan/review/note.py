"""What the review room holds: notes with what is measured of them, the versions that were saved, and who saved them.

And how these stand in the review file: its tables, and their rows.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan import codec
from clinspan.dictionary.normalise import tokenise
from clinspan.document import READ_STATES, Document, Entity
from clinspan.errors import ClinspanError
from clinspan.labels import Attribute, Label
from clinspan.tagging.calibration import REVIEW

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
OF_VERSION = "v.version, v.based_on, v.who, v.at, v.state, v.count, v.aside"
"""The columns that `version_of` takes."""
CURRENT = "notes n join versions v on v.note = n.key and v.version = n.version"
"""The notes, each with its current version."""


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
