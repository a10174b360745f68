"""`clinspan labels`: the label sets that can be asked for. `clinspan dictionary`: the terms that are known."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from clinspan.dictionary.build import build as build_index
from clinspan.dictionary.build import open_default, resolve
from clinspan.dictionary.match import Sense
from clinspan.dictionary.sources.rrf import RrfFilter
from clinspan.dictionary.store import Dictionary
from clinspan.errors import InputError
from clinspan.labels import LabelSet, builtin_names
from clinspan.tagging.told import hints

labels_app = typer.Typer(help="List, show and check label sets.", no_args_is_help=True)


@labels_app.command("list")
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


@labels_app.command()
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


@labels_app.command()
def check(path: Annotated[Path, typer.Argument(help="A labels.toml of your own.")]) -> None:
    """Checks a labels.toml and says what is in it; exit status 2 and the place of the fault when it is wrong.

    Example: `clinspan labels check mine.toml`
    """
    labels = LabelSet.from_toml(path)
    typer.echo(f"{path}: {len(labels.labels)} labels ({', '.join(labels.names)}), {len(labels.examples)} examples")
    for hint in hints(labels):
        typer.echo(f"  {hint}")


terms_app = typer.Typer(help="Build medical dictionaries and see what they know.", no_args_is_help=True)

_Folder = Annotated[
    Path | None, typer.Option("--dictionary", "-d", help="A dictionary's folder; the open default where not given.")
]


@terms_app.command()
def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="A folder of UMLS, RxNorm or SNOMED CT, Loinc.csv, a list, an ontology, or the word packaged."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the dictionary; an older one is replaced.")],
    language: Annotated[list[str], typer.Option(help="UMLS: languages (LAT) to take.")] = ["ENG"],  # noqa: B006
    source: Annotated[list[str], typer.Option(help="UMLS: vocabularies (SAB) to take; all where not given.")] = [],  # noqa: B006
    term_type: Annotated[list[str], typer.Option(help="UMLS: term types (TTY) to take.")] = [],  # noqa: B006
    keep_suppressed: Annotated[bool, typer.Option(help="UMLS: take obsolete and suppressed names too.")] = False,
    semantic_type: Annotated[
        list[str], typer.Option("--type", help="Semantic type of concepts for which the source states none.")
    ] = [],  # noqa: B006
) -> None:
    """Builds a dictionary from one or several sources; of equal senses, those of the first source come first.

    Example: `clinspan dictionary build 2026AA/META hospital.tsv -o umls`
    """
    keep = RrfFilter(tuple(language), tuple(source), tuple(term_type), keep_suppressed)
    found = [item for name in sources for item in resolve(name, keep=keep, types=tuple(semantic_type))]
    with progress_bars("building: ") as report:
        build_index(found, out, progress=report)
    _show_info(Dictionary.open(out))


@terms_app.command()
def info(
    folder: Annotated[Path | None, typer.Argument(help="A dictionary's folder; else the open default.")] = None,
) -> None:
    """Shows counts, sources, versions, licences and the date it was built.

    Example: `clinspan dictionary info umls`
    """
    _show_info(opened(folder))


@terms_app.command()
def find(
    term: Annotated[str, typer.Argument(help="A term, as you would write it.")], dictionary: _Folder = None
) -> None:
    """Shows every sense of a term, best first; exit status 1 when the dictionary has none.

    Example: `clinspan dictionary find "heart attack"`
    """
    found = opened(dictionary).match(term)
    if found is None:
        typer.echo(f"not in the dictionary: {term}")
        raise typer.Exit(1)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{escape(term)}: {found.kind}, {len(found.senses)} senses")
    for sense in found.senses:
        _print_sense(console, sense)


@terms_app.command()
def scan(
    note: Annotated[Path, typer.Argument(help="A text file; - for standard input.", allow_dash=True)],
    dictionary: _Folder = None,
    fuzzy: Annotated[bool, typer.Option(help="Try likely spellings of words it does not have.")] = True,
    overlapping: Annotated[bool, typer.Option(help="All matches, not only the longest.")] = False,
) -> None:
    """Shows the terms that the dictionary sees in a note, one a line: start, end, text, kind, best sense, other senses.

    Example: `clinspan dictionary scan note.txt`
    """
    for match in opened(dictionary).scan(_read(note), fuzzy=fuzzy, overlapping=overlapping):
        best = match.senses[0]
        text = " ".join(match.text.split())
        fields = [match.span.start, match.span.end, text, match.kind, best.concept, best.name, ", ".join(best.types)]
        others = [sense.concept for sense in match.senses[1:]]
        typer.echo("\t".join(map(str, [*fields, " ".join(others)])))


def opened(folder: Path | None) -> Dictionary:
    """The dictionary in `folder`, or the default one, with a progress bar while that is built on first use."""
    if folder is not None:
        return Dictionary.open(folder)
    with progress_bars("building the open dictionary, once: ") as report:
        return open_default(report)


class Report(Protocol):
    """Is told how far a step has come."""

    def __call__(self, step: str, done: int, total: int = 0) -> None:
        """`done` of `total`; a total of 0 means that it is not known."""
        ...


@contextmanager
def progress_bars(title: str = "") -> Iterator[Report]:
    """A function to report steps to; each has a bar on standard error once it is reported."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:

        def report(step: str, done: int, total: int = 0) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(f"{title}{step}", total=total or None)
            bars.update(tasks[step], completed=done, total=total or None)

        yield report


def _read(note: Path) -> str:
    try:
        return sys.stdin.read() if str(note) == "-" else note.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(note)) from error
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 at byte {error.start}", where=str(note)) from error


def _show_info(dictionary: Dictionary) -> None:
    found = dictionary.info
    console = Console()
    console.print(f"{escape(str(dictionary.path))}, built {found.built}, {found.bytes / 1e6:.0f} MB", soft_wrap=True)
    console.print(f"{found.concepts} concepts, {found.names} names, {found.definitions} definitions")
    if found.crosswalks:
        stated = ", ".join(f"{name} {count}" for name, count in sorted(found.crosswalks.items()))
        console.print(f"equivalents stated: {stated}", soft_wrap=True)
    table = Table("source", "version", "licence", "read from")
    for source in found.sources:
        table.add_row(*map(escape, (source.name, source.version, source.licence, source.origin)))
    console.print(table)


def _print_sense(console: Console, sense: Sense) -> None:
    met = "" if sense.term == sense.name else f", as {escape(sense.term)!r}"
    where = f"[dim]({escape(sense.source)}{met})[/]"
    head = f"{sense.score:.2f}  [bold]{escape(sense.concept)}[/]  {escape(sense.name)}"
    console.print(f"{head}  {where}")
    for line in (", ".join(sense.types), sense.definition):
        if line:
            console.print(f"      {escape(line)}")
