"""What becomes of results: `clinspan convert`, `clinspan report` and `clinspan explain`."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from clinspan.cli.evaluate import renamings, say_recognised
from clinspan.corpora import catalogue, inputs
from clinspan.corpora.format import Ruler, Unit
from clinspan.corpora.gold import sound
from clinspan.corpora.writer import check_place
from clinspan.document import OF, Document, Entity
from clinspan.errors import InputError, OutputError
from clinspan.files import refuse_existing
from clinspan.fusion.reasons import DECIDED, in_words
from clinspan.labels import LabelSet
from clinspan.view import ReportWriter

_SOME_LEFT_OUT = 3
_TOLD = 20
"""Ids of documents that an error lists."""


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The corpus: a file or a folder.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file or, for formats of many files, the folder.")],
    read_as: Annotated[
        str | None, typer.Option("--from", help=f"One of {', '.join(catalogue.FORMATS)}; told from IN when not given.")
    ] = None,
    write_as: Annotated[
        str | None,
        typer.Option("--to", help=f"One of {', '.join(catalogue.WRITABLE)}; told from OUT's ending when not given."),
    ] = None,
    renamed: Annotated[
        list[str] | None, typer.Option("--map", help="Rename a label, as FROM=TO; may be repeated.")
    ] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Report faulty documents and go on.")] = False,
    lossless: Annotated[bool, typer.Option("--lossless", help="Write nothing if anything would be lost.")] = False,
    force: Annotated[bool, typer.Option(help="Replace an output file that exists.")] = False,
) -> None:
    """Writes a corpus in another format, reads the result back and says what is lost.

    Offsets are kept exactly. Formats of many files, such as brat, are written to a folder, which must be new or empty.
    With `--lenient`, what cannot be read is named, the rest goes on, and the exit status is 3.

    Example: `clinspan convert corpus/ corpus.jsonl --from brat --to jsonl`
    """
    to = write_as or catalogue.written_as(target).name
    check_place(target, catalogue.writable(to), force=force)
    if not target.parent.is_dir():
        raise OutputError(f"there is no folder {target.parent}", where=str(target), fix=f"mkdir -p {target.parent}")
    documents, bad = _documents(source, read_as, renamings(renamed or ()), lenient=lenient)
    losses = write(documents, target, to, lossless=lossless)
    entities = sum(len(document.entities) for document in documents)
    typer.echo(f"{target}: {len(documents)} documents, {entities} entities as {to}", err=True)
    for loss in losses:
        typer.echo(f"lost: {loss}", err=True)
    if bad:
        typer.echo(f"{bad} faults; what they name is left out", err=True)
        raise typer.Exit(_SOME_LEFT_OUT)


def _documents(
    source: Path, format: str | None, labels: Mapping[str, str], *, lenient: bool
) -> tuple[list[Document], int]:
    problems: list[InputError] = []
    read = catalogue.read(source, format=format, labels=labels, lenient=lenient, told=say_recognised)
    documents = list(sound(read, problems if lenient else None, fix="Or go on with --lenient."))
    for problem in problems:
        typer.echo(f"passed over: {problem}", err=True)
    if not documents:
        raise InputError("holds no documents", where=str(source))
    return documents, len(problems)


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of thing that is not as it was: how often, and where first."""

    what: str
    count: int
    first: str

    def __str__(self) -> str:
        return f"{self.what}: {self.count} (the first in {self.first})"


def compare(before: Sequence[Document], after: Sequence[Document]) -> tuple[Loss, ...]:
    """What of the documents is not in those that were read back, by kind.

    Where the text has other white space, entities are compared by the characters they cover.
    """
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    if len(before) != len(after):
        counts["documents"] = abs(len(before) - len(after))
        kept = {document.text for document in after}
        first["documents"] = next((f"document {d.id!r}" for d in before if d.text not in kept), "the number of them")
        by_id = {document.id: document for document in after}
        found = [(document, by_id[document.id]) for document in before if document.id in by_id]
    else:
        found = list(zip(before, after, strict=True))
    for old, new in found:
        for what in _differences(old, new):
            counts[what] += 1
            first.setdefault(what, f"document {old.id!r}")
    return tuple(Loss(what, count, first[what]) for what, count in counts.items())


def _differences(old: Document, new: Document) -> Iterator[str]:
    if old.id != new.id:
        yield "ids of documents"
    same = old.text == new.text
    if not same:
        alike = old.text.split() == new.text.split()
        yield "white space of texts" if alike else "characters of texts"
    rulers = (None, None) if same else (Ruler(old.text, Unit.NO_SPACE), Ruler(new.text, Unit.NO_SPACE))
    left = [(_place(entity, rulers[1]), entity) for entity in new.entities]
    owners, of_new = old.owners(), {entity.id: entity for entity in new.entities if entity.id is not None}
    for number, entity in enumerate(old.entities):
        place = _place(entity, rulers[0])
        found = _nearest(entity, [other for there, other in left if there == place])
        if found is None:
            yield "entities (their place or label)"
            continue
        left.remove((place, found))
        yield from _details(entity, found, rulers)
        if number in owners and (id := found.attribute(OF)) is not None:
            owner = of_new.get(id)
            if owner is None or _place(owner, rulers[1]) != _place(owners[number], rulers[0]):
                yield f"attributes {OF!r}"
    if old.windows != new.windows:
        yield "reports of windows"
    for key, value in old.metadata.items():
        if key not in new.metadata or new.metadata[key] != value:
            yield f"metadata {key!r}"


def _place(entity: Entity, ruler: Ruler | None) -> tuple[int, int, str]:
    if ruler is None:
        return entity.start, entity.end, entity.label
    return ruler.units(entity.start), ruler.units(entity.end), entity.label


def _nearest(entity: Entity, others: list[Entity]) -> Entity | None:
    """The most similar of the entities in the same place, since one place may hold several."""
    return max(others, key=lambda o: (o == entity, o.fragments == entity.fragments), default=None)


def _details(old: Entity, new: Entity, rulers: tuple[Ruler | None, Ruler | None]) -> Iterator[str]:
    def parts(entity: Entity, ruler: Ruler | None) -> list[tuple[int, int]]:
        if ruler is None:
            return [(part.start, part.end) for part in entity.fragments]
        return [(ruler.units(part.start), ruler.units(part.end)) for part in entity.fragments]

    if parts(old, rulers[0]) != parts(new, rulers[1]):
        yield "gaps in discontinuous entities"
    if old.score != new.score:
        yield "scores"
    if old.match != new.match:
        yield "kinds of match"
    if [(c.bare_id, c.source) for c in old.concepts] != [(c.bare_id, c.source) for c in new.concepts]:
        yield "concepts"
    elif [replace(c, id=c.bare_id) for c in old.concepts] != [replace(c, id=c.bare_id) for c in new.concepts]:
        yield "names, types or scores of concepts"
    if old.rules != new.rules:
        yield "rules that moved boundaries"
    for name, value in old.attributes.items():
        # What it belongs to is compared by place, since formats have ids of their own.
        if new.attribute(name) != value and (name != OF or not new.attribute(OF)):
            yield f"attributes {name!r}"


def write(documents: Sequence[Document], target: Path, format: str, *, lossless: bool) -> tuple[str, ...]:
    """Writes beside the target, reads that back, and only then puts it in its place.

    Returns what is lost. An export cannot be read back, so what it says of itself counts.

    Raises:
        OutputError: when it cannot be written, cannot be read back, or would lose something and may not.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        part = Path(folder) / target.name
        catalogue.write(documents, part, format=format)
        losses = _losses(documents, part, format)
        if losses and lossless:
            raise OutputError(
                f"{format} would lose " + "; ".join(losses),
                where=str(target),
                fix="Leave out --lossless to write it all the same.",
            )
        if part.is_dir():
            shutil.copytree(part, target, dirs_exist_ok=True)
        else:
            part.replace(target)
    return losses


def _losses(documents: Sequence[Document], written: Path, format: str) -> tuple[str, ...]:
    known = catalogue.by_name(format)
    if known.read is None:
        return (*((known.loses,) if known.loses else ()), *known.left_out(documents))
    again: list[Document] = []
    for result in catalogue.read(written, format=format):
        if isinstance(result, InputError):
            raise OutputError(f"{format} cannot say this corpus: {result.what}", where=result.where)
        again.append(result)
    return tuple(map(str, compare(documents, again)))


def report(
    results: Annotated[Path, typer.Argument(help="Documents with entities, in any corpus format.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
    labels: Annotated[
        str | None, typer.Option(help="The label set, for its order and definitions: a name or a labels.toml.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", help=f"One of {', '.join(catalogue.FORMATS)}; told from RESULTS when not given."),
    ] = None,
    title: Annotated[str, typer.Option(help="The heading of the page.")] = "Entities",
    force: Annotated[bool, typer.Option("--force", help="Replace a page that exists.")] = False,
) -> None:
    """Writes results as one HTML page that needs no network, without tagging again.

    Example: `clinspan report entities.jsonl -o report.html`
    """
    wanted = LabelSet.load(labels) if labels is not None else None
    refuse_existing(output, force=force)
    documents = sound(catalogue.read(results, format=source, told=say_recognised), None, fix="Or leave it out.")
    first = next(documents, None)
    if first is None:
        raise InputError("holds no documents", where=str(results))
    count = 1
    about = {"results": str(results)}
    with ReportWriter(
        output, labels=wanted, settings=about, versions={"clinspan": version("clinspan")}, title=title
    ) as page:
        page.add(first)
        for document in documents:
            page.add(document)
            count += 1
    typer.echo(f"{output}: {count} documents", err=True)


def explain(
    result: Annotated[Path, typer.Argument(help="What `clinspan tag --explain -o FILE.jsonl` wrote.")],
    document: Annotated[str | None, typer.Argument(help="The id of a document; all of them without it.")] = None,
    entity: Annotated[str | None, typer.Option(help="The id of an entity, or words of its text.")] = None,
    rejected: Annotated[
        bool, typer.Option("--rejected/--no-rejected", help="Also candidates that were not reported.")
    ] = True,
) -> None:
    """Says in words what each source said of an entity and what that weighed.

    The numbers are log-odds: what a source added to those of the candidate, or took from them, against a usual one.

    Example: `clinspan explain entities.jsonl`, after `clinspan tag notes/ -o entities.jsonl --explain` and its labels

    Example: `clinspan explain entities.jsonl note-3 --entity "chest pain"`
    """
    console = Console(highlight=False, soft_wrap=True)
    known = list(inputs.strict(catalogue.read(result, option="")))
    documents = [one for one in known if document in (None, one.id)]
    if not documents:
        raise InputError(f"there is no document {document!r}", where=str(result), fix=_ids(known))
    shown = 0
    for one in documents:
        rows = [row for row in _rows(one, result) if (row["reported"] or rejected) and _is_meant(row, one, entity)]
        if rows:
            console.print(f"[bold]{escape(one.id)}[/]")
        for row in rows:
            place = f"{row['start']}-{row['end']}"
            console.print(f"  {place}: {escape(in_words(row))}", style=None if row["reported"] else "dim")
        shown += len(rows)
    if not shown:
        console.print("nothing was considered" if entity is None else f"nothing that was considered is {entity!r}")


def _ids(documents: Sequence[Document]) -> str:
    """Names the documents of a file, or the first of them."""
    more = f", and {len(documents) - _TOLD} more" if len(documents) > _TOLD else ""
    return f"It has {', '.join(one.id for one in documents[:_TOLD])}{more}."


def _rows(document: Document, where: Path) -> list[dict[str, Any]]:
    rows = document.metadata.get(DECIDED)
    if not isinstance(rows, list):
        raise InputError(
            f"document {document.id!r} keeps no reasons",
            where=str(where),
            expected="what was tagged with --explain, by a fused model",
            fix="Tag it again with --explain.",
        )
    return rows


def _is_meant(row: dict[str, Any], document: Document, entity: str | None) -> bool:
    if entity is None or entity.casefold() in row["text"].casefold():
        return True
    places = {(e.start, e.end, e.label) for e in document.entities if e.id == entity}
    return (row["start"], row["end"], row["label"]) in places
