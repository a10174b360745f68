"""brat standoff: a text and an `.ann` beside it, also as n2c2 2018 track 2 comes, which parts an entity at line ends.

Offsets count code points. An entity may have several fragments. Normalisations become concepts. Attributes of an entity
stay its attributes; one without a value gets the value `true`. A relation `of`, or one named after its two labels as
n2c2's `Dosage-Drug`, becomes the attribute `of`. Relations and all other annotations are kept in the metadata, under
`standoff`:

    {"ids": [of the entities, in order], "attribute_ids": [of their attributes, in order],
     "attributes": [[id, type, target, ...], ...] (of what is no entity), "relations": [[id, type, argument, argument]],
     "lines": [any other, as it stands]}
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from clinspan.corpora.format import CorpusFormat, Head, Results, many_files
from clinspan.corpora.text import HERE, FilePair, Layout, name_files, read_bytes, read_pairs
from clinspan.document import OF, Concept, Document, Entity, Span
from clinspan.errors import InputError, OutputError

LAYOUT = Layout("txt", {"ann": (".ann", (HERE, "ann"))})
_PLACE = re.compile(r"(\S+) (\d+ \d+(?:;\d+ \d+)*)")
_NORMALISED = re.compile(r"\S+ (T\S*) ([^\s:]+):(\S+)")
_SET = "true"
"""The value of an attribute that has none in the format: what is set."""
_STANDOFF = re.compile(r"T\d+\t(\S+) \d+ \d+(?:;\d+ \d+)*\t")
_CONFIGURATION = "annotation.conf"
"""Lies in brat's folders alone."""
_DRUG = "Drug"
_TRACK = frozenset({_DRUG, "ADE", "Dosage", "Duration", "Form", "Frequency", "Reason", "Route", "Strength"})
"""The labels of n2c2's track. Each but the first is related to a drug, by a relation that is named after it."""
_TRACK_RELATION = re.compile(rf"R\d+\t(\S+)-{_DRUG} Arg1:T\d+ Arg2:T\d+\s*")
_LINE_END = re.compile(r"[ \t]*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


def read(path: str | Path, *, lenient: bool = False, join_lines: bool = False) -> Results:
    """The documents of a folder and all below it, or that of one file of a pair.

    `join_lines` takes fragments that only a line end parts for one, as n2c2 2018 means them.
    """

    def document(pair: FilePair, errors: list[InputError]) -> Document:
        text = pair.read_text()
        found = parse(pair.lines("ann"), text, errors, join_lines=join_lines)
        entities = tuple(found.entities.values())
        return Document(pair.id, text, entities, metadata=found.metadata(), place=str(pair.text))

    return read_pairs(Path(path), LAYOUT, document, lenient=lenient)


@dataclass(slots=True)
class Annotations:
    """What an `.ann` says: entities by their id, and everything else."""

    entities: dict[str, Entity] = field(default_factory=dict)
    attribute_ids: dict[str, list[str]] = field(default_factory=dict)
    attributes: list[list[str]] = field(default_factory=list)
    relations: list[list[str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def metadata(self) -> dict[str, object]:
        """What to keep beside the entities; nothing where they say it all."""
        ids = list(self.entities)
        kept = {"attributes": self.attributes, "relations": self.relations, "lines": self.lines}
        data: dict[str, object] = {key: value for key, value in kept.items() if value}
        marks = [mark for id in ids for mark in self.attribute_ids.get(id, ())]
        if marks != [f"A{n}" for n in range(1, len(marks) + 1)]:
            data["attribute_ids"] = marks
        if data or ids != [f"T{n}" for n in range(1, len(ids) + 1)]:
            data["ids"] = ids
        return {"standoff": data} if data else {}


def parse(
    lines: Iterable[tuple[str, str]], text: str, errors: list[InputError], *, join_lines: bool = False
) -> Annotations:
    """The lines of an `.ann`, each after its place, against the text they annotate; `errors` takes the faults."""
    found = Annotations()
    later = []
    for where, line in lines:
        if line.startswith("T"):
            try:
                id, entity = _entity(line, text, where, join_lines=join_lines)
                if id in found.entities:
                    raise InputError(f"the id {id} is taken", where=where, expected="an id of its own")
                found.entities[id] = entity
            except InputError as error:
                errors.append(error)
        else:
            later.append((where, line))
    for where, line in later:
        try:
            _other(line, where, found)
        except InputError as error:
            errors.append(error)
    _take_owners(found, named=join_lines)
    return found


def _take_owners(found: Annotations, *, named: bool) -> None:
    """Makes relations that say what a detail belongs to the attribute `of`; keeps those that `write` would not make."""
    ids = {id: f"e{number}" for number, id in enumerate(found.entities, 1)}
    owners: dict[str, str] = {}
    for relation in found.relations:
        if (ends := _owner(relation, found.entities)) is not None:
            owners.setdefault(*ends)
    if not owners:
        return
    for id, entity in found.entities.items():
        of = {OF: ids[owners[id]]} if id in owners else {}
        found.entities[id] = replace(entity, id=ids[id], attributes={**entity.attributes, **of})
    made = _owner_relations(list(found.entities), list(found.entities.values()), [], named=named)
    if found.relations == made:
        found.relations = []


def _owner(relation: Sequence[str], entities: Mapping[str, Entity]) -> tuple[str, str] | None:
    """The ids of a detail and of what it belongs to, where a relation says that."""
    _, kind, *arguments = relation
    detail, owner = (argument.rpartition(":")[2] for argument in arguments)
    if detail not in entities or owner not in entities or detail == owner:
        return None
    return (detail, owner) if kind in (OF, f"{entities[detail].label}-{entities[owner].label}") else None


def _owner_relations(
    ids: Sequence[str], entities: Sequence[Entity], kept: Sequence[Sequence[str]], *, named: bool
) -> list[list[str]]:
    """The relations that say what details belong to, and those that are kept and say nothing else of a detail.

    Args:
        ids: of the entities, in order.
        entities: whose attributes are written.
        kept: relations that were read.
        named: whether relations are named after their labels, as n2c2 does.
    """
    known = dict(zip(ids, entities, strict=True))
    by_id = {entity.id: id for id, entity in reversed(known.items()) if entity.id is not None}
    owners = {id: by_id[of] for id, entity in known.items() if (of := entity.attribute(OF)) in by_id}
    said = [_owner(relation, known) for relation in kept]
    told = {ends[0] for ends in said if ends is not None and owners.get(ends[0]) == ends[1]}
    relations = [
        list(relation)
        for relation, ends in zip(kept, said, strict=True)
        if ends is None or ends[0] in told or ends[0] not in owners
    ]
    free = (id for n in range(1, len(kept) + len(owners) + 1) if (id := f"R{n}") not in {one[0] for one in relations})
    for detail, owner in owners.items():
        if detail not in told:
            kind = f"{known[detail].label}-{known[owner].label}" if named else OF
            relations.append([next(free), kind, f"Arg1:{detail}", f"Arg2:{owner}"])
    return relations


def _entity(line: str, text: str, where: str, *, join_lines: bool) -> tuple[str, Entity]:
    fields = line.split("\t", 2)
    place = _PLACE.fullmatch(fields[1].strip()) if len(fields) == 3 else None
    if place is None:
        raise InputError(
            f"{line!r} is not an entity",
            where=where,
            expected="T1, a tab, TYPE START END[;START END ...], a tab, the text",
        )
    return fields[0], entity_at(place[2], place[1], fields[2], text, where, join_lines=join_lines)


def entity_at(place: str, label: str, mention: str, text: str, where: str, *, join_lines: bool = False) -> Entity:
    """The entity at `START END[;START END ...]`, checked against the mention that was written with it.

    Raises:
        InputError: when it lies outside the text, or something else stands there.
    """
    spans = []
    for part in place.split(";"):
        start, end = map(int, part.split())
        if not start < end <= len(text):
            raise InputError(f"{start}-{end} is not within the text of {len(text)} characters", where=where)
        spans.append(Span(start, end))
    as_written = " ".join(span.of(text) for span in spans)
    # White space is told apart by no tool alike: line ends are written as spaces, and spaces at the ends are cut off.
    if as_written.split() != mention.split():
        raise InputError(f"{as_written!r} stands at {place}, not {mention!r}", where=where)
    spans.sort()
    if any(after.start < before.end for before, after in pairwise(spans)):
        raise InputError(f"the fragments {place} overlap", where=where)
    if join_lines:
        spans = list(_joined(spans, text))
    hull = Span(spans[0].start, spans[-1].end)
    return Entity(hull, label, hull.of(text), fragments=tuple(spans) if len(spans) > 1 else ())


def _joined(spans: list[Span], text: str) -> Iterator[Span]:
    last = spans[0]
    for span in spans[1:]:
        gap = text[last.end : span.start]
        if not gap.strip() and _LINE_END.search(gap):
            last = Span(last.start, span.end)
        else:
            yield last
            last = span
    yield last


def _other(line: str, where: str, found: Annotations) -> None:
    id, tab, content = line.partition("\t")
    if not tab or id[:1] not in "REAMN#*" or not content.strip():
        raise InputError(
            f"{line!r} is not an annotation",
            where=where,
            expected="an id that begins with T, R, E, A, M, N, # or *, a tab",
        )
    if id[0] == "N" and (normalised := _NORMALISED.fullmatch(content.split("\t")[0].strip())):
        target, source, concept = normalised.groups()
        _known(target, where, found)
        name = content.partition("\t")[2].strip()
        entity = found.entities[target]
        concepts = (*entity.concepts, Concept(concept, name or entity.text, source))
        found.entities[target] = replace(entity, concepts=concepts)
    elif id[0] in "AM" and len(parts := content.split(None, 2)) > 1:
        name, target, *value = (part.strip() for part in parts)
        _known(target, where, found)
        marked = found.entities.get(target)
        if id[0] == "M" or marked is None or name in marked.attributes:
            found.attributes.append([id, name, target, *value])
            return
        attributes = {**marked.attributes, name: value[0] if value else _SET}
        found.entities[target] = replace(marked, attributes=attributes)
        found.attribute_ids.setdefault(target, []).append(id)
    elif id[0] == "R" and len(parts := content.split()) == 3:
        for argument in parts[1:]:
            _known(argument.rpartition(":")[2], where, found)
        found.relations.append([id, *parts])
    else:
        found.lines.append(line)


def _known(id: str, where: str, found: Annotations) -> None:
    if id.startswith("T") and id not in found.entities:
        raise InputError(f"names {id}, and there is no such entity", where=where)


def write(documents: Iterable[Document], *, split_lines: bool = False) -> Iterator[tuple[str, str]]:
    """The documents as files, each a relative path and its content: `.txt` and `.ann`.

    Scores, a concept's types and how an entity was matched are left out. What the metadata keeps under `standoff` is
    written again, unless the entities have changed in number.

    Args:
        documents: their ids name the files.
        split_lines: parts an entity at line ends, as n2c2 2018 does.

    Raises:
        OutputError: when an id makes no name of a file, or a label or a concept cannot be said in the format.
    """
    for name, document in name_files(documents):
        yield f"{name}.txt", document.text
        yield f"{name}.ann", "".join(f"{line}\n" for line in _lines(document, split_lines))


def _lines(document: Document, split_lines: bool) -> Iterator[str]:
    ids, marks, relations, others = _kept(document)
    number, owned = 0, document.owners()
    for at, (id, entity) in enumerate(zip(ids, document.entities, strict=True)):
        if re.search(r"\s", entity.label) or not entity.label:
            raise OutputError(
                f"the label {entity.label!r} has a space",
                where=f"document {document.id!r}",
                fix="Rename it: --map 'FROM=TO'.",
            )
        yield f"{id}\t{entity.label} {place(entity, document.text, split_lines=split_lines)}"
        for concept in entity.concepts:
            number += 1
            if re.search(r"[\s:]", concept.source) or re.search(r"\s", concept.id) or not concept.source:
                raise OutputError(
                    f"the concept {concept.id!r} of {concept.source!r} cannot be said",
                    where=f"document {document.id!r}",
                )
            name = _LINE_END.sub(" ", concept.name).replace("\t", " ")
            yield f"N{number}\tReference {id} {concept.source}:{concept.bare_id}\t{name}"
        for name, value in _written(entity, owned=at in owned).items():
            if re.search(r"\s", name):
                raise OutputError(f"the attribute {name!r} has a space", where=f"document {document.id!r}")
            value = "" if value == _SET else " " + _LINE_END.sub(" ", value)
            yield f"{next(marks)}\t{name} {id}{value}"
    for id, *rest in _owner_relations(ids, document.entities, relations, named=split_lines):
        yield f"{id}\t{' '.join(rest)}"
    yield from others


def _written(entity: Entity, *, owned: bool) -> Mapping[str, str]:
    """The attributes but for an `of` that a relation says."""
    return {name: value for name, value in entity.attributes.items() if name != OF or not owned}


def place(entity: Entity, text: str, *, split_lines: bool = False) -> str:
    """Offsets and mention as an `.ann` has them, a tab between."""
    spans = list(entity.fragments or (entity.span,))
    if split_lines:
        spans = [piece for span in spans for piece in _split(span, text)]
    mention = " ".join(span.of(text) for span in spans)
    mention = re.sub(r"[\r\n\t\v\f\x1c-\x1e\x85\u2028\u2029]", " ", mention)
    return ";".join(f"{span.start} {span.end}" for span in spans) + f"\t{mention}"


def _split(span: Span, text: str) -> Iterator[Span]:
    start = span.start
    for end in _LINE_END.finditer(text, span.start, span.end):
        if start < end.start() and end.end() < span.end:
            yield Span(start, end.start())
            start = end.end()
    yield Span(start, span.end)


def _kept(document: Document) -> tuple[list[str], Iterator[str], list[list[str]], list[str]]:
    """Ids of entities and attributes; relations and lines of what else the metadata keeps, where they fit."""
    data = document.metadata.get("standoff")
    owned = document.owners()
    made = [f"T{n}" for n in range(1, len(document.entities) + 1)]
    count = sum(len(_written(entity, owned=at in owned)) for at, entity in enumerate(document.entities))
    marks = [f"A{n}" for n in range(1, count + 1)]
    if not isinstance(data, Mapping):
        return made, iter(marks), [], []
    ids = [str(id) for id in data.get("ids", made)]
    if len(ids) != len(made) or len(set(ids)) != len(ids):
        return made, iter(marks), [], []
    known = [str(id) for id in data.get("attribute_ids", marks)]
    lines = [f"{id}\t{' '.join(rest)}" for id, *rest in data.get("attributes", ())]
    relations = [list(map(str, relation)) for relation in data.get("relations", ()) if len(relation) == 4]
    return (
        ids,
        iter(known if len(known) == len(marks) else marks),
        relations,
        [*lines, *map(str, data.get("lines", ()))],
    )


def _is_track(lines: Iterable[str]) -> bool:
    """Whether lines of `.ann` files are n2c2's: drugs and another of its labels, and besides these its relations alone.

    brat itself has attributes, notes and other types besides, and `Drug` alone is anybody's label.
    """
    seen: set[str] = set()
    for line in lines:
        if not line.strip():
            continue
        entity = _STANDOFF.match(line)
        found = entity or _TRACK_RELATION.fullmatch(line)
        if found is None or found[1] not in _TRACK or (entity is None and found[1] == _DRUG):
            return False
        if entity:
            seen.add(found[1])
    return _DRUG in seen and len(seen) > 1


def _variant(files: Iterable[Path], folder: Path) -> str:
    """n2c2 where what these `.ann` hold looks so and brat is set up neither beside them nor in `folder`, else brat."""
    files = list(files)
    if any((place / _CONFIGURATION).is_file() for place in {folder, *(file.parent for file in files)}):
        return "brat"
    return "n2c2" if _is_track(line for file in files for line in Head(read_bytes(file)).lines) else "brat"


def _sign(head: Head) -> str | None:
    """Of either format, which of them it is being told by all that the file holds."""
    return "its first line is a standoff annotation" if head.lines and _STANDOFF.match(head.lines[0]) else None


def _name(head: Head) -> str:
    set_up = head.path is not None and (head.path.parent / _CONFIGURATION).is_file()
    return "n2c2" if _is_track(head.lines) and not set_up else "brat"


_LOSES = "a label or an attribute's name with a space; types and scores of concepts"
BRAT = CorpusFormat(
    name="brat",
    read=lambda path, lenient: read(path, lenient=lenient),
    write=many_files(write),
    sign=lambda head: _sign(head) if _name(head) == "brat" else None,
    endings=(".ann",),
    beside=".ann",
    variant=_variant,
    folder=True,
    texts_apart=True,
    loses=_LOSES,
)
N2C2 = CorpusFormat(
    name="n2c2",
    read=lambda path, lenient: read(path, lenient=lenient, join_lines=True),
    write=many_files(partial(write, split_lines=True)),
    sign=lambda head: _sign(head) if _name(head) == "n2c2" else None,
    folder=True,
    texts_apart=True,
    loses=_LOSES,
)
