"""Label Studio's JSON: tasks with a text and regions, whose offsets count UTF-16 units, as its browser does.

Of several annotations of a task the first that was not cancelled is read, else the first prediction. One choice for a
region is an attribute of its entities, named as the setup names the choices. A relation `of` from a detail's region is
its attribute `of`. A task's other data are metadata; all else beside its regions is kept in the metadata under
`label_studio`:

    {"ids": [of the regions, in order], "results": [that are no region, such as relations]}
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from clinspan import codec
from clinspan.corpora.format import CorpusFormat, Head, Results, Ruler, Unit, checked, one_file, with_ids, written_ids
from clinspan.corpora.text import read_text
from clinspan.document import OF, Document, Entity, Span
from clinspan.errors import InputError

_TASK = re.compile(r'"data"\s*:\s*\{')
_OWN = "label_studio"
_CHOICES = "choices"
_RELATION = "relation"


def read(path: str | Path, *, lenient: bool = False) -> Results:
    """The tasks of an export; one that is wrong gives an error in its place and the rest goes on.

    A task is named by `id` of its data, else by its own id.

    Raises:
        InputError: when the file cannot be read at all.
    """
    tasks = codec.load(read_text(Path(path)), where=str(path), lines=True)
    if not isinstance(tasks, list):
        raise InputError("is not a list of tasks", where=str(path), expected='[{"data": {"text": ...}}]')
    for number, task in enumerate(tasks, 1):
        where = f"{path}, task {number}"
        yield from checked(partial(_document, task, f"{Path(path).stem}-{number}", where), lenient=lenient)


def _document(task: object, made_id: str, where: str, errors: list[InputError]) -> Document:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(task, dict) or not isinstance(data, dict):
        raise InputError("is not a task", where=where, expected='{"data": {"text": ...}, "annotations": [...]}')
    texts = ["text"] if "text" in data else [key for key, value in data.items() if isinstance(value, str)]
    if len(texts) != 1 or not isinstance(data[texts[0]], str):
        raise InputError("'data' does not hold one text", where=where, expected="a string under 'text'")
    text = data[texts[0]]
    id = data.get("id", task.get("id", made_id))
    metadata = {key: value for key, value in data.items() if key not in (texts[0], "id")}
    ruler = Ruler(text, Unit.UTF16)
    entities: list[Entity] = []
    ids: list[str] = []
    results = _results(task, where)
    attributes, others = _attributes(results)
    for number, result in enumerate(results, 1):
        if not _is_region(result):
            continue
        value = result["value"]
        names = value[str(result["type"])]
        try:
            for name in names:
                entity = _entity(result, value, str(name), text, ruler, f"{where}, region {number}")
                entities.append(replace(entity, attributes=attributes.get(str(result.get("id")), {})))
                ids.append(str(result.get("id", number)))
        except InputError as error:
            errors.append(error)
    entities = list(with_ids(entities, ids))
    kept: dict[str, object] = {"results": others} if others else {}
    if others or ids not in ([e.id for e in entities], [str(n) for n in range(1, len(ids) + 1)]):
        kept["ids"] = ids
    own = {_OWN: kept} if kept else {}
    return Document(str(id), text, tuple(entities), metadata={**metadata, **own}, place=where)


def _is_region(result: Mapping[str, Any]) -> bool:
    value, kind = result.get("value"), str(result.get("type"))
    return kind != _CHOICES and isinstance(value, dict) and isinstance(value.get(kind), list) and "start" in value


def _attributes(results: Sequence[dict[str, Any]]) -> tuple[dict[str, dict[str, str]], list[dict[str, Any]]]:
    """The attributes of each region by its id, and the results that are neither regions nor attributes of one."""
    regions = {str(result.get("id")) for result in results if _is_region(result)}
    found: dict[str, dict[str, str]] = {}
    others = []
    for result in results:
        if _is_region(result):
            continue
        known = found.setdefault(str(result.get("from_id")), {})
        ends = {str(result.get("from_id")), str(result.get("to_id"))}
        if result.get("type") == _RELATION and result.get("labels") == [OF] and ends <= regions and OF not in known:
            known[OF] = str(result.get("to_id"))
            continue
        id, name, value = str(result.get("id")), result.get("from_name"), result.get("value")
        chosen = value.get(_CHOICES) if result.get("type") == _CHOICES and isinstance(value, dict) else None
        one = chosen[0] if isinstance(chosen, list) and len(chosen) == 1 else None
        known = found.setdefault(id, {})
        if id in regions and isinstance(name, str) and name and isinstance(one, str) and one and name not in known:
            known[name] = one
        else:
            others.append(result)
    return found, others


def _results(task: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    for key in ("annotations", "predictions"):
        for annotation in task.get(key) or []:
            if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
                raise InputError(f"{key!r} holds what is not an annotation", where=where, expected='{"result": [...]}')
            results: list[dict[str, Any]] = annotation["result"]
            if not all(isinstance(result, dict) for result in results):
                raise InputError("'result' holds what is not a region", where=where)
            if not annotation.get("was_cancelled"):
                return results
    return []


def _entity(
    result: Mapping[str, Any],
    value: Mapping[str, Any],
    name: str,
    text: str,
    ruler: Ruler,
    where: str,
) -> Entity:
    # Regions of HTML name elements; their offsets in the whole text stand beside them.
    place = value.get("globalOffsets", value)
    start, end = place.get("start"), place.get("end")
    if not isinstance(start, int) or not isinstance(end, int):
        raise InputError(f"{start!r} to {end!r} is not a place in a text", where=where, expected="two whole numbers")
    try:
        span = Span(ruler.start(start), ruler.end(end))
        stands = span.of(text)
        mention = value.get("text", stands)
        if str(mention).replace("\\n", "\n").split() != stands.replace("\\n", "\n").split():
            raise InputError(f"{stands!r} stands at {start}-{end}, not {mention!r}", where=where)
        return Entity(span, name, stands, score=result.get("score", value.get("score")))
    except (TypeError, ValueError) as error:
        raise InputError(str(error), where=where) from None


def write(documents: Iterable[Document]) -> Iterator[str]:
    """The documents as tasks, for a setup with `<Labels name="label" toName="text">` and `<Text name="text">`.

    What a detail belongs to becomes a relation `of` between two regions. Another attribute becomes a choice for the
    region, as `<Choices name="NAME" toName="text" perRegion="true">` makes it. A discontinuous entity is written as its
    hull; concepts and how an entity was matched are left out. Metadata become data of the task.

    Raises:
        TypeError: when the metadata hold what JSON cannot say.
    """
    yield "[\n"
    for number, document in enumerate(documents):
        ruler = Ruler(document.text, Unit.UTF16)
        kept = document.metadata.get(_OWN)
        ids, others = _kept(kept if isinstance(kept, dict) else {}, document)
        names = {entity.id: id for id, entity in zip(ids, document.entities, strict=True) if entity.id is not None}
        results = [
            part
            for id, entity in zip(ids, document.entities, strict=True)
            for part in _region(id, entity, ruler, names)
        ]
        data = {key: value for key, value in document.metadata.items() if key not in (_OWN, "text", "id")}
        task = {
            "id": number + 1,
            "data": {"text": document.text, "id": document.id, **data},
            "annotations": [{"result": [*results, *others]}],
        }
        yield (",\n" if number else "") + json.dumps(task, ensure_ascii=False)
    yield "\n]\n"


def _region(id: str, entity: Entity, ruler: Ruler, names: Mapping[str, str]) -> Iterator[dict[str, object]]:
    """The results for one entity: its region, a choice for each attribute, and a relation to what it belongs to.

    `names` gives the region of each entity by the entity's id.
    """
    place = {"start": ruler.units(entity.start), "end": ruler.units(entity.end), "text": entity.text}
    region = {"id": id, "from_name": "label", "to_name": "text", "type": "labels"}
    score = {} if entity.score is None else {"score": entity.score}
    yield {**region, "value": {**place, "labels": [entity.label]}, **score}
    for name, value in entity.attributes.items():
        if name == OF and value in names:
            yield {"type": _RELATION, "from_id": id, "to_id": names[value], "direction": "right", "labels": [OF]}
            continue
        yield {**region, "from_name": name, "type": _CHOICES, "value": {**place, _CHOICES: [value]}}


def _kept(kept: Mapping[str, Any], document: Document) -> tuple[list[str], list[object]]:
    made = written_ids(document)
    ids = kept.get("ids", made)
    return (list(ids), list(kept.get("results", ()))) if len(ids) == len(made) else (made, [])


def _sign(head: Head) -> str | None:
    task = head.begins.startswith("[") and _TASK.search(head.begins) and not head.holds_collection
    return "a list of tasks with 'data'" if task else None


FORMAT = CorpusFormat(
    name="label-studio",
    read=lambda path, lenient: read(path, lenient=lenient),
    write=one_file(write),
    endings=(".label-studio.json",),
    sign=_sign,
    loses="gaps, concepts",
)
