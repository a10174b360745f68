"""Entities as a table, a row an entity: as CSV for spreadsheets, or as a data frame of pandas or polars.

And the table NOTE_NLP of the OMOP Common Data Model 5.4, as CSV or Parquet. All of them are only written.
"""

import csv
import importlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clinspan.corpora.format import CorpusFormat
from clinspan.corpora.jsonl import TableFile
from clinspan.document import Document, Entity
from clinspan.errors import ConfigError, MissingExtra, OutputError

FLAT_COLUMNS = (
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


def flat_rows(document: Document) -> Iterator[dict[str, Any]]:
    """A row for each entity, under the names of `FLAT_COLUMNS`; attributes a mapping, concepts lists, best first."""
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


def write_flat(documents: Iterable[Document], path: str | Path) -> None:
    """Writes a new CSV file. Attributes are a JSON object in one field; ids and names of concepts are parted by `|`.

    No field is changed for spreadsheets, which take a text with `=` before it as a formula: the text at the offsets is
    the text that is written.
    """
    with Path(path).open("x", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FLAT_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for document in documents:
            writer.writerows(map(_fields, flat_rows(document)))


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
    found = [row for one in ([documents] if isinstance(documents, Document) else documents) for row in flat_rows(one)]
    names = list(dict.fromkeys(name for row in found for name in row["attributes"]))
    columns: dict[str, list[Any]] = {
        name: [row[name] for row in found] for name in FLAT_COLUMNS if name != "attributes"
    }
    for name in names:
        # An attribute that is called as a column is keeps the column as it is.
        shown = f"attribute_{name}" if name in columns else name
        columns[shown] = [row["attributes"].get(name) for row in found]
    if frames.__name__ == "pandas":
        return frames.DataFrame(columns)
    kinds = {"start": frames.Int64, "end": frames.Int64, "score": frames.Float64}
    lists = frames.List(frames.String)
    kinds |= {name: lists if name.startswith("concept_") else frames.String for name in columns if name not in kinds}
    return frames.DataFrame(columns, schema={name: kinds[name] for name in columns})


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


FLAT = CorpusFormat(
    name="flat-csv",
    write=write_flat,
    endings=(".csv",),
    loses="texts of documents, documents without entities, gaps, sources, types and scores of concepts, metadata, and "
    "reports of windows",
)


OMOP_COLUMNS = {
    "note_nlp_id": "int64",
    "note_id": "int64",
    "section_concept_id": "int64",
    "snippet": "string",
    "offset": "string",
    "lexical_variant": "string",
    "note_nlp_concept_id": "int64",
    "note_nlp_source_concept_id": "int64",
    "nlp_system": "string",
    "nlp_date": "date32",
    "nlp_datetime": "timestamp",
    "term_exists": "string",
    "term_temporal": "string",
    "term_modifiers": "string",
}
"""Names and types, in the order of the model."""
_NOT_THERE = frozenset({"absent", "possible", "conditional", "hypothetical", "associated-with-someone-else"})
_TIMES = {"current": "Present", "past": "Past"}
_SHORT, _LONG = 250, 2000  # characters that the model's columns hold
_AROUND = 60


def omop_rows(documents: Iterable[Document], *, now: datetime) -> Iterator[dict[str, Any]]:
    """A row for each entity.

    `note_id` is the document's id where that is a whole number. Where the first document's is none, notes are numbered
    in order, and `term_modifiers` names the document.

    Raises:
        OutputError: when only some documents have an id that is a whole number.
    """
    system, written = f"clinspan {version('clinspan')}"[:_SHORT], 0
    numbered: bool | None = None
    for place, document in enumerate(documents, 1):
        whole = document.id.isascii() and document.id.isdecimal()
        numbered = not whole if numbered is None else numbered
        if not numbered and not whole:
            raise OutputError(
                f"document {document.id!r} has an id that is not a whole number, and others have one",
                expected="whole numbers as ids in all documents, or in none",
            )
        for entity in document.entities:
            written += 1
            concept = _concept(entity)
            yield {
                "note_nlp_id": written,
                "note_id": place if numbered else int(document.id),
                "section_concept_id": 0,
                "snippet": _snippet(document.text, entity),
                "offset": str(entity.start),
                "lexical_variant": " ".join(entity.text.split())[:_SHORT],
                "note_nlp_concept_id": concept,
                "note_nlp_source_concept_id": 0,
                "nlp_system": system,
                "nlp_date": now.date(),
                "nlp_datetime": now.replace(tzinfo=None, microsecond=0),
                "term_exists": "N" if entity.attribute("assertion") in _NOT_THERE else "Y",
                "term_temporal": _TIMES.get(entity.attribute("temporality") or ""),
                "term_modifiers": _modifiers(document, entity, named=numbered),
            }


def _concept(entity: Entity) -> int:
    """The OMOP concept, where the dictionary was built of OMOP's own vocabulary; else 0, which means none."""
    ids = (one.bare_id for one in entity.concepts if one.source.casefold() == "omop")
    return next((int(id) for id in ids if id.isdecimal()), 0)


def _snippet(text: str, entity: Entity) -> str:
    """The words around an entity, whole ones."""
    start, end = max(0, entity.start - _AROUND), min(len(text), entity.end + _AROUND)
    before, after = text[start : entity.start], text[entity.end : end]
    before = before.partition(" ")[2] if start else before
    after = after.rpartition(" ")[0] if end < len(text) else after
    return " ".join(f"{before}{entity.text}{after}".split())[:_SHORT]


def _modifiers(document: Document, entity: Entity, *, named: bool) -> str:
    """What else is known, as `name=value` parted by `; `; what is too long for the column is left out whole."""
    said = {"document": document.id} if named else {}
    said["label"] = entity.label
    said |= {name: value for name, value in entity.attributes.items() if name != "section"}
    section = section_of(document, entity)
    if section is not None:
        said["section"] = section
    if entity.id is not None:
        said["id"] = entity.id
    if entity.score is not None:
        said["score"] = f"{entity.score:.4g}"
    if entity.concepts:
        best = entity.concepts[0]
        said |= {"concept": best.id, "concept_name": best.name, "concept_source": best.source}
    kept = ""
    for name, value in said.items():
        more = f"{name}={' '.join(value.split()).replace(';', ',')}"
        if value and len(kept) + len(more) + 2 <= _LONG:
            kept += f"; {more}" if kept else more
    return kept


def write_csv(documents: Iterable[Document], path: str | Path) -> None:
    """Writes a new CSV file with a header; what is not known is empty."""
    with Path(path).open("x", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, OMOP_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(omop_rows(documents, now=_now()))


def write_parquet(documents: Iterable[Document], path: str | Path) -> None:
    """Writes a new Parquet file.

    Raises:
        MissingExtra: when pyarrow is not installed.
    """
    with closing(TableFile(path, OMOP_COLUMNS)) as table:
        for row in omop_rows(documents, now=_now()):
            table.add(row)


def _now() -> datetime:
    """The time of writing, or the one that `SOURCE_DATE_EPOCH` names, so that a file can be made again."""
    named = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(named), UTC) if named.isdecimal() else datetime.now(UTC)


_OMOP_LOSES = (
    "texts of documents, ids of documents that are no whole numbers (term_modifiers has them), gaps, candidates "
    "but the best concept, metadata, and reports of windows; concept ids are 0 but for concepts of OMOP itself"
)
OMOP_CSV = CorpusFormat(name="omop-csv", write=write_csv, endings=(".omop.csv",), loses=_OMOP_LOSES)
OMOP_PARQUET = CorpusFormat(name="omop-parquet", write=write_parquet, endings=(".omop.parquet",), loses=_OMOP_LOSES)
