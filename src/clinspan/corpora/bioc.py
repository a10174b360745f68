"""BioC, in XML and JSON: documents of passages, annotations that name offset, length and text.

Some tools count offsets in code points, others in bytes of UTF-8, and no field says which. A file is read in the unit
in which its annotations and passages fit. The text is the passages at their offsets, gaps filled with a line end
and spaces. What else there is is kept in the metadata, under `bioc`:

    {"infons": {...}, "passages": [[start, end, infons], ...], "ids": [of the entities, in order],
     "annotations": [the infons of each that are no attributes], "relations": [as they stand]}

An annotation's infons are the entity's attributes, but for `type`, `identifier`, `vocabulary` and `score`.

The form both are read into and written from is that of BioC JSON; XML comes through `clinspan.corpora.bioc_xml`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clinspan.corpora import bioc_object, bioc_xml, json_file
from clinspan.corpora.bioc_reading import Item, Reading
from clinspan.corpora.offsets import Unit
from clinspan.document import Document
from clinspan.errors import InputError


def read_xml(
    path: str | Path, *, labels: Mapping[str, str] | None = None, lenient: bool = False, unit: Unit | None = None
) -> Iterator[Document | InputError]:
    """The documents of an XML file; see `read_json`. A file that breaks off gives the documents before that."""
    found = bioc_xml.documents(Path(path))
    items = [item if isinstance(item, InputError) else (item, str(item["where"])) for item in found]
    yield from _results(items, labels or {}, lenient, unit)


def read_json(
    path: str | Path, *, labels: Mapping[str, str] | None = None, lenient: bool = False, unit: Unit | None = None
) -> Iterator[Document | InputError]:
    """The documents of a file: a collection, a document, or a list of either.

    Args:
        path: the file, in UTF-8.
        labels: new names for the types; one that is not among them keeps its own.
        lenient: gives documents without their wrong annotations, after the errors that name them.
        unit: what offsets count, code points or bytes; None: what fits.

    Raises:
        InputError: when the file cannot be read at all.
    """
    content = json_file.load(Path(path))
    items = [(item, f"{path}, document {number}") for number, item in enumerate(_documents(content, str(path)), 1)]
    yield from _results(items, labels or {}, lenient, unit)


def _documents(content: object, where: str) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, list):
        for item in content:
            yield from _documents(item, where)
    elif isinstance(content, dict) and "passages" in content:
        yield content
    elif isinstance(content, dict) and ("documents" in content or "PubTator3" in content):
        yield from _documents(content.get("documents", content.get("PubTator3")), where)
    else:
        raise InputError("is no BioC collection", where=where, expected='{"documents": [{"passages": ...}]}')


def _results(
    items: Sequence[Item | InputError], labels: Mapping[str, str], lenient: bool, unit: Unit | None
) -> Iterator[Document | InputError]:
    points = [_reading(item, labels, unit or Unit.CODE_POINT) for item in items]
    readings = points
    if unit is None:
        # Of a text in ASCII both units are one.
        pairs = zip(items, points, strict=True)
        octets = [
            point if isinstance(point, InputError) or point.text.isascii() else _reading(item, labels, Unit.BYTE)
            for item, point in pairs
        ]
        readings = min(points, octets, key=_misfit)
    for reading in readings:
        if isinstance(reading, InputError):
            yield reading
            continue
        yield from reading.errors if lenient else reading.errors[:1]
        if not reading.broken and (lenient or not reading.errors):
            entities = tuple(reading.entities)
            yield Document(reading.id, reading.text, entities, metadata=reading.metadata(), place=reading.where)


def _reading(item: Item | InputError, labels: Mapping[str, str], unit: Unit) -> Reading | InputError:
    if isinstance(item, InputError):
        return item
    try:
        return Reading(*item, labels, unit)
    except InputError as error:
        return error


def _misfit(readings: Sequence[Reading | InputError]) -> tuple[int, int]:
    """How many annotations do not fit, and how many passages are not one character apart."""
    read = [reading for reading in readings if not isinstance(reading, InputError)]
    return sum(len(reading.errors) for reading in read), sum(reading.odd_gaps for reading in read)


def write_json(documents: Iterable[Document], *, unit: Unit = Unit.CODE_POINT) -> Iterator[str]:
    """The documents as one collection; see `write_xml`."""
    yield '{"source": "clinspan", "date": "", "key": "", "infons": {}, "documents": [\n'
    for number, document in enumerate(documents):
        yield (",\n" if number else "") + json.dumps(bioc_object.of(document, unit), ensure_ascii=False)
    yield "\n]}\n"


def write_xml(documents: Iterable[Document], *, unit: Unit = Unit.CODE_POINT) -> Iterator[str]:
    """The documents as one collection, in pieces.

    A document that was not read from BioC is one passage. Names, types and scores of concepts are left out, and so is
    how an entity was matched. A character that XML does not have becomes U+FFFD.

    Args:
        documents: any.
        unit: what offsets count: code points, as most tools expect today, or bytes.
    """
    yield bioc_xml.HEAD
    for document in documents:
        yield bioc_xml.dump(bioc_object.of(document, unit))
    yield bioc_xml.TAIL
