"""One BioC document, as the object that BioC JSON has for it, read with its offsets taken to count one unit."""

from collections.abc import Iterator, Mapping
from typing import Any

from clinspan.corpora.offsets import Ruler, Unit
from clinspan.document import Concept, Entity, Span
from clinspan.errors import InputError

_LARGEST_GAP = 1_000_000
OWN_INFONS = frozenset({"type", "identifier", "vocabulary", "score"})

Item = tuple[Mapping[str, Any], str]
"""A document and the place it stands in."""


class Reading:
    """What there is in one document.

    Attributes:
        where: the place it stands in.
        errors: the annotations that do not fit, and the pieces of text that overlap.
        broken: whether the text itself could not be put together.
        odd_gaps: passages that are not one character apart; many where offsets count another unit.
    """

    def __init__(self, item: Mapping[str, Any], where: str, labels: Mapping[str, str], unit: Unit):
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
        self._unit, self._labels = unit, labels
        found: list[Item] = []
        self._add(item, where, found)
        self._ruler = Ruler(self.text, unit)
        for annotation, place in found:
            try:
                self._annotate(annotation, place)
            except InputError as error:
                self.errors.append(error)

    def metadata(self) -> dict[str, object]:
        """What to keep beside the entities; nothing where they say it all."""
        whole = [[0, len(self.text), {}]]
        data: dict[str, object] = {}
        if self.infons:
            data["infons"] = self.infons
        if self.passages != whole and self.passages:
            data["passages"] = self.passages
        if self.ids != [str(n) for n in range(1, len(self.ids) + 1)]:
            data["ids"] = self.ids
        if any(self.others):
            data["annotations"] = self.others
        if self.relations:
            data["relations"] = [{k: v for k, v in one.items() if k != "where"} for one in self.relations]
        return {"bioc": data} if data else {}

    def _add(self, item: Mapping[str, Any], where: str, found: list[Item]) -> None:
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
                self._labels.get(kind, kind),
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
        self.others.append({key: value for key, value in kept.items() if key not in OWN_INFONS})


def _is_attribute(key: str, value: object) -> bool:
    return key not in OWN_INFONS and bool(key) and isinstance(value, str) and bool(value)


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
