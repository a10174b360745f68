"""How far a run is, as the person who waits sees it."""

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from clinspan.document import READ_STATES, Document
from clinspan.tagging.read import WindowRead

EVERY = 30.0
"""Seconds between two lines where there is no terminal to draw on: a log should show life, not drown."""
_RECENT = 60
"""Seconds from which the time that is left is foretold: a run that is taken up begins much faster than it goes on."""


def _nothing() -> str:
    return ""


class _Elapsed(ProgressColumn):
    """The time since a run began; rich's own stands still once the notes that were expected are done."""

    def __init__(self, elapsed: Callable[[], timedelta]):
        super().__init__()
        self._so_far = elapsed

    def render(self, task: Task) -> Text:  # noqa: ARG002 - the library's
        return Text(str(self._so_far()))


class Meter:
    """Notes, windows, entities, words a minute and the time that is left, from each window as it is read.

    On a terminal they are drawn in one place, with a bar where the number of notes is known, and gone at the end;
    elsewhere a line is printed now and then.

    Args:
        console: is drawn on; one that is quiet shows nothing.
        total: notes that are expected; None where that is not known.
        spent: says what was taken so far: tokens, money.
        clock: seconds, never going back.
        every: seconds between two lines where there is no terminal.
    """

    def __init__(
        self,
        console: Console,
        *,
        total: int | None = None,
        spent: Callable[[], str] = _nothing,
        clock: Callable[[], float] = time.monotonic,
        every: float = EVERY,
    ):
        self._console = console
        self._total = total
        self._spent = spent
        self._clock = clock
        self._every = every
        self._started = self._line = clock()
        self._notes = self._windows = self._words = self._entities = self._not_read = 0
        self._recent: deque[tuple[float, int]] = deque([(self._started, 0)], maxlen=_RECENT)
        self._here: WindowRead | None = None
        self._found = 0
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[note]}"),
            _Elapsed(self._elapsed),
            console=console,
            transient=True,
            disable=console.quiet or not console.is_terminal,
        )
        self._task = self._bar.add_task("reading", total=total, note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def window(self, read: WindowRead) -> None:
        """A window was read."""
        self._here = read
        self._windows += 1
        self._words += read.words
        self._not_read += read.state not in READ_STATES
        self._found += len(read.entities)
        self._show()

    def document(self, document: Document) -> None:
        """A document is done; its entities are now known for good."""
        self._notes += 1
        self._entities += len(document.entities)
        self._found, self._here = 0, None
        if (now := self._clock()) - self._recent[-1][0] >= 1:
            self._recent.append((now, self._notes))
        self._show()

    def _show(self) -> None:
        now = self._clock()
        if self._console.is_terminal:
            read = self._here
            note = f"{escape(read.document)}: window {read.index + 1} of {read.of}" if read else ""
            done = self._notes + ((read.index + 1) / read.of if read else 0)
            self._bar.update(self._task, description=self._said(now), note=note, completed=done)
        elif now - self._line >= self._every:
            self._line = now
            where = f"; {self._here.document}: window {self._here.index + 1} of {self._here.of}" if self._here else ""
            self._console.print(escape(f"{self._said(now)}, {now - self._started:.0f} s{where}"), soft_wrap=True)

    def _said(self, now: float) -> str:
        seconds = now - self._started
        rate = self._words / seconds * 60 if seconds else 0.0
        found = self._entities + self._found
        of = f" of {self._total:,}" if self._known else ""
        said = f"{self._notes:,}{of} notes, {self._windows:,} windows, {found:,} entities, {rate:,.0f} words a minute"
        if self._not_read:
            said += f", {self._not_read:,} windows not read"
        if spent := self._spent():
            said += f", {spent}"
        return said + self._left()

    def _elapsed(self) -> timedelta:
        return timedelta(seconds=int(self._clock() - self._started))

    @property
    def _known(self) -> bool:
        """Whether the number of notes that was expected can be right."""
        return self._total is not None and self._total >= self._notes

    def _left(self) -> str:
        then, notes = self._recent[0]
        now, more = self._recent[-1]
        if self._total is None or not self._known or more == notes:
            return ""
        seconds = (self._total - self._notes) * (now - then) / (more - notes)
        if seconds < 90:
            return f", about {seconds:.0f} s left"
        return f", about {seconds / 60:.0f} min left" if seconds < 5400 else f", about {seconds / 3600:.1f} h left"
