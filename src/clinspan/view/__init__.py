"""Documents as one HTML page, to read with the eye what was found and what was not read.

Its styles and script are inside, and it asks the network for nothing.
"""

import base64
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clinspan.document import READ_STATES, Document, MatchKind
from clinspan.errors import OutputError
from clinspan.files import cannot_write, whole_file
from clinspan.fusion.reasons import DECIDED, in_words
from clinspan.labels import LabelSet
from clinspan.tagging.calibration import REVIEW
from clinspan.view.marks import ASSERTIONS, Lines, mark_up, plain


def templates(folder: str) -> Environment:
    """The templates of a folder of the package; what they show is escaped, and a name they lack is an error."""
    found = Environment(
        loader=PackageLoader("clinspan", folder),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["plain"] = plain
    return found


def asset(folder: str, name: str) -> str:
    """A style or script of a folder of the package."""
    return (resources.files("clinspan") / folder / name).read_text(encoding="utf-8")


def digest(source: str) -> str:
    """As a Content-Security-Policy names an inline style or script, so that no other can take effect."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def sound(html: str) -> str:
    """`html` without lone surrogates, which JSON can smuggle into a text and UTF-8 cannot hold."""
    return html.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


_TEMPLATES = templates("view")
_COLOURS = 8  # of report.css; further labels take them again with another line
_LINES = 4

_MATCHES = {
    MatchKind.EXACT: "stands in the text letter for letter",
    MatchKind.NORMALISED: "stands in the text but for case, white space, dashes or quotes",
    MatchKind.FUZZY: "stands in the text with a misspelling",
    MatchKind.DICTIONARY: "found by the dictionary, not named by the LLM",
}


@dataclass(frozen=True, slots=True)
class _NotRead:
    """A window that was not read, as the list on top shows it."""

    note: str
    anchor: str
    state: str
    place: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Reviewed:
    """An entity that a person is to look at, as the list on top shows it."""

    note: str
    anchor: str
    text: str
    label: str
    score: str


@dataclass(frozen=True, slots=True)
class _Note:
    """A document, as the list of notes shows it."""

    id: str
    anchor: str
    counts: Mapping[str, int]
    not_read: int


def _reasons(document: Document) -> list[dict[str, Any]]:
    """Why a fused model decided so; nothing where it was not asked to keep that."""
    rows = document.metadata.get(DECIDED)
    return rows if isinstance(rows, list) else []


class _Body:
    """Renders documents one at a time and keeps only what the top of the page counts."""

    def __init__(self, out: TextIO, labels: LabelSet | None):
        self._out = out
        self._template = _TEMPLATES.get_template("note.html.jinja")
        self.definitions = {label.name: label.definition for label in (labels.labels if labels else ())}
        self.notes: list[_Note] = []
        self.not_read: list[_NotRead] = []
        self.reviewed: list[_Reviewed] = []
        self.states: Counter[str] = Counter()
        self.asked = 0
        self.assertions: Counter[str] = Counter()

    def class_of(self, label: str) -> str:
        """The CSS class of a label; one that the set lacks gets the next number."""
        self.definitions.setdefault(label, "")
        return f"l{list(self.definitions).index(label)}"

    def add(self, document: Document) -> None:
        """Renders one document."""
        anchor = f"d{len(self.notes)}"
        lines = Lines(document.text)
        classes = {entity.label: self.class_of(entity.label) for entity in document.entities}
        counts = Counter(entity.label for entity in document.entities)
        bad = [(n, window) for n, window in enumerate(document.windows) if window.state not in READ_STATES]
        self.states.update(window.state.value for window in document.windows)
        self.asked += sum(window.asked for window in document.windows)
        self.notes.append(_Note(document.id, anchor, counts, len(bad)))
        self.not_read += [
            _NotRead(document.id, f"{anchor}w{n}", w.state, lines.place(w.span), w.detail or "") for n, w in bad
        ]
        self.reviewed += [
            _Reviewed(document.id, f"{anchor}e{n}", e.text, e.label, "" if e.score is None else f"{e.score:.2f}")
            for n, e in enumerate(document.entities)
            if e.attribute(REVIEW) is not None
        ]
        self.assertions.update(e.attributes["assertion"] for e in document.entities if "assertion" in e.attributes)
        html = self._template.render(
            doc=document,
            anchor=anchor,
            lines=lines,
            classes=classes,
            counts={name: counts[name] for name in self.definitions if counts[name]},
            not_read=self.not_read[len(self.not_read) - len(bad) :],
            remarks=[w for w in document.windows if w.unread or w.repairs],
            matches=_MATCHES,
            owners={
                number: (document.entities.index(owner), owner.text) for number, owner in document.owners().items()
            },
            metadata={
                key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
                for key, value in document.metadata.items()
                if key != DECIDED
            },
            reasons=[(bool(row["reported"]), in_words(row)) for row in _reasons(document)],
            text=mark_up(document, anchor=anchor, classes=classes),
        )
        self._out.write(sound(html))

    def head(self, *, title: str, settings: Mapping[str, str], versions: Mapping[str, str], stopped: str) -> str:
        """The page up to the first document."""
        style, script = asset("view", "report.css") + self._label_styles(), asset("view", "report.js")
        totals = {name: sum(note.counts.get(name, 0) for note in self.notes) for name in self.definitions}
        html = _TEMPLATES.get_template("head.html.jinja").render(
            title=title,
            style=Markup(style),
            style_hash=digest(style),
            script_hash=digest(script),
            settings=settings,
            versions=versions,
            stopped=stopped,
            notes=self.notes,
            not_read=self.not_read,
            reviewed=self.reviewed,
            states=dict(sorted(self.states.items())),
            windows=self.states.total(),
            asked=self.asked,
            labels=[
                {
                    "name": name,
                    "class": self.class_of(name),
                    "definition": definition,
                    "count": totals[name],
                    "notes": sum(1 for note in self.notes if note.counts.get(name)),
                }
                for name, definition in self.definitions.items()
            ],
            assertions=[(value, self.assertions[value]) for value in ASSERTIONS if self.assertions[value]],
            total=sum(totals.values()),
        )
        return sound(html)

    def tail(self) -> str:
        """The page after the last document."""
        return _TEMPLATES.get_template("tail.html.jinja").render(script=Markup(asset("view", "report.js")))

    def _label_styles(self) -> str:
        """Colour, line and filter of each label, as classes: the page's policy allows no style attributes."""
        return "".join(
            f".l{n}{{--c:var(--c{n % _COLOURS});--line:var(--line{(n + n // _COLOURS) % _LINES})}}\n"
            f".off-l{n} mark.l{n}{{background:none;border-color:transparent}}"
            f".off-l{n} mark.l{n}::before,.off-l{n} mark.l{n}::after{{content:none}}"
            f".off-l{n} tr.l{n},.off-l{n} .chip.l{n}{{display:none}}\n"
            for n in range(len(self.definitions))
        )


class ReportWriter:
    """Writes a report while documents come in; the file appears, whole, when the block ends.

    Where the block ends in an error or Ctrl-C, the page still appears with the documents added so far and says so. No
    page is written without a document.

    Args:
        path: the HTML file; replaced when it exists.
        labels: the label set that was asked for; sets the order and colours of the labels. None: as they come.
        settings: what the run was asked to do, the model's name among it, shown as given.
        versions: of clinspan, the model, the dictionary and the like, shown as given.
        title: the page's heading.

    Raises:
        OutputError: when the file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        labels: LabelSet | None,
        settings: Mapping[str, str],
        versions: Mapping[str, str],
        title: str = "Entities",
    ):
        self.path = Path(path)
        self._settings, self._versions, self._title = settings, versions, title
        try:
            # Beside the report, so that a full disk shows early; the summary stands above the notes
            # but is known only after the last of them.
            self._notes = tempfile.TemporaryFile("w+", encoding="utf-8", newline="", dir=self.path.parent)  # noqa: SIM115
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._body = _Body(self._notes, labels)

    def add(self, document: Document) -> None:
        """Adds a document below the others.

        Raises:
            OutputError: when it cannot be written.
        """
        try:
            self._body.add(document)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stopped = "" if error is None else f"{type(error).__name__}: {error}".rstrip(": ")
        try:
            self._finish(stopped)
        except OSError as fault:
            raise _unwritable(self.path, fault) from fault
        finally:
            self._notes.close()

    def _finish(self, stopped: str) -> None:
        if not self._body.notes:
            return
        self._notes.flush()
        self._notes.seek(0)
        head = self._body.head(title=self._title, settings=self._settings, versions=self._versions, stopped=stopped)
        with whole_file(self.path) as out:
            out.write(head)
            while chunk := self._notes.read(1 << 20):
                out.write(chunk)
            out.write(self._body.tail())


def write_report(
    path: str | Path,
    documents: Iterable[Document],
    *,
    labels: LabelSet,
    settings: Mapping[str, str],
    versions: Mapping[str, str],
    title: str = "Entities",
) -> None:
    """Writes the report of `documents`, holding one of them in memory at a time; see `ReportWriter`.

    Raises:
        OutputError: when the file cannot be written.
    """
    with ReportWriter(path, labels=labels, settings=settings, versions=versions, title=title) as report:
        for document in documents:
            report.add(document)


def render(
    documents: Iterable[Document],
    *,
    labels: LabelSet,
    settings: Mapping[str, str],
    versions: Mapping[str, str],
    title: str = "Entities",
) -> str:
    """The report as a string, byte for byte what `write_report` writes."""
    notes = StringIO(newline="")
    body = _Body(notes, labels)
    for document in documents:
        body.add(document)
    return body.head(title=title, settings=settings, versions=versions, stopped="") + notes.getvalue() + body.tail()


def _unwritable(path: Path, error: OSError) -> OutputError:
    what = f"the report cannot be written: {error.strerror}"
    return OutputError(what, where=str(path), fix=cannot_write(path, error).fix)
