"""What is kept in the review file: its tables, and how notes, versions, entities and labels stand in them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clinspan import codec
from clinspan.document import Document, Entity
from clinspan.labels import Attribute, Label
from clinspan.review.note import State, Version

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
