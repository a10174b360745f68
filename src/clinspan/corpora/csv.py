"""CSV: a document a row, its text in a named column, every other column kept as metadata."""

import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from clinspan.corpora.format import TEXTS, CorpusFormat, Head, Results
from clinspan.corpora.tables import FLAT_COLUMNS
from clinspan.corpora.text import cannot_read, check_text, decode, nul_remark
from clinspan.document import Document
from clinspan.errors import InputError, did_you_mean

_DELIMITERS = (",", ";", "\t")
_OF_EXPORT = FLAT_COLUMNS[: FLAT_COLUMNS.index("label") + 1]
"""The first columns of the table of entities that clinspan writes, whose `text` is no note."""
_LARGEST_FIELD = min(sys.maxsize, 2**31 - 1)


def read(
    path: str | Path,
    *,
    text_column: str = "text",
    id_column: str | None = None,
    encoding: str = "utf-8",
) -> Results:
    """The documents of a file, one at a time; a row that is none gives an error in its place and the rest goes on.

    The first row names the columns; comma, semicolon or tab parts them, whichever makes the text column appear.

    Args:
        path: the file.
        text_column: the column with the texts.
        id_column: the column with the ids; without one, `id` if there is such a column, else the file's stem and the
            row's line number.
        encoding: any that Python knows and in which a line end is the byte 10.

    Raises:
        InputError: when the file cannot be read, lacks a column, or is a table of entities that clinspan wrote.
    """
    path = Path(path)
    # The limit is the csv module's own, for the whole process; its default of 128 KB is less than a long note.
    csv.field_size_limit(_LARGEST_FIELD)
    try:
        with path.open("rb") as file:
            yield from _documents(_Lines(file, str(path), encoding), path, text_column, id_column)
    except OSError as error:
        raise cannot_read(path, error) from error


@dataclass
class _Lines:
    """Decodes line by line and remembers what could not be, so that the row it belongs to can be named."""

    file: Iterable[bytes]
    where: str
    encoding: str
    number: int = 0
    nuls: bytes = b""
    fault: InputError | None = None

    def __iter__(self) -> Iterator[str]:
        offset = 0
        for line in self.file:
            self.number += 1
            if self.number == 1:
                check_text(line, where=self.where, encoding=self.encoding)
            place = f"{self.where}, line {self.number}"
            if b"\0" in line:
                self.nuls += line
            try:
                yield decode(line, where=place, encoding=self.encoding, offset=offset)
            except InputError as error:
                self.fault = self.fault or error
                # Latin-1 keeps every byte, so that commas and quotes stay where they are; the row is not used.
                yield line.replace(b"\0", b"?").decode("latin-1")
            offset += len(line)

    def take_remark(self) -> dict[str, object]:
        remark, self.nuls = nul_remark(self.nuls, self.encoding), b""
        return remark

    def take_fault(self) -> InputError | None:
        fault, self.fault = self.fault, None
        return fault


def _documents(lines: _Lines, path: Path, text_column: str, id_column: str | None) -> Results:
    source = iter(lines)
    header = next(source, None)
    if header is None:
        raise InputError("is empty", where=str(path), expected=f"a first row with a column {text_column!r}")
    if fault := lines.take_fault():
        raise fault
    delimiter, names = _header(header, text_column, where=str(path))
    if tuple(names[: len(_OF_EXPORT)]) == _OF_EXPORT:
        raise InputError(
            "is an export of clinspan with a row for each entity; notes cannot be read from it",
            where=str(path),
            fix=f"Give the JSON lines: clinspan tag ... -o {path.with_suffix('.jsonl')}",
        )
    if id_column is None and "id" in names:
        id_column = "id"
    elif id_column is not None and id_column not in names:
        raise InputError(f"there is no column {id_column!r}", where=str(path), fix=did_you_mean(id_column, names))
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        first = lines.number + 1
        place = f"{path}, line {first}"
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # What follows a broken quote cannot be told apart from what it holds.
            raise InputError(f"is not CSV from here on: {error}", where=place) from None
        remark = lines.take_remark()
        if fault := lines.take_fault():
            yield fault
        elif row:
            made = f"{path.stem}-{first}"
            found = _document(row, names, place, text_column, id_column, made)
            if remark and isinstance(found, Document):
                found = replace(found, metadata={**found.metadata, **remark})
            yield found


def _header(line: str, text_column: str, *, where: str) -> tuple[str, list[str]]:
    readings = {delimiter: next(csv.reader([line], delimiter=delimiter), []) for delimiter in _DELIMITERS}
    for delimiter, names in readings.items():
        if text_column in names:
            return delimiter, names
    names = max(readings.values(), key=len)
    raise InputError(
        f"there is no column {text_column!r}",
        where=where,
        fix=did_you_mean(text_column, names) + " Name the column with --text-column.",
    )


def _document(
    row: list[str],
    names: list[str],
    where: str,
    text_column: str,
    id_column: str | None,
    made_id: str,
) -> Document | InputError:
    if len(row) != len(names):
        return InputError(f"has {len(row)} fields", where=where, expected=f"{len(names)}, as in the first row")
    fields = dict(zip(names, row, strict=True))
    id = fields[id_column] if id_column else made_id
    if not id:
        return InputError(f"the column {id_column!r} is empty", where=where, expected="an id")
    metadata = {name: value for name, value in fields.items() if name not in (text_column, id_column)}
    return Document(id, fields[text_column], metadata=metadata, place=where)


def _sign(head: Head) -> str | None:
    if head.ending in TEXTS:
        return None
    named = any(len(names) > 1 and head.text_column in names for names in head.columns)
    return f"its first line has the column {head.text_column!r}" if named else None


FORMAT = CorpusFormat(name="csv", read=lambda path, _: read(path), sign=_sign, endings=(".csv",))
