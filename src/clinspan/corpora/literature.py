"""The literature's corpora as they were published: PubTator (NCBI-disease, BC5CDR), and BC2GM.

PubTator has title, abstract and tab-separated annotations. The text of a document is title, one line end, abstract;
that is how the format counts offsets. Composite mentions keep their place as one entity; the column that takes them
apart is not read. Relations are kept in the metadata.

BC2GM has a sentence a line in an `.in`, its genes in `GENE.eval`. A place is the number of characters before the
mention and of those before its last one, white space left out. `ALTGENE.eval` lists other places that count as right;
they are kept in a sentence's metadata, under `alternatives`, as pairs of start and end in code points.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from clinspan.corpora.format import CorpusFormat, Head, Results, Ruler, Unit, checked, many_files, one_file
from clinspan.corpora.text import numbered_lines, read_text
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


def read_pubtator(path: str | Path, *, lenient: bool = False) -> Results:
    """The documents of a file in UTF-8; one that is wrong gives an error in its place and the rest goes on.

    Raises:
        InputError: when the file cannot be read at all.
    """
    for block in _blocks(read_text(Path(path))):
        yield from checked(partial(_document, block, str(path)), lenient=lenient)


def _pubtator_sign(head: Head) -> str | None:
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


def write_pubtator(documents: Iterable[Document]) -> Iterator[str]:
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


PUBTATOR = CorpusFormat(
    name="pubtator",
    read=lambda path, lenient: read_pubtator(path, lenient=lenient),
    write=one_file(write_pubtator),
    sign=_pubtator_sign,
    endings=(".pubtator",),
    loses="line ends but one, tabs, gaps, attributes",
)


LABEL = "GENE"
_GENES, _ALTERNATIVES = "GENE.eval", "ALTGENE.eval"


def read_bc2gm(path: str | Path, *, lenient: bool = False) -> Results:
    """The sentences of a corpus; one that is wrong gives an error in its place and the rest goes on.

    Args:
        path: the `.in`, or the folder that holds one, `GENE.eval` and, where there are any, `ALTGENE.eval`.
        lenient: gives sentences without their wrong annotations, after the errors that name them. One whose mention is
            not what stands at its offsets is given too, since by the format's rules the offsets count.

    Raises:
        InputError: when a file cannot be read at all, or there is not one `.in`.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(path.glob("*.in"))
        if len(files) != 1:
            names = ", ".join(file.name for file in files) or "none"
            raise InputError(
                "does not hold exactly one file of sentences", where=str(path), expected=f"one .in, not {names}"
            )
        path = files[0]
    genes = _places(path.with_name(_GENES))
    other = path.with_name(_ALTERNATIVES)
    alternatives = _places(other) if other.exists() else _Places()
    for where, line in numbered_lines(path):
        id, space, text = line.partition(" ")
        if not space or not text.strip():
            yield InputError(f"{line[:40]!r} is not a sentence", where=where, expected="ID, a space, the sentence")
            continue
        errors: list[InputError] = []
        spans = list(_spans(genes.pop(id, ()), text, errors))
        others = [[span.start, span.end] for span in _spans(alternatives.pop(id, ()), text, errors)]
        yield from errors if lenient else errors[:1]
        if lenient or not errors:
            entities = tuple(Entity(span, LABEL, span.of(text)) for span in spans)
            yield Document(id, text, entities, metadata={"alternatives": others} if others else {}, place=where)
    for rest in (genes, alternatives):
        for id, lines in rest.items():
            yield InputError(f"there is no sentence {id}", where=lines[0][0])


_Places = defaultdict[str, list[tuple[str, str, str]]]
"""By sentence: the place in the file, the offsets and the mention."""


def _places(path: Path) -> _Places:
    found = _Places(list)
    for where, line in numbered_lines(path):
        id, _, rest = line.partition("|")
        offsets, _, mention = rest.partition("|")
        found[id].append((where, offsets, mention))
    return found


def _spans(lines: Iterable[tuple[str, str, str]], text: str, errors: list[InputError]) -> Iterator[Span]:
    ruler = Ruler(text, Unit.NO_SPACE) if lines else None
    for where, offsets, mention in lines:
        numbers = offsets.split(" ")
        if ruler is None or len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
            errors.append(InputError(f"{offsets!r} is not a place", where=where, expected="ID|START END|MENTION"))
            continue
        first, last = map(int, numbers)
        if not first <= last < ruler.length:
            what = f"{offsets} is not within the sentence of {ruler.length} characters"
            errors.append(InputError(what, where=where))
            continue
        span = Span(ruler.start(first), ruler.end(last + 1))
        # The rules let a mention be left out, and count no white space in it.
        if mention.strip() and span.of(text).split() != mention.split():
            errors.append(InputError(f"{span.of(text)!r} stands at {offsets}, not {mention!r}", where=where))
        yield span


def write_bc2gm(documents: Iterable[Document], *, name: str = "corpus") -> Iterator[tuple[str, str]]:
    """The documents as three files, each a name and its content.

    A line end within a text becomes a space, a discontinuous entity its hull, and every label `GENE`, the only one
    there is; concepts and scores are left out.

    Args:
        documents: their ids must have neither space nor `|`.
        name: of the `.in`.

    Raises:
        OutputError: when an id cannot be said, or an entity is white space alone.
    """
    sentences: list[str] = []
    genes: list[str] = []
    alternatives: list[str] = []
    for document in documents:
        where = f"document {document.id!r}"
        if any(character.isspace() or character == "|" for character in document.id):
            raise OutputError("BC2GM cannot say an id with a space or '|'", where=where)
        text = document.text.replace("\r", " ").replace("\n", " ")
        ruler = Ruler(text, Unit.NO_SPACE)
        sentences.append(f"{document.id} {text}\n")
        genes.extend(_line(document.id, entity.span, text, ruler) for entity in document.entities)
        others = document.metadata.get("alternatives")
        for start, end in others if isinstance(others, list) else ():
            alternatives.append(_line(document.id, Span(start, end), text, ruler))
    yield f"{name}.in", "".join(sentences)
    yield _GENES, "".join(genes)
    yield _ALTERNATIVES, "".join(alternatives)


def _line(id: str, span: Span, text: str, ruler: Ruler) -> str:
    first, after = ruler.units(span.start), ruler.units(span.end)
    if first == after:
        raise OutputError(f"the entity at {span.start} is white space alone", where=f"document {id!r}")
    mention = span.of(text).strip()
    return f"{id}|{first} {after - 1}|{mention}\n"


def _bc2gm_sign(path: Path) -> str | None:
    for file in sorted(path.rglob("*.in")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if not hidden and file.with_name(_GENES).is_file():
            return f"it holds {file.name} with {_GENES}"
    return None


BC2GM = CorpusFormat(
    name="bc2gm",
    read=lambda path, lenient: read_bc2gm(path, lenient=lenient),
    write=many_files(write_bc2gm),
    endings=(".in",),
    folder_sign=_bc2gm_sign,
    folder=True,
    loses="any label but `GENE`, line ends, gaps, concepts, attributes",
)
