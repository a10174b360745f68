"""Documents as lines of JSON, and back; `Document.to_dict` says what stands in them.

`id` and `text` make a document; `entities`, `windows` and `metadata` are read where they stand, and every other key is
kept as metadata. What `dump` wrote is read back as the document it was written from.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from clinspan.document import Concept, Document, Entity, MatchKind, Span, WindowReport, WindowState
from clinspan.errors import InputError

_OWN_KEYS = frozenset({"id", "text", "entities", "windows", "metadata"})

_LINE = 'a whole JSON object on each line, such as {"text": "She has gout."}'


def load(text: str, *, where: str, lines: bool = False) -> Any:
    """A JSON value. `lines` adds the line to the place of a fault, for a value that is a file.

    Raises:
        InputError: naming the place and the fault, also where it is nested too deeply, has a number that is none, or
            holds half of a character, which no file could be written with.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        line = f"{where}, line {error.lineno}" if lines else where
        raise InputError(f"is not JSON: {error.msg.removesuffix(' at')} at column {error.colno}", where=line) from None
    except RecursionError:
        raise InputError("is not JSON that can be read: it is nested too deeply", where=where) from None
    except ValueError as error:
        raise InputError(f"is not JSON that can be read: {error}", where=where) from None
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InputError("holds half of a surrogate pair", where=where, expected="whole characters") from None
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def dump(document: Document) -> str:
    """The document as one line of JSON, without the line end.

    Raises:
        TypeError: when its metadata holds what JSON cannot say.
    """
    return json.dumps(document.to_dict(), ensure_ascii=False, separators=(", ", ": "))


def parse(line: str, *, where: str, default_id: str | None = None) -> Document:
    """The document that a line of JSON holds.

    Raises:
        InputError: naming the place and the fault.
    """
    try:
        data = load(line.rstrip(), where=where)
    except InputError as error:
        fix = "Mend the line, or delete it."
        raise InputError(error.what, where=where, expected=error.expected or _LINE, fix=fix) from None
    return document_of(data, where=where, default_id=default_id)


def document_of(data: object, *, where: str, default_id: str | None = None) -> Document:
    """The document that a JSON object stands for.

    Raises:
        InputError: naming the place and the fault.
    """
    if not isinstance(data, dict):
        raise InputError("is not a JSON object", where=where, expected='{"id": ..., "text": ...}')
    if "text" not in data:
        keys = ", ".join(map(repr, list(data)[:8])) or "none"
        raise InputError("the key 'text' is missing", where=where, expected=f"it among the keys, which are: {keys}")
    text = data["text"]
    if not isinstance(text, str):
        raise InputError(f"'text' is {type(text).__name__}", where=where, expected="a string")
    id = data.get("id", default_id)
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    if not isinstance(id, str) or not id:
        raise InputError(f"'id' is {json.dumps(id)[:40]}", where=where, expected="a string or a whole number")
    metadata = data.get("metadata", {})
    if not isinstance(metadata, dict):
        raise InputError("'metadata' is not an object", where=where)
    others = {key: value for key, value in data.items() if key not in _OWN_KEYS}
    items = enumerate(_items(data, "entities", where), 1)
    entities = tuple(entity_of(item, text, where=f"{where}, entity {number}") for number, item in items)
    try:
        return Document(
            id, text, entities, _windows(data.get("windows", {}), where), {**others, **metadata}, place=where
        )
    except ValueError as error:
        raise InputError(str(error), where=where) from None


def _items(data: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    items = data.get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InputError(f"{key!r} is not a list of objects", where=where)
    return items


def entity_of(data: Mapping[str, Any], text: str, *, where: str) -> Entity:
    """The entity that a JSON object stands for, checked against the text it is in.

    Raises:
        InputError: naming the place and the fault.
    """
    try:
        span = Span(data["start"], data["end"])
        if span.end > len(text):
            raise InputError(f"ends at {span.end}, past the text's end at {len(text)}", where=where)
        stands = span.of(text)
        if data.get("text", stands) != stands:
            raise InputError(f"{stands!r} stands at {span.start}-{span.end}, not {data['text']!r}", where=where)
        attributes = data.get("attributes", {})
        if not isinstance(attributes, dict):
            raise TypeError("'attributes' is not an object of names and values")
        scores = data.get("attribute_scores", {})
        if not isinstance(scores, dict):
            raise TypeError("'attribute_scores' is not an object of names and numbers")
        return Entity(
            span,
            data["label"],
            stands,
            score=data.get("score"),
            match=MatchKind(data.get("match", "exact")),
            concepts=tuple(
                Concept(
                    c["id"],
                    c["name"],
                    c["source"],
                    tuple(c.get("types", ())),
                    c.get("score"),
                    c.get("reason"),
                    tuple(c.get("equivalents") or ()),
                )
                for c in data.get("concepts", ())
            ),
            fragments=tuple(Span(start, end) for start, end in data.get("fragments", ())),
            rules=tuple(data.get("rules", ())),
            attributes=attributes,
            id=_id(data.get("id")),
            attribute_scores=tuple(scores.items()),
        )
    except KeyError as error:
        raise InputError(f"the key {error} is missing", where=where) from None
    except (TypeError, ValueError) as error:
        raise InputError(f"is not an entity: {error}", where=where) from None


def _id(given: object) -> str | None:
    """An entity's id. What other tools put there and is neither a string nor a whole number is none."""
    return str(given) if isinstance(given, str | int) and not isinstance(given, bool) and given != "" else None


def dump_rows(entities: Iterable[Entity]) -> str:
    """Annotations in few bytes, for stores of many: start, end, label, then fragments and attributes where needed."""
    rows: list[list[object]] = []
    for one in entities:
        row: list[object] = [one.start, one.end, one.label]
        if one.fragments or one.attributes:
            row.append([[part.start, part.end] for part in one.fragments])
        if one.attributes:
            row.append(dict(one.attributes))
        rows.append(row)
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def parse_rows(rows: str, text: str) -> tuple[Entity, ...]:
    """The annotations of `text` that `dump_rows` wrote."""
    found = []
    for start, end, label, *more in json.loads(rows):
        fragments = tuple(Span(*part) for part in more[0]) if more else ()
        attributes = more[1] if len(more) > 1 else {}
        found.append(Entity(Span(start, end), label, text[start:end], fragments=fragments, attributes=attributes))
    return tuple(found)


def _windows(data: object, where: str) -> tuple[WindowReport, ...]:
    if not isinstance(data, dict):
        raise InputError("'windows' is not an object", where=where)
    try:
        reports = [
            WindowReport(
                Span(item["start"], item["end"]),
                WindowState(item["state"]),
                asked=item.get("asked", True),
                detail=item.get("detail"),
                unread=tuple(item.get("unread", ())),
                repairs=tuple(item.get("repairs", ())),
                unlisted=item.get("unlisted"),
            )
            for key in ("not_read", "read")
            for item in _items(data, key, where)
        ]
    except KeyError as error:
        raise InputError(f"a window lacks the key {error}", where=where) from None
    except (TypeError, ValueError) as error:
        raise InputError(f"'windows' cannot be read: {error}", where=where) from None
    return tuple(sorted(reports, key=lambda report: report.span))
