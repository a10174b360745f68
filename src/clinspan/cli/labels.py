"""`clinspan labels`: the label sets that can be asked for."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clinspan.labels import LabelSet, builtin_names
from clinspan.tagging.told import hints

app = typer.Typer(help="List, show and check label sets.", no_args_is_help=True)


@app.command("list")
def list_sets() -> None:
    """Lists the label sets that come with clinspan.

    Example: `clinspan labels list`
    """
    table = Table("set", "labels", "examples", "terms")
    for name in builtin_names():
        labels = LabelSet.builtin(name)
        terms = sum(len(label.terms) for label in labels.labels)
        table.add_row(name, ", ".join(labels.names), str(len(labels.examples)), str(terms))
    Console().print(table)


@app.command()
def show(name: Annotated[str, typer.Argument(help="A built-in set, or the path of a labels.toml.")]) -> None:
    """Shows each label's definition, guideline, semantic types and terms.

    Example: `clinspan labels show disease`
    """
    console = Console()
    for label in LabelSet.load(name).labels:
        console.print(f"[bold]{escape(label.name)}[/]: {escape(label.definition)}")
        for title, text in (
            ("guideline", label.guideline),
            ("semantic types", ", ".join(label.semantic_types)),
            ("terms", ", ".join(label.terms)),
        ):
            if text:
                console.print(f"  [dim]{title}:[/] {escape(text)}")


@app.command()
def check(path: Annotated[Path, typer.Argument(help="A labels.toml of your own.")]) -> None:
    """Checks a labels.toml and says what is in it; exit status 2 and the place of the fault when it is wrong.

    Example: `clinspan labels check mine.toml`
    """
    labels = LabelSet.from_toml(path)
    typer.echo(f"{path}: {len(labels.labels)} labels ({', '.join(labels.names)}), {len(labels.examples)} examples")
    for hint in hints(labels):
        typer.echo(f"  {hint}")
