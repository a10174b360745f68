"""A tagging run: documents through a tagger into files or onto the terminal, with progress and a summary."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clinspan.cli.main import STOPPED
from clinspan.cli.meter import Meter
from clinspan.cli.opening import TagMany
from clinspan.corpora import catalogue
from clinspan.corpora.writer import Writer, check_output, open_writer
from clinspan.document import OF, READ_STATES, Document, Entity
from clinspan.errors import ClinspanError, InputError
from clinspan.files import refuse_existing
from clinspan.labels import LabelSet
from clinspan.runs.session import Session
from clinspan.tagging.read import Summary
from clinspan.tagging.tagger import Tagger
from clinspan.view import ReportWriter

_WIDEST = 60
_SHORTER = {"associated-with-someone-else": "somebody else's"}
"""Values that would not fit into their column."""


class Screen:
    """Shows each document's entities as a table on standard output.

    Args:
        labels: say which value of an attribute goes without saying.
        console: where to; standard output when None.
    """

    def __init__(self, labels: LabelSet, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._usual = {
            (label.name, attribute.name): attribute.default for label in labels.labels for attribute in label.attributes
        }

    def write(self, document: Document) -> None:
        """Shows one document."""
        count = len(document.entities)
        self._console.print(f"[bold]{escape(document.id)}[/]: {count or 'no'} {'entity' if count == 1 else 'entities'}")
        if not count:
            return
        by_id = {entity.id: entity for entity in document.entities if entity.id}
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for _ in range(4):
            table.add_column(overflow="fold")
        for entity in document.entities:
            table.add_row(*map(escape, self._row(entity, by_id)))
        self._console.print(table)

    def _row(self, entity: Entity, by_id: dict[str, Entity]) -> tuple[str, str, str, str]:
        said = [
            by_id[value].text if name == OF and value in by_id else _SHORTER.get(value, value)
            for name, value in entity.attributes.items()
            if value != self._usual.get((entity.label, name))
        ]
        known = next((f"{concept.id} {concept.name}" for concept in entity.concepts), "")
        text = " ".join(entity.text.split())
        shown = text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
        return f"  {entity.label}", shown, ", ".join(said), known

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is kept open."""


BUDGET_SPENT = 4
_TOLD = 50
"""Windows that were not read, as the run names them one by one."""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Where the results go."""

    output: Path | None
    """None: the entities are shown on the terminal."""
    report: Path | None
    force: bool
    owner: str | None = None
    """The id of the run that they are written for, where there is one."""

    def check(self) -> None:
        """Before any work is done.

        Raises:
            OutputError: when an output exists and `force` is not set.
        """
        if self.output is not None:
            check_output(self.output, force=self.force)
        if self.report is not None and str(self.report) != "-":
            refuse_existing(self.report, force=self.force)

    def writer(self, tagger: Tagger) -> Screen | Writer:
        """What takes each document."""
        if self.output is None:
            return Screen(tagger.labels)
        return open_writer(self.output, force=self.force, owner=self.owner)

    @property
    def leaves_out(self) -> str:
        """What the output's format cannot say; empty where it keeps everything."""
        if self.output is None or str(self.output) == "-" or not self.output.suffix:
            return ""
        return catalogue.written_as(self.output).loses

    def forget_page(self, summary: Summary) -> None:
        """Deletes a page without documents, which the corrected command would be refused for."""
        if not summary.documents and self.report is not None:
            self.report.unlink(missing_ok=True)


def run(
    tagger: Tagger,
    inputs: Iterable[Document | InputError],
    files: RunFiles,
    *,
    tag_many: TagMany | None = None,
    session: Session | None = None,
    total: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
) -> int:
    """Tags every document, writes each when it is done, and says what came of it all.

    Args:
        tagger: finds the entities.
        inputs: documents, and what could not be read.
        files: where the results go.
        tag_many: tags in the tagger's stead, in the same way.
        session: what else is kept.
        total: documents that are expected, where that is known.
        quiet: nothing but errors is said.
        verbose: each document is told of.

    Returns:
        The exit status: 3 when an input or a window was not read, 4 when the budget is spent, 130 when stopped, else 0.

    Raises:
        OutputError: when a result cannot be written; what was written before is kept, and the error says where.
    """
    console = Console(stderr=True, quiet=quiet, highlight=False)
    summary, settings = Summary(), tagger.describe()
    session = session or Session(None)
    started, stopped = time.monotonic(), False
    try:
        with ExitStack() as stack:
            writer = files.writer(tagger)
            stack.enter_context(writer)
            report = stack.enter_context(_report(tagger, files.report, settings)) if files.report else None
            meter = stack.enter_context(Meter(console, total=total, spent=session.brief if _asks(tagger) else str))
            for document in (tag_many or tagger.tag_many)(_readable(inputs, summary), progress=meter.window):
                writer.write(document)
                if report is not None:
                    report.add(document)
                session.finish(document)
                summary.add(document)
                meter.document(document)
                _tell(console, document, summary, verbose=verbose)
            session.end()
            # The page's head is written last, and shows the settings with what the run has to say of them.
            settings.update((remark.name, remark.value) for remark in tagger.remarks())
    except KeyboardInterrupt:
        stopped = True
    except ClinspanError:
        files.forget_page(summary)
        raise
    if not quiet:
        _show(console, tagger, summary, session, time.monotonic() - started, files, stopped=stopped)
    status = STOPPED if stopped else BUDGET_SPENT if session.exhausted else summary.exit_status
    session.tell(status)
    return status


def _readable(inputs: Iterable[Document | InputError], summary: Summary) -> Iterator[Document]:
    # Errors are said even when the user asked for quiet: an input that is not read is never silent.
    console = Console(stderr=True, highlight=False)
    for found in inputs:
        if isinstance(found, InputError):
            summary.problems += 1
            console.print("[bold red]not read:[/]", escape(str(found)), soft_wrap=True)
        else:
            yield found


def _tell(console: Console, document: Document, summary: Summary, *, verbose: bool) -> None:
    bad = [window for window in document.windows if window.state not in READ_STATES]
    # Of a server that is down or a budget that is spent a million windows have nothing new to tell.
    room = len(bad) if verbose else max(0, _TOLD - (summary.unread_windows - len(bad)))
    for window in bad[:room]:
        place = f"{document.id}, characters {window.span.start}-{window.span.end}"
        said = f"{place}: {window.detail or ''}"
        console.print(f"[bold yellow]{window.state.value}:[/]", escape(said), soft_wrap=True)
    if 0 < room < len(bad):
        console.print("further windows that were not read are named in the output only")
    if verbose:
        found = f"{document.id}: {len(document.entities)} entities in {len(document.windows)} windows"
        console.print(escape(found), soft_wrap=True)


def _report(tagger: Tagger, path: Path, settings: Mapping[str, str]) -> ReportWriter:
    return ReportWriter(path, labels=tagger.labels, settings=settings, versions=versions(tagger))


def versions(tagger: Tagger) -> Mapping[str, str]:
    """Of clinspan, the model and the dictionary, as reports name them."""
    known = {"clinspan": version("clinspan"), "model": tagger.model.name if tagger.model else "none"}
    if tagger.dictionary is not None:
        sources = ", ".join(f"{source.name} {source.version}" for source in tagger.dictionary.info.sources)
        known["dictionary"] = f"{sources} (built {tagger.dictionary.info.built})"
    return known


def _show(
    console: Console,
    tagger: Tagger,
    summary: Summary,
    session: Session,
    seconds: float,
    files: RunFiles,
    *,
    stopped: bool,
) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    # The model's name ends in its adapter, which a narrow terminal must not cut off.
    table.add_column(overflow="fold")
    for name, value in _rows(tagger, summary, session, seconds).items():
        table.add_row(name, escape(value))
    for remark in tagger.remarks() if summary.documents else ():
        style = "[bold yellow]" if remark.warns else "[not bold]"
        table.add_row(f"{style}{escape(remark.name)}[/]", escape(remark.value))
    console.print(table)
    for path in (files.output, files.report):
        if summary.documents and path is not None and str(path) != "-":
            console.print(f"written: {escape(str(path))}", soft_wrap=True)
    if summary.documents and files.leaves_out:
        console.print(f"left out of {escape(str(files.output))}: {escape(files.leaves_out)}", soft_wrap=True)
    if stopped:
        console.print(f"[bold yellow]stopped[/]{_kept(summary, files)}")
    for hint in session.hints(summary, stopped=stopped):
        console.print(escape(hint), soft_wrap=True)


def _rows(tagger: Tagger, summary: Summary, session: Session, seconds: float) -> dict[str, str]:
    """What came of a run, by name; where no note was read, what was not read and what that took."""
    rows = _of_notes(tagger, summary, seconds) if summary.documents else {}
    if summary.problems:
        rows["inputs not read"] = str(summary.problems)
    if summary.unread_windows:
        rows["windows not read"] = f"{summary.unread_windows} (named in the output with the reason)"
    # An encoder is recorded like an LLM, but its requests and tokens are no one's to pay or to wait for.
    return rows | session.rows() if _asks(tagger) and (summary.documents or session.tally.asked) else rows


def _of_notes(tagger: Tagger, summary: Summary, seconds: float) -> dict[str, str]:
    asked = "read by the encoder" if tagger.model is not None and not _asks(tagger) else "LLM calls"
    rows = {
        "model": tagger.model.name if tagger.model else "none: the dictionary decides alone",
        "documents": f"{summary.documents} ({summary.words:,} words)",
        "windows": ", ".join(f"{count} {state.value}" for state, count in sorted(summary.states.items())) or "none",
        asked: f"{summary.asked} of {summary.states.total()} windows",
        "entities": ", ".join(f"{count} {label}" for label, count in summary.labels.most_common()) or "none",
    }
    if tagger.dictionary is not None and summary.entities:
        rows["with a code"] = f"{summary.linked} of {summary.entities} ({summary.linked / summary.entities:.0%})"
    rows["speed"] = f"{seconds:.1f} s, {summary.words / seconds * 60 if seconds else 0:,.0f} words a minute"
    promise = tagger.calibration.promise
    if promise is not None:
        rows["promise"] = promise.said
        share = summary.reviewed / summary.entities if summary.entities else 0.0
        rows["for a person to review"] = f"{summary.reviewed} of {summary.entities} entities ({share:.0%})"
    if summary.unread_lists:
        rows["candidates not read"] = f"in {summary.unread_lists} windows, which were asked without their facts"
    if summary.ungrounded:
        rows["not reported"] = f"{summary.ungrounded} parts of answers (named in the output with the reason)"
    return rows


def _asks(tagger: Tagger) -> bool:
    return tagger.llm is not None


def _kept(summary: Summary, files: RunFiles) -> str:
    """What a run that was stopped has left."""
    if not summary.documents:
        return " before the first note was finished; nothing was written"
    return "; what was done is written" if files.output or files.report else ""
