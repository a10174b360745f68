"""Training at a terminal: a bar that tells how far it is, and Ctrl-C, which ends it in good order."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from clinspan.errors import MissingExtra

Show = Callable[[float, str], None]
"""Shows the part that is done, in [0, 1], and what is to be said of it."""


class Run(Protocol):
    """What can be ended after the step under way, and still writes what it made."""

    def stop(self) -> None:
        """Ends it."""
        ...


def part(name: str) -> Any:
    """A part of tuning that needs the packages of an extra, imported on use.

    Raises:
        MissingExtra: when one of them is not installed.
    """
    try:
        return resolve_name(f"clinspan.tuning.{name}")
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train", purpose="tuning") from error


@contextmanager
def watched(run: Run, console: Console, *, shown: bool) -> Iterator[Show]:
    """A bar for a run. The first Ctrl-C, or a termination, stops the run; the second breaks it off.

    Args:
        run: see `Run`.
        console: is drawn on.
        shown: False in all but one of several processes that train together.
    """

    def end(*_: object) -> None:
        run.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not shown) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda done, said: bar.update(task, completed=done, description=said)
