"""BioC, in XML and JSON: documents of passages, annotations that name offset, length and text.

Some tools count offsets in code points, others in bytes of UTF-8, and no field says which. A file is read in the unit
in which its annotations and passages fit. The text is the passages at their offsets, gaps filled with a line end
and spaces. What else there is is kept in the metadata, under `bioc`:

    {"infons": {...}, "passages": [[start, end, infons], ...], "ids": [of the entities, in order],
     "annotations": [the infons of each that are no attributes], "relations": [as they stand]}

An annotation's infons are the entity's attributes, but for `type`, `identifier`, `vocabulary` and `score`. The infon
`of` of a detail is the id of the annotation that it belongs to; where one stands, entities have the ids of annotations.

BioC JSON is the form that both are read into and written from; `clinspan.corpora.bioc_xml` turns XML into it and back.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clinspan import codec
from clinspan.corpora import bioc_xml
from clinspan.corpora.format import CorpusFormat, Head, Results, Ruler, Unit, one_file, with_ids, written_ids
from clinspan.corpora.text import read_text
from clinspan.document import OF, Concept, Document, Entity, Span
from clinspan.errors import InputError

_LARGEST_GAP = 1_000_000
_OWN_INFONS = frozenset({"type", "identifier", "vocabulary", "score"})

_Item = tuple[Mapping[str, Any], str]
"""A document and the place it stands in."""


class _Reading:
    """What there is in one document whose offsets are taken to count one unit.

    Attributes:
        where: the place it stands in.
        errors: the annotations that do not fit, and the pieces of text that overlap.
        broken: whether the text itself could not be put together.
        odd_gaps: passages that are not one character apart; many where offsets count another unit.
    """

    def __init__(self, item: Mapping[str, Any], where: str, unit: Unit):
        self.where = where
        self.id = _string(item, "id", where)
        self.text = ""
        self.errors: list[InputError] = []
        self.broken = False
        self.odd_gaps = 0
        self.entities: list[Entity] = []
        self.infons = _infons(item, where)
        self.passages: list[list[object]] = []
        self.ids: list[str] = []
        self.others: list[dict[str, object]] = []
        self.relations = list(_items(item, "relations", where))
        self._unit = unit
        found: list[_Item] = []
        self._add(item, where, found)
        self._ruler = Ruler(self.text, unit)
        for annotation, place in found:
            try:
                self._annotate(annotation, place)
            except InputError as error:
                self.errors.append(error)
        self.entities = list(with_ids(self.entities, self.ids))

    def metadata(self) -> dict[str, object]:
        """What to keep beside the entities; nothing where they say it all."""
        whole = [[0, len(self.text), {}]]
        data: dict[str, object] = {}
        if self.infons:
            data["infons"] = self.infons
        if self.passages != whole and self.passages:
            data["passages"] = self.passages
        if self.ids not in ([entity.id for entity in self.entities], [str(n) for n in range(1, len(self.ids) + 1)]):
            data["ids"] = self.ids
        if any(self.others):
            data["annotations"] = self.others
        if self.relations:
            data["relations"] = [{k: v for k, v in one.items() if k != "where"} for one in self.relations]
        return {"bioc": data} if data else {}

    def _add(self, item: Mapping[str, Any], where: str, found: list[_Item]) -> None:
        for number, passage in enumerate(_items(item, "passages", where), 1):
            place = passage.get("where", f"{where}, passage {number}")
            start = None
            sentences = list(_items(passage, "sentences", place))
            for n, piece in enumerate([passage] if passage.get("text") or not sentences else sentences, 1):
                spot = place if piece is passage else piece.get("where", f"{place}, sentence {n}")
                at = self._append(_number(piece, "offset", spot), _string(piece, "text", spot, default=""), spot)
                start = at if start is None else start
            self.passages.append([start, len(self.text), _infons(passage, place)])
            self.relations.extend(_items(passage, "relations", place))
            for n, holder in enumerate([passage, *sentences]):
                spot = place if n == 0 else f"{place}, sentence {n}"
                for m, annotation in enumerate(_items(holder, "annotations", spot), 1):
                    found.append((annotation, annotation.get("where", f"{spot}, annotation {m}")))
        for m, annotation in enumerate(_items(item, "annotations", where), 1):
            found.append((annotation, annotation.get("where", f"{where}, annotation {m}")))

    def _append(self, offset: int, text: str, where: str) -> int:
        """Puts a piece of text at its offset; gives the code point it begins at."""
        gap = offset - Ruler(self.text, self._unit).length
        if gap < 0 or gap > _LARGEST_GAP:
            self.broken = True
            why = "within the text before it" if gap < 0 else f"{gap} past the text before it"
            self.errors.append(InputError(f"begins at {offset}, {why}", where=where))
            gap = 0
        self.odd_gaps += bool(self.text) and gap != 1
        if gap:
            self.text += "\n" + " " * (gap - 1)
        start = len(self.text)
        self.text += text
        return start

    def _annotate(self, annotation: Mapping[str, Any], where: str) -> None:
        infons = _infons(annotation, where)
        kind = infons.get("type")
        if not isinstance(kind, str) or not kind:
            raise InputError("an annotation has no type", where=where, expected="an infon 'type'")
        spans = []
        for location in _items(annotation, "locations", where):
            offset, length = _number(location, "offset", where), _number(location, "length", where)
            try:
                spans.append(Span(self._ruler.start(offset), self._ruler.end(offset + length)))
            except ValueError as error:
                raise InputError(f"{offset} and {length} on: {error}", where=where) from None
        spans.sort()
        if not spans:
            raise InputError("an annotation has no location", where=where)
        hull = Span(spans[0].start, spans[-1].end)
        mention = _string(annotation, "text", where, default="")
        stands = [" ".join(span.of(self.text) for span in spans), hull.of(self.text)]
        if mention and all(mention.split() != one.split() for one in stands):
            raise InputError(f"{stands[0]!r} stands at {spans[0].start}, not {mention!r}", where=where)
        try:
            entity = Entity(
                hull,
                kind,
                hull.of(self.text),
                score=float(infons["score"]) if "score" in infons else None,
                concepts=tuple(_concepts(infons, hull.of(self.text))),
                fragments=tuple(spans) if len(spans) > 1 else (),
                attributes={key: value for key, value in infons.items() if _is_attribute(key, value)},
            )
        except (TypeError, ValueError) as error:
            raise InputError(str(error), where=where) from None
        self.entities.append(entity)
        self.ids.append(str(annotation.get("id", len(self.ids) + 1)))
        kept = {key: value for key, value in infons.items() if not _is_attribute(key, value)}
        self.others.append({key: value for key, value in kept.items() if key not in _OWN_INFONS})


def _is_attribute(key: str, value: object) -> bool:
    return key not in _OWN_INFONS and bool(key) and isinstance(value, str) and bool(value)


def _concepts(infons: Mapping[str, Any], mention: str) -> Iterator[Concept]:
    ids = [one for one in str(infons.get("identifier") or "").split("|") if one not in ("", "-")]
    sources = str(infons.get("vocabulary") or "").split("|")
    for number, id in enumerate(ids):
        known = sources[number] if len(sources) == len(ids) else ""
        yield Concept(id, mention, known or id.rpartition(":")[0])


def _items(data: Mapping[str, Any], key: str, where: str) -> Iterator[Mapping[str, Any]]:
    items = data.get(key) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InputError(f"{key!r} is not a list of objects", where=where)
    yield from items


def _infons(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    infons = data.get("infons") or {}
    if not isinstance(infons, dict):
        raise InputError("'infons' is not an object", where=where)
    return infons


def _string(data: Mapping[str, Any], key: str, where: str, *, default: str | None = None) -> str:
    value = data.get(key, default)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise InputError(f"{key!r} is missing or no string", where=where)
    return value


def _number(data: Mapping[str, Any], key: str, where: str) -> int:
    value = data.get(key)
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{key!r} is {value!r}", where=where, expected="a whole number")
    return value


def read_xml(path: str | Path, *, lenient: bool = False, unit: Unit | None = None) -> Results:
    """The documents of an XML file; see `read_json`. A file that breaks off gives the documents before that."""
    found = bioc_xml.documents(Path(path))
    items = [item if isinstance(item, InputError) else (item, str(item["where"])) for item in found]
    yield from _results(items, lenient, unit)


def read_json(path: str | Path, *, lenient: bool = False, unit: Unit | None = None) -> Results:
    """The documents of a file: a collection, a document, or a list of either.

    Args:
        path: the file, in UTF-8.
        lenient: gives documents without their wrong annotations, after the errors that name them.
        unit: what offsets count, code points or bytes; None: what fits.

    Raises:
        InputError: when the file cannot be read at all.
    """
    content = codec.load(read_text(Path(path)), where=str(path), lines=True)
    items = [(item, f"{path}, document {number}") for number, item in enumerate(_documents(content, str(path)), 1)]
    yield from _results(items, lenient, unit)


def _documents(content: object, where: str) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, list):
        for item in content:
            yield from _documents(item, where)
    elif isinstance(content, dict) and "passages" in content:
        yield content
    elif isinstance(content, dict) and ("documents" in content or "PubTator3" in content):
        yield from _documents(content.get("documents", content.get("PubTator3")), where)
    else:
        raise InputError("is not a BioC collection", where=where, expected='{"documents": [{"passages": ...}]}')


def _results(items: Sequence[_Item | InputError], lenient: bool, unit: Unit | None) -> Results:
    points = [_reading(item, unit or Unit.CODE_POINT) for item in items]
    readings = points
    if unit is None:
        # Of a text in ASCII both units are one.
        pairs = zip(items, points, strict=True)
        octets = [
            point if isinstance(point, InputError) or point.text.isascii() else _reading(item, Unit.BYTE)
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


def _reading(item: _Item | InputError, unit: Unit) -> _Reading | InputError:
    if isinstance(item, InputError):
        return item
    try:
        return _Reading(*item, unit)
    except InputError as error:
        return error


def _misfit(readings: Sequence[_Reading | InputError]) -> tuple[int, int]:
    """How many annotations do not fit, and how many passages are not one character apart."""
    read = [reading for reading in readings if not isinstance(reading, InputError)]
    return sum(len(reading.errors) for reading in read), sum(reading.odd_gaps for reading in read)


def write_json(documents: Iterable[Document], *, unit: Unit = Unit.CODE_POINT) -> Iterator[str]:
    """The documents as one collection; see `write_xml`."""
    yield '{"source": "clinspan", "date": "", "key": "", "infons": {}, "documents": [\n'
    for number, document in enumerate(documents):
        yield (",\n" if number else "") + json.dumps(_object(document, unit), ensure_ascii=False)
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
        yield bioc_xml.dump(_object(document, unit))
    yield bioc_xml.TAIL


def _object(document: Document, unit: Unit) -> dict[str, Any]:
    """A document as the object that BioC JSON has for it."""
    ruler = Ruler(document.text, unit)
    kept = document.metadata.get("bioc")
    data: Mapping[str, Any] = kept if isinstance(kept, dict) else {}
    entities = _entities(document, data, ruler)
    passages = []
    places = _places(data, len(document.text))
    for number, (start, end, infons) in enumerate(places):
        # An annotation belongs to the passage it begins in, one in a gap to the passage before.
        until = places[number + 1][0] if number + 1 < len(places) else len(document.text) + 1
        since = start if number else 0
        inside = [said for entity, said in entities if since <= entity.start < until]
        passages.append(
            {
                "offset": ruler.units(start),
                "infons": infons,
                "text": document.text[start:end],
                "annotations": inside,
                "relations": [],
            }
        )
    return {
        "id": document.id,
        "infons": data.get("infons", {}),
        "passages": passages,
        "relations": data.get("relations", []) if len(data.get("ids", entities)) == len(entities) else [],
    }


def _places(data: Mapping[str, Any], length: int) -> list[list[Any]]:
    """The passages as the metadata keep them, where they fit the text; else the whole text as one."""
    places = data.get("passages")
    if isinstance(places, list) and all(isinstance(place, list) and len(place) == 3 for place in places):
        ends = [end for start, end, _ in places for end in (start, end)]
        if ends and ends == sorted(ends) and ends[0] >= 0 and ends[-1] == length:
            return places
    return [[0, length, {}]]


def _entities(document: Document, data: Mapping[str, Any], ruler: Ruler) -> list[tuple[Entity, dict[str, Any]]]:
    count = len(document.entities)
    ids: Sequence[str] = data.get("ids", ())
    if len(ids) != count:
        ids = written_ids(document)
    names = {entity.id: id for id, entity in zip(ids, document.entities, strict=True)}
    others: Sequence[Mapping[str, Any]] = data.get("annotations", ())
    if len(others) != count:
        others = [{}] * count
    said = []
    for entity, id, other in zip(document.entities, ids, others, strict=True):
        infons: dict[str, Any] = {"type": entity.label, **other}
        infons.update((name, value) for name, value in entity.attributes.items() if name not in _OWN_INFONS)
        if OF in entity.attributes:
            infons[OF] = names.get(entity.attributes[OF], entity.attributes[OF])
        if entity.concepts:
            infons["identifier"] = "|".join(concept.id for concept in entity.concepts)
            infons["vocabulary"] = "|".join(concept.source for concept in entity.concepts)
        if entity.score is not None:
            infons["score"] = str(entity.score)
        spans = entity.fragments or (entity.span,)
        ends = [(ruler.units(span.start), ruler.units(span.end)) for span in spans]
        said.append(
            (
                entity,
                {
                    "id": id,
                    "infons": infons,
                    "text": " ".join(span.of(document.text) for span in spans),
                    "locations": [{"offset": start, "length": end - start} for start, end in ends],
                },
            )
        )
    return said


def _json_sign(head: Head) -> str | None:
    # A whole object in one line: its own keys tell, and what is nested in them does not mislead.
    first = head.first_line_json
    if isinstance(first, dict):
        named = any(isinstance(first.get(key), list) for key in ("passages", "documents", "PubTator3"))
    else:
        named = head.begins.startswith(("{", "[")) and head.holds_collection
    return "an object with 'documents' or 'passages'" if named else None


_LOSES = "names, types and scores of concepts"
XML = CorpusFormat(
    name="bioc-xml",
    read=lambda path, lenient: read_xml(path, lenient=lenient),
    write=one_file(write_xml),
    sign=lambda head: "its first element" if bioc_xml.root(head.begins) == "collection" else None,
    endings=(".xml",),
    loses=f"{_LOSES}; control characters, which become U+FFFD",
)
JSON = CorpusFormat(
    name="bioc-json",
    read=lambda path, lenient: read_json(path, lenient=lenient),
    write=one_file(write_json),
    sign=_json_sign,
    endings=(".bioc.json",),
    loses=_LOSES,
)
