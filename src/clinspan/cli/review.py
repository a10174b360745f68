"""`clinspan review`: tagged notes into a file where people correct them, and what they say out of it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clinspan.cli.evaluate import renamings, say_recognised
from clinspan.corpora import catalogue
from clinspan.corpora.gold import Naming, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.corpora.writer import open_writer
from clinspan.document import Document
from clinspan.errors import InputError, LabelError
from clinspan.labels import LabelSet
from clinspan.review.loop import agreement, most_useful
from clinspan.review.note import State
from clinspan.review.store import Store

app = typer.Typer(help="Notes that people correct: into the review file and out of it.", no_args_is_help=True)

_Reviews = Annotated[Path, typer.Argument(help="The review file.")]
_SOME_LEFT_OUT = 3


@app.command("import")
def import_(
    results: Annotated[Path, typer.Argument(help="Documents with entities, in any corpus format.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The review file; made where there is none, else added to.")
    ],
    labels: Annotated[
        str | None,
        typer.Option(
            help="The label set, a name or a labels.toml, with its definitions and attributes; else labels "
            "are as the documents have them."
        ),
    ] = None,
    who: Annotated[
        str | None, typer.Option(help="The person who marked the documents; without it they are a tagger's.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", help=f"One of {', '.join(catalogue.FORMATS)}; told from RESULTS when not given."),
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option("--map", help="OLD=NAME: a label under another name; repeatable.")
    ] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Report what is faulty and go on.")] = False,
) -> None:
    """Takes documents into a review file: all of them, or none where one is at fault.

    Notes that are there already keep what people did; those that nobody looked at get what the tagger now found. With
    `--who`, the documents are saved as accepted by that person, on top of what is there: for gold, or for the work of a
    second reviewer. With `--lenient`, what cannot be read is named, the rest goes on, and the exit status is 3.

    Example: `clinspan review import entities.jsonl -o reviews.sqlite --labels problem-treatment-test`
    """
    wanted = LabelSet.load(labels) if labels is not None else None
    naming = Naming(wanted.names if wanted else (), renamings(rename or ()))
    problems: list[InputError] = []
    read = read_gold([results], naming, format=source, lenient=lenient, told=say_recognised)
    documents = sound(read, problems if lenient else None, fix="Or go on with --lenient.")
    if wanted is not None:
        documents = _within(documents, naming)
    documents = _first_of(documents, results)
    with Store(output, create=True) as store:
        added = store.add(documents, labels=wanted.labels if wanted else (), by=who)
    for problem in problems:
        typer.echo(f"passed over: {problem}", err=True)
    typer.echo(f"{output}: {added.new} notes new, {added.saved} saved again, {added.left} left as they were", err=True)
    if problems:
        raise typer.Exit(_SOME_LEFT_OUT)


def _within(documents: Iterable[Document], naming: Naming) -> Iterator[Document]:
    for document in documents:
        if entity := naming.outside(document):
            raise LabelError(
                f"the label {entity.label!r} is not in the label set",
                where=document.place or f"document {document.id!r}",
                expected=f"one of {', '.join(naming.known)}",
                fix=f"Rename it with --map {entity.label}={naming.known[0]}, or add it to labels.toml.",
            )
        yield document


def _first_of(documents: Iterator[Document], results: Path) -> Iterator[Document]:
    first = next(documents, None)
    if first is None:
        raise InputError("holds no documents", where=str(results))
    yield first
    yield from documents


@app.command()
def export(
    reviews: _Reviews,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write, in the format of its ending; - for JSON lines.")
    ],
    state: Annotated[
        list[State] | None, typer.Option(help="Notes in this state; repeatable. Accepted ones when not given.")
    ] = None,
    who: Annotated[
        str | None, typer.Option(help="This person's last version of each note, in place of the current one.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")] = False,
) -> None:
    """Writes reviewed notes as documents: gold for `calibrate`, `tune`, `examples build` and `evaluate`.

    Their metadata say who reviewed them and when. The exit status is 1 where there is none.

    Example: `clinspan review export reviews.sqlite -o gold.jsonl`
    """
    with Store(reviews) as store, open_writer(output, force=force) as writer:
        for document in store.documents(state or (State.ACCEPTED,), by=who):
            writer.write(document)
    typer.echo(f"{output}: {writer.written} documents", err=True)
    if not writer.written:
        raise typer.Exit(1)


@app.command()
def agree(
    reviews: _Reviews,
    one: Annotated[str, typer.Argument(help="A reviewer.")],
    other: Annotated[str, typer.Argument(help="Another one.")],
) -> None:
    """Shows how far two people agree on the notes that both saved: F1 of entities, kappa of their attributes.

    Who sees the other's work agrees with it more: let the second work in a file of their own, and import it with
    `--who`.

    Example: `clinspan review agree reviews.sqlite ann ben`
    """
    with Store(reviews) as store:
        sides = [list(store.documents(State, by=name)) for name in (one, other)]
    found = agreement(*sides)
    console = Console(highlight=False)
    console.print(f"{found.notes} notes that both saved", soft_wrap=True)
    table = Table("label", escape(one), escape(other), "strict F1", "relaxed F1")
    rows = [("all", found.strict.micro, found.relaxed.micro)]
    rows += [(name, row, found.relaxed.by_label[name]) for name, row in found.strict.by_label.items()]
    for name, strict, relaxed in rows:
        table.add_row(escape(name), f"{strict.gold}", f"{strict.predicted}", f"{strict.f1:.3f}", f"{relaxed.f1:.3f}")
    console.print(table)
    for told in found.attributes:
        kappa = "not defined: one value throughout" if told.kappa is None else f"{told.kappa:.3f}"
        console.print(
            f"{escape(told.name)}: {told.same} of {told.entities} entities told alike; kappa {kappa}",
            soft_wrap=True,
        )


@app.command("next")
def next_(
    reviews: _Reviews,
    number: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 10,
) -> None:
    """Shows the notes that nobody reviewed yet and that are worth most, the best first.

    Worth is doubt (low scores, windows that were not read) times variety (words that no reviewed note has, and many of
    the others do). `unseen` is the share of a note's words and pairs of words that no reviewed note has. Of notes with
    the same words one is shown. The exit status is 1 where all are reviewed.

    Example: `clinspan review next reviews.sqlite -n 10`
    """
    with Store(reviews) as store:
        chosen = most_useful(store.measured(), number)
        listed = {one.key: note for one in chosen if (note := store.note(one.key)) is not None}
    table = Table("key", "note", "doubt", "unseen", "begins")
    for one in chosen:
        document = listed[one.key].document
        doubt = "" if one.doubt is None else f"{one.doubt:.2f}"
        begins = " ".join(document.text[:400].split())[:60]
        table.add_row(f"{one.key}", escape(document.id), doubt, f"{one.unseen:.0%}", escape(begins))
    if not chosen:
        typer.echo("every note is reviewed, or has the same words as a reviewed one", err=True)
        raise typer.Exit(1)
    Console(highlight=False).print(table)
