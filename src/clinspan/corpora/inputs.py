"""Whatever the user names as input, as one stream of documents: files, folders, JSON lines, CSV, standard input."""

import itertools
import json
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from clinspan.corpora import csv, jsonl, text
from clinspan.corpora.files import cannot_read, check_text, decode
from clinspan.document import Document
from clinspan.errors import InputError

STDIN = "-"
_JSONL = frozenset({".jsonl", ".ndjson", ".jsonlines"})
_CSV = frozenset({".csv", ".tsv"})
_TEXT = frozenset({".txt", ".text", ".note", ""})


def read(
    paths: Iterable[str | Path],
    *,
    text_column: str = "text",
    id_column: str | None = None,
    encoding: str = "utf-8",
    stdin: BinaryIO | None = None,
) -> Iterator[Document | InputError]:
    """The documents of all inputs, in order, one at a time.

    What cannot be read gives an error in its place, with file and line, and the rest goes on. A folder is read with
    all that lies below it, by name; hidden files are left out. `-` is standard input: JSON lines if it begins with an
    object that has a text, else one note. Of two documents with one id the second gives an error that names both
    places; an id that is made from a file's name is lengthened instead.

    Args:
        paths: files, folders, `-`.
        text_column: the column of CSV files that holds the texts.
        id_column: the column of CSV files that holds the ids.
        encoding: of every input.
        stdin: read for `-`; the process's standard input when None.
    """
    # A database of its own keeps the ids on disk when they are many; SQLite deletes it with the connection.
    with closing(sqlite3.connect("")) as seen:
        seen.execute("create table seen (id text primary key, place text) without rowid")
        for path in paths:
            if str(path) == STDIN:
                found = _read_stdin(stdin or sys.stdin.buffer, encoding)
            else:
                found = _read_path(Path(path), text_column, id_column, encoding)
            for place, spare_id, result in found:
                yield result if isinstance(result, InputError) else _admit(seen, result, place, spare_id)


def strict(results: Iterable[Document | InputError]) -> Iterator[Document]:
    """The documents alone.

    Raises:
        InputError: the first that stands in their stream.
    """
    for result in results:
        if isinstance(result, InputError):
            raise result
        yield result


_Found = Iterator[tuple[str, str | None, Document | InputError]]
"""Where a document comes from, an id to take if its own is taken (only where clinspan made it), and what was read."""


def _admit(seen: sqlite3.Connection, document: Document, place: str, spare_id: str | None) -> Document | InputError:
    if not document.text.strip():
        return InputError("is empty" if not document.text else "holds white space alone", where=place)
    try:
        seen.execute("insert into seen values (?, ?)", (document.id, place))
    except sqlite3.IntegrityError:
        if spare_id is not None and spare_id != document.id:
            return _admit(seen, replace(document, id=spare_id), place, None)
        (first,) = seen.execute("select place from seen where id = ?", (document.id,)).fetchone()
        return InputError(
            f"the id {document.id!r} is taken by {first}", where=place, fix="Give each document an id of its own."
        )
    except UnicodeEncodeError:
        return InputError("the id holds half of a surrogate pair", where=place, expected="whole characters")
    return document


def _read_path(path: Path, text_column: str, id_column: str | None, encoding: str) -> _Found:
    if not path.is_dir():
        yield from _read_file(path, path.stem, text_column, id_column, encoding)
        return
    found = False
    for file in _walk(path):
        found = True
        if isinstance(file, InputError):
            yield str(path), None, file
        elif file.suffix.lower() in _JSONL | _CSV | _TEXT:
            id = file.relative_to(path).with_suffix("").as_posix()
            yield from _read_file(file, id, text_column, id_column, encoding)
        else:
            yield (
                str(file),
                None,
                InputError(
                    f"is not read: clinspan does not know files that end in {file.suffix!r}",
                    where=str(file),
                    expected="one of " + ", ".join(sorted((_JSONL | _CSV | _TEXT) - {""})),
                    fix="Name the file itself to have it read as text.",
                ),
            )
    if not found:
        yield str(path), None, InputError("the folder holds no files", where=str(path))


def _walk(folder: Path) -> Iterator[Path | InputError]:
    """The files below a folder by name, hidden ones left out; links to folders are not followed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield cannot_read(folder, error)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif not entry.is_dir():
            yield Path(entry.path)


def _read_file(path: Path, id: str, text_column: str, id_column: str | None, encoding: str) -> _Found:
    ending = path.suffix.lower()
    try:
        if ending in _JSONL:
            with path.open("rb") as file:
                lines = jsonl.read_lines(file, where=str(path), stem=path.stem, encoding=encoding)
                yield from _numbered(lines, str(path))
        elif ending in _CSV:
            rows = csv.rows(path, text_column=text_column, id_column=id_column, encoding=encoding)
            yield from _numbered(rows, str(path))
        else:
            yield str(path), path.as_posix(), text.read(path, id=id, encoding=encoding)
    except OSError as error:
        yield str(path), None, cannot_read(path, error)
    except InputError as error:
        yield str(path), None, error


def _numbered(results: Iterable[tuple[int, Document | InputError]], where: str) -> _Found:
    number = 0
    for number, result in results:
        yield f"{where}, line {number}", None, result
    if number == 0:
        yield where, None, InputError("is empty", where=where)


def _read_stdin(stdin: BinaryIO, encoding: str) -> _Found:
    where = "standard input"
    first = stdin.readline()
    try:
        check_text(first, where=where, encoding=encoding)
        if _is_document(decode(first, where=where, encoding=encoding)):
            lines = itertools.chain([first], stdin)
            yield from _numbered(jsonl.read_lines(lines, where=where, stem="stdin", encoding=encoding), where)
            return
        whole = decode(first + stdin.read(), where=where, encoding=encoding)
        yield where, "standard-input", Document("stdin", whole)
    except InputError as error:
        yield where, None, error


def _is_document(line: str) -> bool:
    if not line.lstrip().startswith("{"):
        return False
    try:
        data = json.loads(line)
    except json.JSONDecodeError:
        return False
    return isinstance(data, dict) and "text" in data
