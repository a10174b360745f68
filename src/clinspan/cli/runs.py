"""`clinspan runs`: look at a run, ask it again, delete it. `clinspan cache`: the answers that runs share."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clinspan.cli import ablate, tag
from clinspan.document import READ_STATES
from clinspan.runs.answers import Cache, cache_path
from clinspan.runs.budget import price_of, read_prices
from clinspan.runs.folder import RunFolder, read_description

app = typer.Typer(help="Look at runs, ask again what was not read, and delete what they keep.", no_args_is_help=True)

Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="The folder given to `clinspan tag --run`, or of `clinspan ablate`.")
]
_PROGRAMS: dict[str, tuple[Callable[..., None], str]] = {
    "tag": (tag.tag, "--run"),
    "ablate": (ablate.ablate, "--output"),
}
"""What a run is repeated with, and the option that names its folder."""


@app.command()
def show(
    run: Run,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
    prices: Annotated[
        Path | None, typer.Option(envvar="CLINSPAN_PRICES", help="A TOML file of prices per million tokens.")
    ] = None,
) -> None:
    """Shows the windows by state, why some were not read, tokens, cost and settings of a run.

    Example: `clinspan runs show run-1`
    """
    found = _told(run, prices)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in found.items():
        table.add_row(name, escape(_words(value)))
    Console(highlight=False).print(table)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_words(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, list):
        return "\n".join(map(_words, value))
    return f"{value:,}" if isinstance(value, int) else "none" if value is None else str(value)


def _told(run: Path, prices: Path | None) -> dict[str, Any]:
    description = read_description(run)
    with RunFolder(run) as folder:
        ledger = folder.ledger
        states, spent = ledger.states(), ledger.spent()
        told: dict[str, Any] = {
            "run": str(run),
            "documents": ledger.documents(),
            "windows": {state.value: count for state, count in sorted(states.items())},
            "not read": sum(count for state, count in states.items() if state not in READ_STATES),
            "why": dict(ledger.failures().most_common()),
            "requests": dict(ledger.requests()),
            "tokens": {"in": spent.prompt, "of these evaluated before": spent.cached, "out": spent.completion},
        }
    if prices is not None:
        price = price_of(read_prices(prices), description.settings["model"])
        told["cost"] = price.show(price.of(spent)) if price is not None else "no price for this model"
    settings = {"clinspan": description.clinspan, **description.settings}
    return {**told, "inputs": dict(description.inputs), "outputs": list(description.outputs), "settings": settings}


@app.command()
def retry(run: Run) -> None:
    """Asks again about the windows of a run that were not read, and writes its outputs anew.

    It is the run's own command in the folder that it was given in: inputs are read again, and what was answered is
    taken from the ledger. Exit status as for `clinspan tag`.

    Example: `clinspan runs retry run-1`
    """
    description = read_description(run)
    with RunFolder(run) as folder:
        windows = folder.ledger.ask_again()
    console = Console(stderr=True, highlight=False)
    if not windows:
        console.print("every window was read: there is nothing to ask again")
        return
    console.print(f"asking again about {windows} windows")
    here = str(run.absolute())
    os.chdir(description.directory)
    alone = typer.Typer(add_completion=False)
    program, option = _PROGRAMS[description.program]
    alone.command()(program)
    # The folder may have been moved since.
    arguments = [option, here, *_without(description.command, option)]
    name = f"clinspan {description.program}"
    raise typer.Exit(typer.main.get_command(alone).main(arguments, prog_name=name, standalone_mode=False))


def _without(arguments: Sequence[str], option: str) -> list[str]:
    at = list(arguments).index(option)
    return [*arguments[:at], *arguments[at + 2 :]]


@app.command()
def forget(run: Run) -> None:
    """Deletes what a run keeps: its ledger, and its answers in the cache. Outputs stay.

    Example: `clinspan runs forget run-1`
    """
    read_description(run)
    folder = RunFolder(run)
    if cache_path().exists():
        with Cache() as cache:
            cache.forget(folder.ledger.answers.keys())
    folder.forget()


cache = typer.Typer(help="Look at the answers that runs share, and delete them.", no_args_is_help=True)


@cache.command("show")
def show_cache() -> None:
    """Shows where the answers lie, how many there are and what room they take.

    Example: `clinspan cache show`
    """
    console = Console(highlight=False, soft_wrap=True)
    path = cache_path()
    if not path.exists():
        console.print(f"{escape(str(path))}: nothing is kept")
        return
    with Cache() as kept:
        console.print(f"{escape(str(path))}: {len(kept):,} answers, {path.stat().st_size / 1e6:.1f} MB")


@cache.command("clear")
def clear_cache() -> None:
    """Deletes all answers that runs share. What runs keep in their own folders stays.

    Example: `clinspan cache clear`
    """
    path = cache_path()
    gone = 0
    if path.exists():
        with Cache() as kept:
            gone = kept.clear()
    Console(highlight=False, soft_wrap=True).print(f"deleted {gone:,} answers")
