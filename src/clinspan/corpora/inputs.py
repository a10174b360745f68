"""Whatever the user names as input, as one stream of documents: notes, tables, corpora, folders, standard input."""

import itertools
import json
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from clinspan.corpora import catalogue, csv, jsonl, pairs, text
from clinspan.corpora.files import cannot_read, check_text, decode
from clinspan.corpora.recognise import BESIDE, ENDINGS, Sign, of_content, recognise, signs
from clinspan.document import Document
from clinspan.errors import ConfigError, InputError, did_you_mean

STDIN = "-"
_JSONL = frozenset({".jsonl", ".ndjson", ".jsonlines"})
_CSV = frozenset({".csv", ".tsv"})
_BY_ENDING = _JSONL | _CSV
_TEXT = frozenset({".txt", ".text", ".note", ""})
_TEXTS_LIE_APART = frozenset({*BESIDE.values(), "n2c2"})
_IN_ANY_ENCODING = frozenset({"jsonl", "csv", "text"})


def read(
    paths: Iterable[str | Path],
    *,
    format: str | None = None,
    text_column: str = "text",
    id_column: str | None = None,
    encoding: str = "utf-8",
    stdin: BinaryIO | None = None,
    told: catalogue.Told | None = None,
) -> Iterator[Document | InputError]:
    """The documents of all inputs, in order, one at a time.

    What cannot be read gives an error in its place, with file and line, and the rest goes on. A folder is read with
    all that lies below it, by name; hidden files are left out. What is in a format of `catalogue` is recognised by its
    content, or for formats of several files by what lies together; a text that is named itself is the note it is,
    whatever lies beside it. Of a corpus the texts count: one whose annotations are wrong is read all the same, after
    the errors that name them. `-` is standard input: JSON lines if it begins with an object that has a text, else one
    note. Of two documents with one id the second gives an error that names both places; an id that is made from a
    file's name is lengthened instead.

    Args:
        paths: files, folders, `-`.
        format: one of `catalogue.FORMATS`; None: what is recognised, else text. `-` is JSON lines or text alone.
        text_column: the column of CSV files that holds the texts.
        id_column: the column of CSV files that holds the ids.
        encoding: of every input.
        stdin: read for `-`; the process's standard input when None.
        told: called with the path and the format where one was recognised that the ending does not say.

    Raises:
        ConfigError: when there is no such format.
    """
    # A database of its own keeps the ids on disk when they are many; SQLite deletes it with the connection.
    if format is not None and format not in catalogue.FORMATS:
        raise ConfigError(f"no corpus format {format!r}", fix=did_you_mean(format, catalogue.FORMATS))
    asked = _Asked(format, text_column, id_column, encoding, told)
    with closing(sqlite3.connect("")) as seen:
        seen.execute("create table seen (id text primary key, place text) without rowid")
        for path in paths:
            if str(path) == STDIN:
                found = _read_stdin(stdin or sys.stdin.buffer, asked)
            else:
                found = _read_path(Path(path), asked)
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """How the inputs are to be read."""

    format: str | None
    text_column: str
    id_column: str | None
    encoding: str
    told: catalogue.Told | None

    def tell(self, path: Path, sign: Sign) -> None:
        if self.told is not None:
            self.told(path, sign)


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


def _read_path(path: Path, asked: _Asked) -> _Found:
    try:
        if not path.is_dir():
            # A text that is named itself is a note, even where annotations lie beside it.
            sign = None if asked.format else _recognise_file(path, asked)
            yield from _read_file(path, path.stem, asked, asked.format or (sign.format if sign else None))
            return
        if asked.format in catalogue.FOLDERS:
            yield from _read_corpus(path, asked.format, asked)
            return
        sign = None if asked.format else recognise(path, text_column=asked.text_column)
        if sign is not None:
            asked.tell(path, sign)
            yield from _read_corpus(path, sign.format, asked)
            # Tables among annotated texts are inputs too; what else lies there belongs to the corpus.
            for file in _walk(path) if sign.format in _TEXTS_LIE_APART else ():
                if isinstance(file, Path) and file.suffix.lower() in _BY_ENDING:
                    yield from _read_file(file, file.stem, asked, None)
            return
    except InputError as error:
        yield str(path), None, error
        return
    yield from _read_folder(path, replace(asked, told=catalogue.once(asked.told)))


def _read_folder(path: Path, asked: _Asked) -> _Found:
    found = False
    for file in _walk(path):
        found = True
        if isinstance(file, InputError):
            yield str(path), None, file
            continue
        ending = file.suffix.lower()
        try:
            sign = None if asked.format else _recognise_file(file, asked)
        except InputError as error:
            yield str(file), None, error
            continue
        if asked.format or sign or ending in _BY_ENDING | _TEXT:
            id = file.relative_to(path).with_suffix("").as_posix()
            yield from _read_file(file, id, asked, asked.format or (sign.format if sign else None))
        else:
            yield (
                str(file),
                None,
                InputError(
                    f"is not read: clinspan does not know files that end in {file.suffix!r}",
                    where=str(file),
                    expected="one of " + ", ".join(sorted((_BY_ENDING | _TEXT) - {""})) + ", or a corpus",
                    fix="Name the file itself to have it read as text.",
                ),
            )
    if not found:
        yield str(path), None, InputError("the folder holds no files", where=str(path))


def _recognise_file(path: Path, asked: _Asked) -> Sign | None:
    sign = of_content(path, text_column=asked.text_column)
    if sign is not None and sign.format != ENDINGS.get(path.suffix.lower()):
        asked.tell(path, sign)
    return sign


def _read_corpus(path: Path, format: str, asked: _Asked) -> _Found:
    if asked.encoding.lower().replace("-", "") not in ("utf8", "utf8sig"):
        raise InputError(
            f"is read as {format}, which is UTF-8",
            where=str(path),
            fix=f"Convert it: iconv -f {asked.encoding} -t UTF-8",
        )
    for result in catalogue.read(path, format=format, lenient=True):
        if isinstance(result, pairs.Unannotated):
            bare = Path(result.where or path)
            folder = path if path.is_dir() else bare.parent
            yield from _read_file(bare, bare.relative_to(folder).with_suffix("").as_posix(), asked, "text")
        elif isinstance(result, InputError):
            yield result.where or str(path), None, result
        else:
            yield result.place or str(path), None, result


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


def _read_file(path: Path, id: str, asked: _Asked, format: str | None) -> _Found:
    """The documents of a file in a format; where that is None, in the one that its ending says, else of a text."""
    ending = path.suffix.lower()
    if format is None:
        format = "jsonl" if ending in _JSONL else "csv" if ending in _CSV else "text"
    try:
        if format not in _IN_ANY_ENCODING:
            yield from _read_corpus(path, format, asked)
        elif format == "jsonl":
            with path.open("rb") as file:
                lines = jsonl.read_lines(file, where=str(path), stem=path.stem, encoding=asked.encoding)
                yield from _numbered(lines, str(path))
        elif format == "csv":
            rows = csv.rows(path, text_column=asked.text_column, id_column=asked.id_column, encoding=asked.encoding)
            yield from _numbered(rows, str(path))
        else:
            yield str(path), path.as_posix(), text.read(path, id=id, encoding=asked.encoding)
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


def _read_stdin(stdin: BinaryIO, asked: _Asked) -> _Found:
    where, encoding = "standard input", asked.encoding
    if asked.format not in (None, "jsonl", "text"):
        yield where, None, InputError(f"is not read as {asked.format}", where=where, fix="Name a file that holds it.")
        return
    first = stdin.readline()
    try:
        check_text(first, where=where, encoding=encoding)
        if asked.format == "jsonl" or (
            asked.format is None and _is_document(decode(first, where=where, encoding=encoding))
        ):
            lines = itertools.chain([first], stdin)
            yield from _numbered(jsonl.read_lines(lines, where=where, stem="stdin", encoding=encoding), where)
            return
        data = first + stdin.read()
        if asked.format is None and (found := signs(data, text_column=asked.text_column)):
            raise InputError(
                f"looks like {' or '.join(map(str, found))}, which is read from files alone",
                where=where,
                fix="Save it and name the file, or say --from text.",
            )
        whole = decode(data, where=where, encoding=encoding)
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
