"""The files of a pool: their names, its examples, and the database of its documents, examples, mentions and sketches.

A pool's folder holds `manifest.json` and one folder, the generation that the manifest names. Every change writes a new
generation beside the old one and then replaces the manifest, so a reader always opens one of the two whole.

A text is known by a sketch: the smallest hashes of its runs of words (Broder, "On the resemblance and containment of
documents", 1997). Two sketches give an estimate of the share of runs that their texts have in common.
"""

import hashlib
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any

from clinspan import codec
from clinspan.dictionary.normalise import normal_form, tokenise
from clinspan.document import Document, Entity, Span
from clinspan.files import MANIFEST
from clinspan.text.windows import WindowSettings, windows

SENTENCE = WindowSettings(max_sentences=1, overlap_sentences=0)
"""A sentence with the heading over it, which is how the study cuts its pools."""


@dataclass(frozen=True, slots=True)
class PoolExample:
    """A window of an annotated document, with all entities that lie in it.

    Attributes:
        start: where the window begins in the document, in code points.
        entities: those that begin in it, with offsets within `text`.

    Raises:
        ValueError: when an entity's text is not what stands at its offsets.
    """

    document: str
    start: int
    text: str
    entities: tuple[Entity, ...] = ()

    def __post_init__(self) -> None:
        for entity in self.entities:
            if entity.span.of(self.text) != entity.text:
                raise ValueError(
                    f"example from {self.document!r}: {entity.text!r} is not at {entity.start}-{entity.end}"
                )


def cut(document: Document, settings: WindowSettings = SENTENCE) -> Iterator[PoolExample]:
    """The windows of a document as examples, in order; windows that an entity lies across are joined.

    An entity that ends outside its window could only be shown by half, or be left unmarked, and either would teach
    the model something false.
    """
    for span in _joined([window.core for window in windows(document.text, settings)], document.entities):
        inside = tuple(e.shift(-span.start) for e in document.entities if span.contains(e.span))
        yield PoolExample(document.id, span.start, span.of(document.text), inside)


PART_OF = "part of"
"""The metadata of a document that is a part of another: the other's id."""


def sentences(document: Document) -> Iterator[Document]:
    """Each example that `cut` gives as a document of its own; `whole` names the one that it was cut from."""
    for example in cut(document):
        id = f"{example.document}:{example.start}"
        yield Document(id, example.text, example.entities, metadata={PART_OF: example.document})


def whole(document: Document) -> str:
    """The id of the document that this one is a part of; its own id when it is whole."""
    return str(document.metadata.get(PART_OF, document.id))


def _joined(spans: list[Span], entities: tuple[Entity, ...]) -> Iterator[Span]:
    if not spans:
        return
    # White space between windows is in none of them; an entity that reaches into it is cut off as well.
    cuts = {
        number
        for number, (before, after) in enumerate(pairwise(spans), 1)
        if any(entity.start < after.start and before.end < entity.end for entity in entities)
    }
    start = spans[0].start
    for number, span in enumerate(spans, 1):
        if number not in cuts:
            yield Span(start, span.end)
            start = spans[number].start if number < len(spans) else 0


def documents_of(pool: Iterable[PoolExample]) -> Iterator[Document]:
    """A pool's examples, each as a document."""
    for example in pool:
        yield Document(f"{example.document}:{example.start}", example.text, example.entities)


def rejoined(pool: Iterable[PoolExample]) -> Iterator[Document]:
    """The documents that a pool was built from, without what it does not keep.

    A pool keeps no white space between examples: one that ends like a sentence is followed by a space where there was
    one character, any other by a new line. A window that an earlier document had, annotated alike, is missing.
    """
    for id, examples in groupby(pool, key=attrgetter("document")):
        text, end = "", 0
        entities: list[Entity] = []
        for example in examples:
            if text:
                text += " " if text.endswith((".", "!", "?")) and example.start == end + 1 else "\n"
            entities += (entity.shift(len(text)) for entity in example.entities)
            text += example.text
            end = example.start + len(example.text)
        yield Document(id, text, tuple(entities))


FORMAT = 1
"""Raised whenever the files or the meaning of their content change."""
GENERATION = "generation-"

STORE = "examples.sqlite"
"""Documents, examples, mentions."""
TERMS = "terms.marisa"
TERM_STARTS = "term_starts.u64"
TERM_EXAMPLES = "term_examples.u32"
TERM_WEIGHTS = "term_weights.f32"
"""The lexical index: see `clinspan.examples.retrieve`."""
VECTORS = "vectors.f32"
"""One vector after the other; see `clinspan.examples.retrieve`."""
INDEX = "vectors.index"
"""The same in a graph that is searched approximately, in pools that have many."""


def is_pool(path: Path) -> bool:
    """Whether a pool's folder lies there, and not annotated documents."""
    return (path / MANIFEST).is_file()


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """The encoder whose vectors a pool holds.

    Attributes:
        name: as `Pool.retriever` takes it.
        source: what opens it again: `minilm`, `hf:NAME` or a folder.
        identity: a hash of weights and settings; an encoder with another cannot search this pool.
    """

    name: str
    source: str
    pooling: str
    identity: str
    dimension: int


@dataclass(frozen=True, slots=True)
class PoolInfo:
    """What a pool holds.

    Attributes:
        generation: the name of the generation that is open; every change of the pool makes a new one.
        built: the time, as ISO 8601 in UTC.
        empty: examples without an entity.
        window: in words, how documents were cut.
        encoder: None where the pool is searched by words alone.
        index: `exact`, or the name of the approximate index.
    """

    path: Path
    generation: str
    built: str
    documents: int
    examples: int
    empty: int
    mentions: Mapping[str, int]
    window: str
    encoder: EncoderInfo | None
    index: str
    bytes: int


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
    """The key of a text in a pool: 16 bytes of its SHA-256."""
    return hashlib.sha256(text.encode()).digest()[:16]


class Store:
    """Reads the file, from any thread. Its content never changes, so no process locks it."""

    def __init__(self, path: Path):
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        self.row("select 1 from documents")  # opens the file now, so that it may be replaced from here on

    def close(self) -> None:
        """Closes the file."""
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
    """Writes a new file, or adds to a copy of an older one."""

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
        """Commits and closes the file."""
        self._connection.execute("commit")
        self._connection.close()


NEAR = 0.7
"""Texts that share this part of their runs are one text twice: a note and its copy with another date."""

_RUN = 5
_SIZE = 24


def sketch(text: str) -> tuple[int, ...]:
    """The smallest hashes of all runs of five words, in order; at most 24. Case and punctuation do not count."""
    words = [form for form in tokenise(text).forms if any(map(str.isalnum, form))] or [text.strip()]
    runs = {" ".join(words[i : i + _RUN]) for i in range(max(1, len(words) - _RUN + 1))}
    return tuple(sorted({zlib.crc32(run.encode()) for run in runs})[:_SIZE])


def resemblance(one: Iterable[int], other: Iterable[int]) -> float:
    """The share of runs that two texts have in common, by their sketches, from 0 to 1."""
    a, b = set(one), set(other)
    smallest = set(sorted(a | b)[: max(len(a), len(b))])
    return len(a & b & smallest) / len(smallest) if smallest else 0.0


def nearest(rows: Callable[..., list[tuple[Any, ...]]], text: tuple[int, ...]) -> list[int]:
    """The numbers of the documents that are nearly the text with this sketch, the most alike first.

    Args:
        rows: all rows of a query, given with its values, in a database with the table `sketches (hash, document)`.
    """
    marks = ",".join("?" * len(text))
    # Two texts that are nearly the same have at least about half of their sketches in common.
    least = max(1, len(text) // 2)
    query = f"select document from sketches where hash in ({marks}) group by document having count(*) >= {least}"
    found = []
    for (document,) in rows(query, *text):
        hashes = rows("select hash from sketches where document = ?", document)
        alike = resemblance(text, (value for (value,) in hashes))
        if alike >= NEAR:
            found.append((-alike, document))
    return [document for _, document in sorted(found)]
