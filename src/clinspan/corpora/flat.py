"""Entities as a table: a row an entity, as CSV for spreadsheets or as a data frame of pandas or polars."""

import csv
import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from clinspan.corpora.format import CorpusFormat
from clinspan.document import Document, Entity
from clinspan.errors import ConfigError, MissingExtra

COLUMNS = (
    "document",
    "id",
    "start",
    "end",
    "text",
    "label",
    "score",
    "match",
    "section",
    "attributes",
    "concept_ids",
    "concept_names",
)
"""Of the CSV. A data frame has a column for each attribute in place of `attributes`."""
SECTION = "section"
_PACKAGES = ("pandas", "polars")


def section_of(document: Document, entity: Entity) -> str | None:
    """The section that an entity stands in, as `clinspan assess --sections` says; None where nothing does."""
    if (own := entity.attribute(SECTION)) is not None:
        return own
    told = document.metadata.get("sections")
    for part in told if isinstance(told, list) else ():
        whole = isinstance(part, dict) and {"name", "start", "end"} <= part.keys()
        if whole and part["start"] <= entity.start < part["end"]:
            return str(part["name"])
    return None


def rows(document: Document) -> Iterator[dict[str, Any]]:
    """A row for each entity, under the names of `COLUMNS`; attributes as a mapping, concepts as lists, best first."""
    for entity in document.entities:
        yield {
            "document": document.id,
            "id": entity.id,
            "start": entity.start,
            "end": entity.end,
            "text": entity.text,
            "label": entity.label,
            "score": entity.score,
            "match": entity.match.value,
            "section": section_of(document, entity),
            "attributes": {name: value for name, value in entity.attributes.items() if name != SECTION},
            "concept_ids": [concept.id for concept in entity.concepts],
            "concept_names": [concept.name for concept in entity.concepts],
        }


def write(documents: Iterable[Document], path: str | Path) -> None:
    """Writes a new CSV file. Attributes are a JSON object in one field; ids and names of concepts are parted by `|`."""
    with Path(path).open("x", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for document in documents:
            writer.writerows(map(_fields, rows(document)))


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    attributes = json.dumps(row["attributes"], ensure_ascii=False) if row["attributes"] else ""
    ids, names = ("|".join(row[name]) for name in ("concept_ids", "concept_names"))
    return {**row, "attributes": attributes, "concept_ids": ids, "concept_names": names}


def to_dataframe(documents: Document | Iterable[Document], *, package: str | None = None) -> Any:
    """A data frame with a row for each entity and a column for each attribute that one of them has.

    Args:
        documents: one document or several.
        package: `pandas` or `polars`; None for pandas where it is installed, else polars.

    Raises:
        ConfigError: when the package is neither.
        MissingExtra: when it is not installed.
    """
    frames = _frames(package)
    found = [row for one in ([documents] if isinstance(documents, Document) else documents) for row in rows(one)]
    names = list(dict.fromkeys(name for row in found for name in row["attributes"]))
    columns: dict[str, list[Any]] = {name: [row[name] for row in found] for name in COLUMNS if name != "attributes"}
    for name in names:
        # An attribute that is called as a column is keeps the column as it is.
        shown = f"attribute_{name}" if name in columns else name
        columns[shown] = [row["attributes"].get(name) for row in found]
    if frames.__name__ == "pandas":
        return frames.DataFrame(columns)
    kinds = {"start": frames.Int64, "end": frames.Int64, "score": frames.Float64}
    lists = frames.List(frames.String)
    kinds |= {name: lists if name.startswith("concept_") else frames.String for name in columns if name not in kinds}
    return frames.DataFrame(columns, schema=kinds)


def _frames(package: str | None) -> Any:
    if package is not None and package not in _PACKAGES:
        raise ConfigError(f"{package!r} makes no data frames here", expected=" or ".join(_PACKAGES))
    wanted = (package,) if package is not None else _PACKAGES
    for name in wanted:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise MissingExtra(wanted[0], wanted[0], purpose="a data frame")


FORMAT = CorpusFormat(
    name="flat-csv",
    write=write,
    endings=(".csv",),
    loses="texts of documents, documents without entities, gaps, sources, types and scores of concepts, metadata, and "
    "reports of windows",
)
