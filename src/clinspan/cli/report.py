"""`clinspan report`: the page of results that are there, without tagging again."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from clinspan.cli.evaluate import say_recognised
from clinspan.corpora import catalogue
from clinspan.corpora.gold import sound
from clinspan.errors import InputError
from clinspan.files import refuse_existing
from clinspan.labels import LabelSet
from clinspan.view.report import ReportWriter


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
