"""Texts with annotations in files beside them: i2b2 2010 and CADEC, as they were published.

i2b2 has a tokenised text, its concepts in a `.con` and their assertions in an `.ast`. A place is `LINE:TOKEN` of the
first and of the last token, lines counted from 1, tokens from 0; white space parts tokens. The files lie beside the
text or in the folders `txt`, `concept` and `ast` of the published corpus. An assertion becomes the entity's attribute
`assertion`, the only one that the format has.

CADEC has texts in `text/`, entities in `original/`, their SNOMED CT and MedDRA codes in `sct/` and `meddra/`. The
`.ann` files are brat's but for the code files, whose lines name codes where brat has a type. Codes become concepts of
the entity in the same place; their lines are kept as they stand in the metadata, under `cadec`, since they also say
how several codes go together.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from operator import itemgetter
from pathlib import Path

from clinspan.corpora import brat
from clinspan.corpora.format import CorpusFormat, Results, many_files
from clinspan.corpora.text import HERE, FilePair, Layout, name_files, read_pairs
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import InputError, OutputError

_I2B2_FILES = Layout("txt", {"con": (".con", (HERE, "concept")), "ast": (".ast", (HERE, "ast"))})
_BEGINS = re.compile(r'c=".*" \d+:\d+ \d+:\d+\|\|t="')
_CONCEPT = re.compile(r'c="(.*)" (\d+):(\d+) (\d+):(\d+)\|\|t="([^"]*)"')
_ASSERTION = re.compile(r'(c="(?:.*)" \d+:\d+ \d+:\d+\|\|t="[^"]*")\|\|a="([^"]+)"')
ASSERTION = "assertion"
TOKEN = re.compile(r"\S+")


def read_i2b2(path: str | Path, *, lenient: bool = False) -> Results:
    """The documents of a folder and all below it, or that of one file of a pair."""
    return read_pairs(Path(path), _I2B2_FILES, _i2b2_document, lenient=lenient)


def _i2b2_document(pair: FilePair, errors: list[InputError]) -> Document:
    text = pair.read_text()
    grid = _Grid(text)
    entities: list[Entity] = []
    types: dict[tuple[Span, str], list[int]] = {}
    for where, line in pair.lines("con"):
        try:
            span, kind = _concept(line, grid, where)
        except InputError as error:
            errors.append(error)
            continue
        types.setdefault((span, kind), []).append(len(entities))
        entities.append(Entity(span, kind, span.of(text)))
    for where, line in pair.lines("ast"):
        try:
            match = _ASSERTION.fullmatch(line.strip())
            if match is None:
                raise InputError(
                    f"{line!r} is not an assertion", where=where, expected='c="..." 1:0 1:2||t="problem"||a="present"'
                )
            free = types.get(_concept(match[1], grid, where))
            if not free:
                raise InputError(f"no concept stands for {match[1]}", where=where)
            number = free.pop(0) if len(free) > 1 else free[0]
            entities[number] = replace(entities[number], attributes={ASSERTION: match[2]})
        except InputError as error:
            errors.append(error)
    return Document(pair.id, text, tuple(entities), place=str(pair.text))


class _Grid:
    """The tokens of each line of a text."""

    def __init__(self, text: str):
        self.text = text
        self.tokens: list[list[Span]] = []
        at = 0
        for line in text.split("\n"):
            self.tokens.append([Span(at + m.start(), at + m.end()) for m in TOKEN.finditer(line)])
            at += len(line) + 1

    @cached_property
    def flat(self) -> list[tuple[int, int, int, int]]:
        """Start and end of every token, its line and its number there."""
        return [(t.start, t.end, line, n) for line, row in enumerate(self.tokens, 1) for n, t in enumerate(row)]

    def touched(self, span: Span) -> list[tuple[int, int, int, int]]:
        """Those of them that share a character with the span."""
        first = bisect_right(self.flat, span.start, key=itemgetter(1))
        return self.flat[first : bisect_left(self.flat, span.end, key=itemgetter(0))]

    def token(self, line: int, number: int) -> Span:
        """The token of a line.

        Raises:
            IndexError: when there is none.
        """
        if line < 1:
            raise IndexError(line)
        return self.tokens[line - 1][number]


def _concept(line: str, grid: _Grid, where: str) -> tuple[Span, str]:
    match = _CONCEPT.fullmatch(line.strip())
    if match is None:
        raise InputError(f"{line!r} is not a concept", where=where, expected='c="..." 1:0 1:2||t="problem"')
    first, last = (int(match[2]), int(match[3])), (int(match[4]), int(match[5]))
    try:
        start, end = grid.token(*first).start, grid.token(*last).end
    except IndexError:
        raise InputError(f"the text has no tokens {match[2]}:{match[3]} {match[4]}:{match[5]}", where=where) from None
    if last < first:
        raise InputError("ends before it begins", where=where)
    span = Span(start, end)
    # The mention is written in lower case, a space between tokens.
    if span.of(grid.text).lower().split() != match[1].lower().split():
        raise InputError(f"{span.of(grid.text)!r} stands there, not {match[1]!r}", where=where)
    return span, match[6]


def write_i2b2(documents: Iterable[Document]) -> Iterator[tuple[str, str]]:
    """The documents as files, each a relative path and its content: `.txt`, `.con` and, where there are any, `.ast`.

    An entity is widened to whole tokens and a discontinuous one to its hull, which is all the format can say; concepts
    and scores are left out.

    Raises:
        OutputError: when an id makes no name of a file, or a label cannot be said in the format.
    """
    for name, document in name_files(documents):
        grid = _Grid(document.text)
        concepts, asserted = [], []
        for entity in document.entities:
            assertion = entity.attribute(ASSERTION)
            for what, said in (("label", entity.label), (ASSERTION, assertion or "")):
                if '"' in said or "\n" in said:
                    raise OutputError(f"i2b2 cannot say the {what} {said!r}", where=f"document {document.id!r}")
            concepts.append(_line(entity, grid, document.id))
            if assertion is not None:
                asserted.append(f'{concepts[-1]}||a="{assertion}"')
        yield f"{name}.txt", document.text
        yield f"{name}.con", "".join(f"{line}\n" for line in concepts)
        if asserted:
            yield f"{name}.ast", "".join(f"{line}\n" for line in asserted)


def _line(entity: Entity, grid: _Grid, id: str) -> str:
    touched = grid.touched(entity.span)
    if not touched:
        raise OutputError(f"the {entity.label} at {entity.start} is white space alone", where=f"document {id!r}")
    start, _, line, token = touched[0]
    _, end, last_line, last_token = touched[-1]
    mention = " ".join(grid.text[start:end].lower().split())
    return f'c="{mention}" {line}:{token} {last_line}:{last_token}||t="{entity.label}"'


I2B2 = CorpusFormat(
    name="i2b2",
    read=lambda path, lenient: read_i2b2(path, lenient=lenient),
    write=many_files(write_i2b2),
    sign=lambda head: "its first line is a concept" if head.lines and _BEGINS.match(head.lines[0]) else None,
    endings=(".con",),
    beside=".con",
    folder=True,
    texts_apart=True,
    loses="an entity that ends within a token (it is widened), gaps (the hull is written), concepts, "
    "attributes but `assertion`",
)


SOURCES = {"sct": "SNOMEDCT", "meddra": "MedDRA"}
_CADEC_FILES = Layout("text", {kind: (".ann", (kind,)) for kind in ("original", *SOURCES)})
_CODED = re.compile(r"(TT?\S*)\t(.*?)\s*\b(\d+ \d+(?:;\d+ \d+)*)\t(.*)")
_CODE = re.compile(r"\b(\d+)\b\s*(?:\|\s*([^|]*?)\s*\|)?")


def read_cadec(path: str | Path, *, lenient: bool = False) -> Results:
    """The documents of the folder that holds `text` and `original`, or that of one file in it."""
    return read_pairs(Path(path), _CADEC_FILES, _cadec_document, lenient=lenient)


def _cadec_document(pair: FilePair, errors: list[InputError]) -> Document:
    text = pair.read_text()
    found = brat.parse(pair.lines("original"), text, errors)
    coded = _add_codes(pair, text, found, errors)
    metadata = found.metadata() | ({"cadec": coded} if coded else {})
    return Document(pair.id, text, tuple(found.entities.values()), metadata=metadata, place=str(pair.text))


def _add_codes(pair: FilePair, text: str, found: brat.Annotations, errors: list[InputError]) -> dict[str, list[str]]:
    """Puts concepts on the entities; gives the lines of each file."""
    by_place = {_parts(entity): id for id, entity in found.entities.items()}
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
                id = by_place.get(_parts(entity))
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


def _parts(entity: Entity) -> tuple[Span, ...]:
    return entity.fragments or (entity.span,)


def write_cadec(documents: Iterable[Document]) -> Iterator[tuple[str, str]]:
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


def _cadec_sign(path: Path) -> str | None:
    there = (path / "text").is_dir() and (path / "original").is_dir()
    return "its folders text and original" if there else None


CADEC = CorpusFormat(
    name="cadec",
    read=lambda path, lenient: read_cadec(path, lenient=lenient),
    write=many_files(write_cadec),
    folder_sign=_cadec_sign,
    folder=True,
    texts_apart=True,
    loses="a label or an attribute's name with a space; concepts but of SNOMED CT and MedDRA",
)
