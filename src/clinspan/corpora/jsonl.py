"""JSON lines: a document a line, as `clinspan tag` writes them and as other tools make them.

`id` and `text` make a document; `entities`, `windows` and `metadata` are read where they stand, and every other key is
kept as metadata. A line that `dump` wrote gives back the document it was written from.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from clinspan.corpora.files import cannot_read, check_text, decode
from clinspan.document import READ_STATES, Concept, Document, Entity, MatchKind, Span, WindowReport, WindowState
from clinspan.errors import InputError

_OWN_KEYS = frozenset({"id", "text", "entities", "windows", "metadata"})


def read(path: str | Path, *, encoding: str = "utf-8") -> Iterator[Document | InputError]:
    """The documents of a file, one at a time; a line that is none gives an error in its place and the rest goes on.

    A document without an id gets the file's stem and its line number for one.

    Raises:
        InputError: when the file cannot be read at all.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            yield from (result for _, result in read_lines(file, where=str(path), stem=path.stem, encoding=encoding))
    except OSError as error:
        raise cannot_read(path, error) from error


def read_lines(
    lines: Iterable[bytes], *, where: str, stem: str, encoding: str = "utf-8"
) -> Iterator[tuple[int, Document | InputError]]:
    """The same from lines of bytes, wherever they come from, each with its line number."""
    offset = 0
    for number, line in enumerate(lines, 1):
        place = f"{where}, line {number}"
        try:
            if number == 1:
                check_text(line, where=where, encoding=encoding)
            text = decode(line, where=place, encoding=encoding, offset=offset)
            if text.strip():
                yield number, parse(text, where=place, default_id=f"{stem}-{number}")
        except InputError as error:
            yield number, error
            if error.where == where:
                return
        offset += len(line)


def parse(line: str, *, where: str, default_id: str | None = None) -> Document:
    """One line as a document.

    Raises:
        InputError: naming the place and the fault.
    """
    try:
        data = json.loads(line, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error.msg} at column {error.colno}", where=where) from None
    except ValueError as error:
        raise InputError(f"is not JSON that can be read: {error}", where=where) from None
    except RecursionError:
        raise InputError("is not JSON that can be read: it is nested too deeply", where=where) from None
    if not isinstance(data, dict):
        raise InputError("is not a JSON object", where=where, expected='{"id": ..., "text": ...}')
    if "\\u" in line and not _whole(data):
        raise InputError("holds half of a surrogate pair", where=where, expected="whole characters")
    text = _text(data, where)
    id = data.get("id", default_id)
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    if not isinstance(id, str) or not id:
        raise InputError(f"'id' is {json.dumps(id)[:40]}", where=where, expected="a string or a whole number")
    metadata = data.get("metadata", {})
    if not isinstance(metadata, dict):
        raise InputError("'metadata' is not an object", where=where)
    others = {key: value for key, value in data.items() if key not in _OWN_KEYS}
    entities = tuple(_entity(item, text, f"{where}, entity {n}") for n, item in _items(data, "entities", where))
    try:
        windows = _windows(data.get("windows", {}), where)
        return Document(id, text, entities, windows, {**others, **metadata}, place=where)
    except ValueError as error:
        raise InputError(str(error), where=where) from None


def _text(data: Mapping[str, Any], where: str) -> str:
    if "text" not in data:
        keys = ", ".join(map(repr, list(data)[:8])) or "none"
        raise InputError("the key 'text' is missing", where=where, expected=f"it among the keys, which are: {keys}")
    text = data["text"]
    if not isinstance(text, str):
        raise InputError(f"'text' is {type(text).__name__}", where=where, expected="a string")
    return text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _whole(data: object) -> bool:
    """Whether it can be written again: an escape may name half of a character, which no encoding has."""
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _items(data: Mapping[str, Any], key: str, where: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    items = data.get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InputError(f"{key!r} is not a list of objects", where=where)
    yield from enumerate(items, 1)


def _entity(item: Mapping[str, Any], text: str, where: str) -> Entity:
    try:
        span = Span(item["start"], item["end"])
        if span.end > len(text):
            raise InputError(f"ends at {span.end}, past the text's end at {len(text)}", where=where)
        stands = span.of(text)
        if item.get("text", stands) != stands:
            raise InputError(f"{stands!r} stands at {span.start}-{span.end}, not {item['text']!r}", where=where)
        return Entity(
            span,
            item["label"],
            stands,
            score=item.get("score"),
            match=MatchKind(item.get("match", "exact")),
            concepts=tuple(
                Concept(c["id"], c["name"], c["source"], tuple(c.get("types", ())), c.get("score", 1.0))
                for c in item.get("concepts", ())
            ),
            fragments=tuple(Span(start, end) for start, end in item.get("fragments", ())),
            rules=tuple(item.get("rules", ())),
        )
    except KeyError as error:
        raise InputError(f"the key {error} is missing", where=where) from None
    except (TypeError, ValueError) as error:
        raise InputError(f"is no entity: {error}", where=where) from None


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
            )
            for key in ("not_read", "read")
            for _, item in _items(data, key, where)
        ]
    except KeyError as error:
        raise InputError(f"a window lacks the key {error}", where=where) from None
    except (TypeError, ValueError) as error:
        raise InputError(f"'windows' cannot be read: {error}", where=where) from None
    return tuple(sorted(reports, key=lambda report: report.span))


def dump(document: Document) -> str:
    """The document as one line of JSON, without the line end.

    Raises:
        TypeError: when its metadata holds what JSON cannot say.
    """
    data: dict[str, object] = {
        "id": document.id,
        "text": document.text,
        "entities": [_dump_entity(entity) for entity in document.entities],
    }
    if document.windows:
        data["windows"] = {
            "counts": dict(Counter(report.state.value for report in document.windows)),
            "not_read": [_dump_window(w) for w in document.windows if w.state not in READ_STATES],
            "read": [_dump_window(w) for w in document.windows if w.state in READ_STATES],
        }
    if document.metadata:
        data["metadata"] = dict(document.metadata)
    return json.dumps(data, ensure_ascii=False, separators=(", ", ": "))


def _dump_entity(entity: Entity) -> dict[str, object]:
    data: dict[str, object] = {
        "start": entity.start,
        "end": entity.end,
        "text": entity.text,
        "label": entity.label,
        "score": entity.score,
        "match": entity.match.value,
        "concepts": [
            {"id": c.id, "name": c.name, "source": c.source, "types": list(c.types), "score": c.score}
            for c in entity.concepts
        ],
    }
    if entity.fragments:
        data["fragments"] = [[part.start, part.end] for part in entity.fragments]
    if entity.rules:
        data["rules"] = list(entity.rules)
    return data


def _dump_window(report: WindowReport) -> dict[str, object]:
    data: dict[str, object] = {"start": report.span.start, "end": report.span.end, "state": report.state.value}
    if not report.asked:
        data["asked"] = False
    if report.detail is not None:
        data["detail"] = report.detail
    if report.unread:
        data["unread"] = list(report.unread)
    if report.repairs:
        data["repairs"] = list(report.repairs)
    return data
