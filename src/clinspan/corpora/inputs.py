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

from clinspan.corpora import catalogue, csv, jsonl, text
from clinspan.corpora.catalogue import Sign
from clinspan.corpora.format import TEXTS, Head, Results
from clinspan.corpora.text import cannot_read, check_text, decode, nul_remark
from clinspan.document import Document
from clinspan.errors import InputError

STDIN = "-"
_JSONL = frozenset(jsonl.FORMAT.endings)
_CSV = frozenset({*csv.FORMAT.endings, ".tsv"})
_BY_ENDING = _JSONL | _CSV
_TEXT = TEXTS | {""}
_IN_ANY_ENCODING = frozenset({"jsonl", "csv", "text"})
_MOST = 1_000_000_000
"""Bytes whose lines are counted, a second or two; for more it is not worth the wait."""


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
        format: the name of a corpus format; None: what is recognised, else text. `-` is JSON lines or text alone.
        text_column: the column of CSV files that holds the texts.
        id_column: the column of CSV files that holds the ids.
        encoding: of every input.
        stdin: read for `-`; the process's standard input when None.
        told: called with the path and the format where one was recognised that the ending does not say.

    Raises:
        ConfigError: when there is no such format.
    """
    # A database of its own keeps the ids on disk when they are many; SQLite deletes it with the connection.
    if format is not None:
        catalogue.readable(format)
    asked = _Asked(format, text_column, id_column, encoding, told)
    with closing(sqlite3.connect("")) as seen:
        seen.execute("create table seen (id text primary key, place text) without rowid")
        for path in paths:
            if str(path) == STDIN:
                found = _read_stdin(stdin or sys.stdin.buffer, asked)
            else:
                found = _read_path(Path(path), asked)
            for spare_id, result in found:
                if isinstance(result, InputError):
                    yield result
                else:
                    yield _admit(seen, result, result.place or str(path), spare_id)


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


_Found = Iterator[tuple[str | None, Document | InputError]]
"""What was read, after an id to take if its own is taken; only where clinspan made that of a file's name."""


def _admit(seen: sqlite3.Connection, document: Document, place: str, spare_id: str | None) -> Document | InputError:
    # An empty row is a note that says nothing. An empty file is more likely a mistake.
    if spare_id is not None and not document.text.strip():
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
        if asked.format and catalogue.by_name(asked.format).folder:
            yield from _read_corpus(path, asked.format, asked)
            return
        sign = None if asked.format else catalogue.recognise(path, text_column=asked.text_column)
        if sign is not None:
            asked.tell(path, sign)
            yield from _read_corpus(path, sign.format, asked)
            # Tables among annotated texts are inputs too; what else lies there belongs to the corpus.
            for file in _walk(path) if catalogue.by_name(sign.format).texts_apart else ():
                if isinstance(file, Path) and file.suffix.lower() in _BY_ENDING:
                    yield from _read_file(file, file.stem, asked, None)
            return
    except InputError as error:
        yield None, error
        return
    yield from _read_folder(path, replace(asked, told=catalogue.once(asked.told)))


def _read_folder(path: Path, asked: _Asked) -> _Found:
    found = False
    for file in _walk(path):
        found = True
        if isinstance(file, InputError):
            yield None, file
            continue
        ending = file.suffix.lower()
        try:
            sign = None if asked.format else _recognise_file(file, asked)
        except InputError as error:
            yield None, error
            continue
        if asked.format or sign or ending in _BY_ENDING | _TEXT:
            id = file.relative_to(path).with_suffix("").as_posix()
            yield from _read_file(file, id, asked, asked.format or (sign.format if sign else None))
        else:
            yield (
                None,
                InputError(
                    f"is not read: clinspan does not know files that end in {file.suffix!r}",
                    where=str(file),
                    expected="one of " + ", ".join(sorted((_BY_ENDING | _TEXT) - {""})) + ", or a corpus",
                    fix="Name the file itself to have it read as text.",
                ),
            )
    if not found:
        yield None, InputError("the folder holds no files", where=str(path))


def _recognise_file(path: Path, asked: _Asked) -> Sign | None:
    sign = catalogue.of_content(path, text_column=asked.text_column)
    if sign is not None and sign.format != catalogue.by_ending(path.suffix):
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
        if isinstance(result, text.Unannotated):
            bare = Path(result.where or path)
            folder = path if path.is_dir() else bare.parent
            yield from _read_file(bare, bare.relative_to(folder).with_suffix("").as_posix(), asked, "text")
        else:
            yield None, result


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
            yield from _placed(jsonl.read(path, encoding=asked.encoding), str(path))
        elif format == "csv":
            rows = csv.read(path, text_column=asked.text_column, id_column=asked.id_column, encoding=asked.encoding)
            yield from _placed(rows, str(path))
        else:
            yield path.as_posix(), text.read(path, id=id, encoding=asked.encoding)
    except InputError as error:
        yield None, error


def _placed(results: Results, where: str) -> _Found:
    none = True
    for result in results:
        none = False
        yield None, result
    if none:
        yield None, InputError("is empty", where=where)


def _read_stdin(stdin: BinaryIO, asked: _Asked) -> _Found:
    where, encoding = "standard input", asked.encoding
    if asked.format not in (None, "jsonl", "text"):
        yield None, InputError(f"is not read as {asked.format}", where=where, fix="Name a file that holds it.")
        return
    first = stdin.readline()
    try:
        check_text(first, where=where, encoding=encoding)
        if asked.format == "jsonl" or (
            asked.format is None and _is_document(decode(first, where=where, encoding=encoding))
        ):
            lines = itertools.chain([first], stdin)
            yield from _placed(jsonl.read_lines(lines, where=where, stem="stdin", encoding=encoding), where)
            return
        data = first + stdin.read()
        if asked.format is None and (found := catalogue.signs(Head(data, text_column=asked.text_column))):
            raise InputError(
                f"looks like {' or '.join(map(str, found))}, which is read from files alone",
                where=where,
                fix="Save it and name the file, or say --from text.",
            )
        whole = decode(data, where=where, encoding=encoding)
        yield (
            "standard-input",
            Document("stdin", whole, place=where, metadata=nul_remark(data, encoding)),
        )
    except InputError as error:
        yield None, error


def _is_document(line: str) -> bool:
    if not line.lstrip().startswith("{"):
        return False
    try:
        data = json.loads(line)
    except json.JSONDecodeError:
        return False
    except RecursionError:
        # JSON it is; what is wrong with it is said when it is read.
        return True
    return isinstance(data, dict) and "text" in data


def expected(paths: Iterable[str | Path], *, format: str | None = None) -> int | None:
    """The documents of texts and JSON lines, alone or in folders; None where there is anything else among them.

    It is an estimate for those who wait: it looks at names and counts lines, and what cannot be read counts too.

    Args:
        paths: as for `read`.
        format: as for `read`.
    """
    if format not in (None, "jsonl", "text"):
        return None
    total = size = 0
    try:
        for file in itertools.chain.from_iterable(_walk(p) if p.is_dir() else [p] for p in map(Path, paths)):
            if isinstance(file, InputError):
                return None
            ending = file.suffix.lower()
            if ending in _JSONL and format != "text":
                size += file.stat().st_size
                if size > _MOST:
                    return None
                total += _count_lines(file)
            elif file.is_file() and (format == "text" or ending in _TEXT):
                total += 1
            else:
                return None
    except OSError:
        return None
    return total


def _count_lines(file: Path) -> int:
    lines, last = 0, b"\n"
    with file.open("rb") as data:
        while chunk := data.read(1 << 20):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    return lines + (last != b"\n")
