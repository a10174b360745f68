"""Parquet: a document a row, in the columns of clinspan's JSON lines; `metadata` and `windows` are JSON strings.

Any table with a column `text` is read; a column that is none of the format's own becomes metadata.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from clinspan import codec
from clinspan.corpora.format import CorpusFormat, Results
from clinspan.corpora.text import cannot_read
from clinspan.document import Document
from clinspan.errors import InputError, MissingExtra

_AS_JSON = ("metadata", "windows")
_ROWS = 500


def read(path: str | Path) -> Results:
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
                    yield _document(row, f"{path}, row {number}", f"{path.stem}-{number}")
                except InputError as error:
                    yield error
    except arrow.ArrowInvalid as error:
        raise InputError(f"is not Parquet that can be read: {error}", where=str(path)) from None
    except OSError as error:
        raise cannot_read(path, error) from error


def _document(row: dict[str, Any], where: str, made_id: str) -> Document:
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


def write(documents: Iterable[Document], path: str | Path) -> None:
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


FORMAT = CorpusFormat(
    name="parquet",
    read=lambda path, _: read(path),
    write=write,
    sign=lambda head: "its first bytes" if head.data.startswith(b"PAR1") else None,
    endings=(".parquet",),
)
