"""Fetches models with a progress bar, and asks before it does."""

import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from clinspan.models.pull import pull
from clinspan.models.registry import Model
from clinspan.tagging.needs import absent


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
