"""BC2GM as it was published: a sentence a line in an `.in`, its genes in `GENE.eval`; offsets count no white space.

A place is the number of characters before the mention and of those before its last one, white space left out.
`ALTGENE.eval` lists other places that count as right; they are kept in a sentence's metadata, under `alternatives`, as
pairs of start and end in code points.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from clinspan.corpora.format import CorpusFormat, Results, Ruler, Unit, many_files
from clinspan.corpora.text import numbered_lines
from clinspan.document import Document, Entity, Span
from clinspan.errors import InputError, OutputError

LABEL = "GENE"
_GENES, _ALTERNATIVES = "GENE.eval", "ALTGENE.eval"


def read(path: str | Path, *, lenient: bool = False) -> Results:
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


def write(documents: Iterable[Document], *, name: str = "corpus") -> Iterator[tuple[str, str]]:
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


def _folder_sign(path: Path) -> str | None:
    for file in sorted(path.rglob("*.in")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if not hidden and file.with_name(_GENES).is_file():
            return f"it holds {file.name} with {_GENES}"
    return None


FORMAT = CorpusFormat(
    name="bc2gm",
    read=lambda path, lenient: read(path, lenient=lenient),
    write=many_files(write),
    endings=(".in",),
    folder_sign=_folder_sign,
    folder=True,
    loses="any label but `GENE`, line ends, gaps, concepts, attributes",
)
