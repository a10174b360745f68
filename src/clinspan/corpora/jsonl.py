"""JSON lines: a document a line, as `clinspan tag` writes them and as other tools make them; see `clinspan.codec`.

A file that is one array of such documents or of strings, and a `.json` that is one document, are read as well.

Parquet: a document a row, in the same columns; `metadata` and `windows` are JSON strings. Any table with a column
`text` is read; a column that is none of the format's own becomes metadata.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from clinspan import codec
from clinspan.corpora.format import CorpusFormat, Head, Results, one_file
from clinspan.corpora.text import cannot_read, check_text, decode, nul_remark, read_text
from clinspan.document import Document
from clinspan.errors import InputError, MissingExtra

_TEXT = re.compile(r'"text"\s*:\s*"')


def read(path: str | Path, *, encoding: str = "utf-8") -> Results:
    """The documents of a file, one at a time; a line that is none gives an error in its place and the rest goes on.

    A document without an id gets the file's stem and its line number for one, or its number in the array.

    Raises:
        InputError: when the file cannot be read at all.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if not _is_one_value(file.readline(), path):
                file.seek(0)
                yield from read_lines(file, where=str(path), stem=path.stem, encoding=encoding)
                return
        found = codec.load(read_text(path, encoding=encoding), where=str(path), lines=True)
        yield from _array(found if isinstance(found, list) else [found], path)
    except OSError as error:
        raise cannot_read(path, error) from error


def _is_one_value(line: bytes, path: Path) -> bool:
    """Whether a file that begins with this line is one array, or one object over several lines, and no JSON lines."""
    begins = line.removeprefix(b"\xef\xbb\xbf").strip()
    return begins.startswith(b"[") or (path.suffix.lower() == ".json" and begins[:1] == b"{" and begins[-1:] != b"}")


def _array(items: list[object], path: Path) -> Results:
    for number, item in enumerate(items, 1):
        where, id = f"{path}, item {number}", f"{path.stem}-{number}"
        try:
            yield codec.document_of({"text": item} if isinstance(item, str) else item, where=where, default_id=id)
        except InputError as error:
            yield error


def read_lines(lines: Iterable[bytes], *, where: str, stem: str, encoding: str = "utf-8") -> Results:
    """The same from lines of bytes, wherever they come from."""
    offset = 0
    for number, line in enumerate(lines, 1):
        place = f"{where}, line {number}"
        try:
            if number == 1:
                check_text(line, where=where, encoding=encoding)
            text = decode(line, where=place, encoding=encoding, offset=offset)
            if text.strip():
                document = codec.parse(text, where=place, default_id=f"{stem}-{number}")
                remark = nul_remark(line, encoding)
                yield replace(document, metadata={**document.metadata, **remark}) if remark else document
        except InputError as error:
            yield error
            if error.where == where:
                return
        offset += len(line)


def write(documents: Iterable[Document]) -> Iterator[str]:
    """The documents as lines; nothing is left out."""
    return (f"{codec.dump(document)}\n" for document in documents)


def _sign(head: Head) -> str | None:
    first = head.first_line_json
    if isinstance(first, dict):
        # A whole object: its own keys tell, and what is nested in them does not mislead.
        return "its first line is an object with 'text'" if isinstance(first.get("text"), str) else None
    if head.begins.startswith("["):
        return _array_sign(head)
    if head.begins.startswith("{") and _TEXT.search(head.begins) and not head.holds_collection:
        if "\n" not in head.begins:
            return "its first line is an object with 'text'"
        return "an object with 'text'" if head.ending == ".json" else None
    return None


def _array_sign(head: Head) -> str | None:
    first = head.begins[1:].lstrip()
    try:
        item, _ = json.JSONDecoder().raw_decode(first)
    except (ValueError, RecursionError):
        # The first of them may be longer than what is looked at.
        item = "" if head.cut and first.startswith('"') else None
    if isinstance(item, dict) and isinstance(item.get("text"), str):
        return "a list of objects with 'text'"
    return "a list of strings" if isinstance(item, str) and head.ending == ".json" else None


FORMAT = CorpusFormat(
    name="jsonl",
    read=lambda path, _: read(path),
    write=one_file(write),
    sign=_sign,
    endings=(".jsonl", ".ndjson", ".jsonlines"),
)


_AS_JSON = ("metadata", "windows")
_ROWS = 500


def read_parquet(path: str | Path) -> Results:
    """The documents of a table, one at a time; a row that is none gives an error in its place and the rest goes on.

    Raises:
        InputError: when the file cannot be read at all.
        MissingExtra: when pyarrow is not installed.
    """
    arrow, parquet = _pyarrow()
    path = Path(path)
    try:
        with parquet.ParquetFile(path) as file:
            rows = (row for batch in file.iter_batches(_ROWS) for row in batch.to_pylist())
            for number, row in enumerate(rows, 1):
                try:
                    yield _of_row(row, f"{path}, row {number}", f"{path.stem}-{number}")
                except InputError as error:
                    yield error
    except arrow.ArrowInvalid as error:
        raise InputError(f"is not Parquet that can be read: {error}", where=str(path)) from None
    except OSError as error:
        raise cannot_read(path, error) from error


def _of_row(row: dict[str, Any], where: str, made_id: str) -> Document:
    data = _given(row)
    if "text" in row:
        data.setdefault("text", "")
    for entity in data.get("entities") or ():
        # Arrow gives a map as a list of pairs.
        for key in ("attributes", "attribute_scores"):
            if isinstance(entity, dict) and isinstance(entity.get(key), list):
                entity[key] = dict(entity[key])
    for key in _AS_JSON:
        if isinstance(data.get(key), str):
            data[key] = codec.load(data[key], where=f"{where}, column {key!r}")
    return codec.parse(json.dumps(data, ensure_ascii=False, default=str), where=where, default_id=made_id)


def _given(value: Any) -> Any:
    """Without the nulls, which stand for what is not there."""
    if isinstance(value, dict):
        return {key: _given(part) for key, part in value.items() if part is not None}
    return [_given(part) for part in value] if isinstance(value, list) else value


def write_parquet(documents: Iterable[Document], path: str | Path) -> None:
    """Writes the documents to a new file; nothing is left out.

    Raises:
        TypeError: when the metadata hold what JSON cannot say.
        MissingExtra: when pyarrow is not installed.
    """
    with closing(Rows(path)) as rows:
        for document in documents:
            rows.add_document(document)


class TableFile:
    """A new file that takes rows one at a time.

    Args:
        path: the file.
        columns: their names, and pyarrow's names of their types; None for those of documents.

    Raises:
        MissingExtra: when pyarrow is not installed.
    """

    def __init__(self, path: str | Path, columns: Mapping[str, str] | None = None):
        self._arrow, parquet = _pyarrow()
        self._schema = _schema(self._arrow) if columns is None else _of_columns(self._arrow, columns)
        self._waiting: list[dict[str, Any]] = []
        self._writer = parquet.ParquetWriter(path, self._schema)

    def add(self, row: dict[str, Any]) -> None:
        """Takes one more."""
        self._waiting.append(row)
        if len(self._waiting) == _ROWS:
            self._flush()

    def close(self) -> None:
        """Writes what is waiting and the file's end."""
        if self._waiting:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._waiting, schema=self._schema))
        self._waiting = []


class Rows(TableFile):
    """A new file that takes documents one at a time; see `TableFile`."""

    def add_document(self, document: Document) -> None:
        """Takes one more.

        Raises:
            TypeError: when its metadata hold what JSON cannot say.
        """
        self.add(_row(document))


def _row(document: Document) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(codec.dump(document))
    return row | {key: json.dumps(row[key], ensure_ascii=False) for key in _AS_JSON if key in row}


def _schema(arrow: Any) -> Any:
    string, whole, real = arrow.string(), arrow.int64(), arrow.float64()
    concept = {"id": string, "name": string, "source": string, "types": arrow.list_(string), "score": real}
    concept |= {"reason": string, "equivalents": arrow.list_(string)}
    entity = {
        "id": string,
        "start": whole,
        "end": whole,
        "text": string,
        "label": string,
        "score": real,
        "match": string,
        "concepts": arrow.list_(arrow.struct(list(concept.items()))),
        "fragments": arrow.list_(arrow.list_(whole)),
        "rules": arrow.list_(string),
        "attributes": arrow.map_(string, string),
        "attribute_scores": arrow.map_(string, real),
    }
    entities = arrow.list_(arrow.struct(list(entity.items())))
    return arrow.schema({"id": string, "text": string, "entities": entities, "metadata": string, "windows": string})


def _of_columns(arrow: Any, columns: Mapping[str, str]) -> Any:
    made = {
        name: arrow.timestamp("s") if kind == "timestamp" else getattr(arrow, kind)() for name, kind in columns.items()
    }
    return arrow.schema(made)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet", purpose="reading or writing Parquet") from error
    return pyarrow, pyarrow.parquet


PARQUET = CorpusFormat(
    name="parquet",
    read=lambda path, _: read_parquet(path),
    write=write_parquet,
    sign=lambda head: "its first bytes" if head.data.startswith(b"PAR1") else None,
    endings=(".parquet",),
)
