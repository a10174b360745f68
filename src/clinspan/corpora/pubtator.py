"""PubTator: title, abstract and tab-separated annotations, as NCBI-disease and BC5CDR come.

The text of a document is title, one line end, abstract; that is how the format counts offsets. Composite mentions keep
their place as one entity; the column that takes them apart is not read. Relations are kept in the metadata.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from clinspan.corpora.format import CorpusFormat, Head, Results, checked, one_file
from clinspan.corpora.text import read_text
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import InputError, OutputError

NCBI_LABELS: Mapping[str, str] = {
    "SpecificDisease": "disease",
    "DiseaseClass": "disease",
    "CompositeMention": "disease",
    "Modifier": "disease",
}
"""The mention classes of NCBI-disease, which are one label in every published score."""

_PASSAGE = re.compile(r"([^|\t]+)\|([ta])\|(.*)")
_LINE_BREAK = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029\t]")


class _Line(NamedTuple):
    number: int
    text: str


def read(path: str | Path, *, lenient: bool = False) -> Results:
    """The documents of a file in UTF-8; one that is wrong gives an error in its place and the rest goes on.

    Raises:
        InputError: when the file cannot be read at all.
    """
    for block in _blocks(read_text(Path(path))):
        yield from checked(partial(_document, block, str(path)), lenient=lenient)


def _sign(head: Head) -> str | None:
    passage = _PASSAGE.match(head.lines[0]) if head.lines else None
    return "its first line is a title" if passage is not None and passage[2] == "t" else None


def _blocks(text: str) -> Iterator[list[_Line]]:
    """Runs of lines without an empty one between, and within them wherever a title begins."""
    block: list[_Line] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        passage = _PASSAGE.match(line)
        if block and (not line.strip() or (passage and passage[2] == "t")):
            yield block
            block = []
        if line.strip():
            block.append(_Line(number, line))
    if block:
        yield block


def _document(block: Sequence[_Line], where: str, faults: list[InputError]) -> Document:
    first = f"{where}, line {block[0].number}"
    title = _PASSAGE.fullmatch(block[0].text)
    if title is None or title[2] != "t":
        raise InputError("a document does not begin with its title", where=first, expected="ID|t|TITLE")
    id, text, rest = title[1], title[3], block[1:]
    if rest and (abstract := _PASSAGE.fullmatch(rest[0].text)):
        if abstract[1] != id or abstract[2] != "a":
            raise InputError(
                f"is not the abstract of {id}", where=f"{where}, line {rest[0].number}", expected=f"{id}|a|ABSTRACT"
            )
        text, rest = f"{text}\n{abstract[3]}", rest[1:]
    entities: list[Entity] = []
    relations: list[list[str]] = []
    for number, line in rest:
        fields = line.split("\t")
        try:
            if len(fields) == 4 and not fields[1].isdigit():
                relations.append(fields[1:])
            else:
                entities.append(_entity(fields, id, text, f"{where}, line {number}"))
        except InputError as error:
            faults.append(error)
    return Document(id, text, tuple(entities), metadata={"relations": relations} if relations else {}, place=first)


def _entity(fields: Sequence[str], id: str, text: str, where: str) -> Entity:
    if len(fields) < 5 or fields[0] != id or not (fields[1].isdecimal() and fields[2].isdecimal()):
        raise InputError(
            "is not an annotation of this document",
            where=where,
            expected=f"{id}, start, end, mention, type, concept by tabs",
        )
    start, end, mention, kind = int(fields[1]), int(fields[2]), fields[3], fields[4]
    if not start < end <= len(text):
        raise InputError(f"{start}-{end} is not within the text of {len(text)} characters", where=where)
    span = Span(start, end)
    stands = span.of(text)
    if _LINE_BREAK.sub(" ", stands) != mention:
        raise InputError(f"{stands!r} stands at {start}-{end}, not {mention!r}", where=where)
    given = fields[5].strip() if len(fields) > 5 else ""
    concepts = tuple(Concept(c, mention, _source(c)) for c in given.split("|") if c not in ("", "-", "-1"))
    return Entity(span, kind, stands, concepts=concepts)


def _source(concept: str) -> str:
    """The vocabulary an identifier names; the two corpora leave it out for MeSH."""
    return concept.split(":", 1)[0] if ":" in concept else "MESH"


def write(documents: Iterable[Document]) -> Iterator[str]:
    """The documents as PubTator, one string each, an empty line at its end.

    The title is the text's first line; a text without a line end has no abstract, since even an empty one would add it.
    The format has no other line ends and no tabs in a text: each becomes a space,
    which keeps the offsets. It has no scores and no fragments: a discontinuous entity is written as its hull.

    Raises:
        OutputError: when an id or a label cannot be said in the format.
    """
    for document in documents:
        for name in (document.id, *(entity.label for entity in document.entities)):
            if re.search(r"[|\s]", name if name == document.id else name.replace(" ", "")):
                raise OutputError(f"PubTator cannot say {name!r}", where=f"document {document.id!r}")
        title, line_end, abstract = document.text.partition("\n")
        lines = [f"{document.id}|t|{_LINE_BREAK.sub(' ', title)}"]
        if line_end:
            lines.append(f"{document.id}|a|{_LINE_BREAK.sub(' ', abstract)}")
        for entity in document.entities:
            concepts = "|".join(concept.id for concept in entity.concepts) or "-1"
            mention = _LINE_BREAK.sub(" ", entity.text)
            lines.append("\t".join((document.id, str(entity.start), str(entity.end), mention, entity.label, concepts)))
        relations = document.metadata.get("relations", ())
        if isinstance(relations, list):
            lines.extend("\t".join((document.id, *map(str, relation))) for relation in relations)
        yield "\n".join(lines) + "\n\n"


FORMAT = CorpusFormat(
    name="pubtator",
    read=lambda path, lenient: read(path, lenient=lenient),
    write=one_file(write),
    sign=_sign,
    endings=(".pubtator",),
    loses="line ends but one, tabs, gaps, attributes",
)
