"""`clinspan explain`: why entities were reported, and why others were not."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from clinspan.corpora import catalogue, inputs
from clinspan.document import Document
from clinspan.errors import InputError
from clinspan.fusion.reasons import DECIDED, in_words


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
    documents = [one for one in inputs.strict(catalogue.read(result)) if document in (None, one.id)]
    if not documents:
        raise InputError(f"there is no document {document!r}", where=str(result))
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
