"""Documents, examples and mentions in one SQLite file: opened at once at any size, read by any number of processes."""

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from clinspan import codec
from clinspan.dictionary.normalise import normal_form
from clinspan.document import Document
from clinspan.examples.duplicates import sketch
from clinspan.examples.example import PoolExample

_SCHEMA = """
create table documents (number integer primary key, id text not null unique, text blob not null);
create table examples (
    number integer primary key, document integer not null, start integer not null, text text not null,
    entities text not null, hash blob not null
);
create table mentions (form text not null, label text not null, text text not null, example integer not null);
create table sketches (hash integer not null, document integer not null);
"""
_INDEXES = """
create index examples_hash on examples (hash);
create index mentions_form on mentions (form, label, example);
create index documents_text on documents (text);
create index sketches_hash on sketches (hash);
create index sketches_document on sketches (document);
"""


def hash_of(text: str) -> bytes:
    """What a text is known by in a pool: 16 bytes of its sha256."""
    return hashlib.sha256(text.encode()).digest()[:16]


class Store:
    """The file, read. Its content never changes, so nothing is locked and every thread may read."""

    def __init__(self, path: Path):
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        self.row("select 1 from documents")  # opens the file now, so that it may be replaced from here on

    def close(self) -> None:
        """Gives the file back."""
        self._connection.close()

    def row(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """The first row of a query's result."""
        with self._lock:
            found: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
            return found

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query's result."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def each(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The rows of a query whose result is large, from a cursor of its own."""
        with closing(self._connection.cursor()) as cursor:
            yield from cursor.execute(query, values)


class StoreWriter:
    """Writes the file, new, or on from a copy of an older one."""

    def __init__(self, path: Path):
        new = not path.exists()
        self._connection = sqlite3.connect(path, isolation_level=None)
        # A generation that was not finished is thrown away whole: nothing in it needs to survive a crash.
        self._connection.executescript("pragma journal_mode=off; pragma synchronous=off; begin;")
        if new:
            self._connection.executescript(_SCHEMA)
            self._connection.executescript(_INDEXES)
            self._connection.execute("begin")
        self._next = self._connection.execute("select coalesce(max(number), -1) + 1 from examples").fetchone()[0]

    def add(self, document: Document, examples: Iterable[PoolExample]) -> list[PoolExample]:
        """Adds a document with its examples; gives those that were not there yet, with that text and those entities.

        "No acute distress." stands in every second note: once is enough to show it.
        """
        kept: list[PoolExample] = []
        run = self._connection.execute
        row = (document.id, hash_of(document.text))
        place = run("insert into documents (id, text) values (?, ?)", row).lastrowid
        hashes = [(value, place) for value in sketch(document.text)]
        self._connection.executemany("insert into sketches values (?, ?)", hashes)
        for example in examples:
            entities, hash = codec.dump_rows(example.entities), hash_of(example.text)
            if run("select 1 from examples where hash = ? and entities = ?", (hash, entities)).fetchone():
                continue
            number = self._next
            self._next += 1
            run(
                "insert into examples values (?, ?, ?, ?, ?, ?)",
                (number, place, example.start, example.text, entities, hash),
            )
            rows = [(normal_form(e.text) or e.text, e.label, e.text, number) for e in example.entities]
            self._connection.executemany("insert into mentions values (?, ?, ?, ?)", rows)
            kept.append(example)
        return kept

    def close(self) -> None:
        """Ends the file."""
        self._connection.execute("commit")
        self._connection.close()
