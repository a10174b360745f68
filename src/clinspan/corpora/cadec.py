"""CADEC: texts in `text/`, entities in `original/`, their SNOMED CT and MedDRA codes in `sct/` and `meddra/`.

The `.ann` files are brat's but for the code files, whose lines name codes where brat has a type. Codes become concepts
of the entity in the same place; their lines are kept as they stand in the metadata, under `cadec`, since they also say
how several codes go together.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from clinspan.corpora import brat
from clinspan.corpora.format import CorpusFormat, Results, many_files
from clinspan.corpora.text import FilePair, Layout, name_files, read_pairs
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import InputError

SOURCES = {"sct": "SNOMEDCT", "meddra": "MedDRA"}
LAYOUT = Layout("text", {kind: (".ann", (kind,)) for kind in ("original", *SOURCES)})
_CODED = re.compile(r"(TT?\S*)\t(.*?)\s*\b(\d+ \d+(?:;\d+ \d+)*)\t(.*)")
_CODE = re.compile(r"\b(\d+)\b\s*(?:\|\s*([^|]*?)\s*\|)?")


def read(path: str | Path, *, lenient: bool = False) -> Results:
    """The documents of the folder that holds `text` and `original`, or that of one file in it."""
    return read_pairs(Path(path), LAYOUT, _document, lenient=lenient)


def _document(pair: FilePair, errors: list[InputError]) -> Document:
    text = pair.read_text()
    found = brat.parse(pair.lines("original"), text, errors)
    coded = _add_codes(pair, text, found, errors)
    metadata = found.metadata() | ({"cadec": coded} if coded else {})
    return Document(pair.id, text, tuple(found.entities.values()), metadata=metadata, place=str(pair.text))


def _add_codes(pair: FilePair, text: str, found: brat.Annotations, errors: list[InputError]) -> dict[str, list[str]]:
    """Puts concepts on the entities; gives the lines of each file."""
    by_place = {_spans(entity): id for id, entity in found.entities.items()}
    coded: dict[str, list[str]] = {}
    for kind, source in SOURCES.items():
        for where, line in pair.lines(kind):
            if line.startswith("#"):
                continue
            try:
                match = _CODED.fullmatch(line)
                if match is None:
                    raise InputError(
                        f"{line!r} has no codes", where=where, expected="TT1, a tab, CODES START END, a tab, the text"
                    )
                entity = brat.entity_at(match[3], kind, match[4], text, where)
                id = by_place.get(_spans(entity))
                if id is None:
                    raise InputError(f"there is no entity at {match[3]}", where=where)
            except InputError as error:
                errors.append(error)
                continue
            known = found.entities[id]
            new = [Concept(code, name or known.text, source) for code, name in _CODE.findall(match[2])]
            found.entities[id] = replace(known, concepts=(*known.concepts, *new))
            coded.setdefault(kind, []).append(line)
    return coded


def _spans(entity: Entity) -> tuple[Span, ...]:
    return entity.fragments or (entity.span,)


def write(documents: Iterable[Document]) -> Iterator[tuple[str, str]]:
    """The documents as files, each a relative path and its content.

    Codes are written as they were read where the entities are as many as then, else from the concepts of the two
    sources; concepts of others, scores and how an entity was matched are left out.

    Raises:
        OutputError: when an id makes no name of a file, or a label has a space.
    """
    for name, document in name_files(documents):
        bare = replace(document, entities=tuple(replace(entity, concepts=()) for entity in document.entities))
        ((_, text), (_, annotations)) = brat.write([bare])
        folder, _, file = name.rpartition("/")
        start = f"{folder}/" if folder else ""
        yield f"{start}text/{file}.txt", text
        yield f"{start}original/{file}.ann", annotations
        kept = document.metadata.get("cadec")
        for kind, source in SOURCES.items():
            lines = list(_codes(document, source))
            if isinstance(kept, Mapping) and kind in kept and _codes_of(kept[kind]) == _codes_of(lines):
                lines = list(kept[kind])
            if lines:
                yield f"{start}{kind}/{file}.ann", "".join(f"{line}\n" for line in lines)


def _codes(document: Document, source: str) -> Iterator[str]:
    number = 0
    for entity in document.entities:
        concepts = [concept for concept in entity.concepts if concept.source == source]
        if concepts:
            number += 1
            names = (re.sub(r"[|\s]+", " ", concept.name).strip() for concept in concepts)
            codes = " or ".join(f"{c.id} | {name} |" for c, name in zip(concepts, names, strict=True))
            yield f"TT{number}\t{codes} {brat.place(entity, document.text)}"


def _codes_of(lines: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Place and codes of each line that has any, so that kept lines can be told from those out of date."""
    matches = [match for line in lines if (match := _CODED.fullmatch(line))]
    coded = [(match[3], [code for code, _ in _CODE.findall(match[2])]) for match in matches]
    return sorted((place, codes) for place, codes in coded if codes)


def _folder_sign(path: Path) -> str | None:
    there = (path / "text").is_dir() and (path / "original").is_dir()
    return "its folders text and original" if there else None


FORMAT = CorpusFormat(
    name="cadec",
    read=lambda path, lenient: read(path, lenient=lenient),
    write=many_files(write),
    folder_sign=_folder_sign,
    folder=True,
    texts_apart=True,
    loses="a label or an attribute's name with a space; concepts but of SNOMED CT and MedDRA",
)
