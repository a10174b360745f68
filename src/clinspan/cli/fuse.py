"""`clinspan fuse`: learns from gold documents how much each source is to be believed."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from clinspan.cli.evaluate import renamings
from clinspan.cli.opening import opening
from clinspan.corpora import catalogue
from clinspan.corpora.gold import Naming, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.evaluation.match import checksum
from clinspan.files import refuse_existing, whole_file
from clinspan.fuse import FITS, Learned, described, learn
from clinspan.fusion.fit import LEAST_DOCUMENTS
from clinspan.tagging import open as parts
from clinspan.tagging.tagger import Tagger


def fuse(
    gold: Annotated[
        list[Path],
        typer.Argument(help=f"Annotated documents, {LEAST_DOCUMENTS} or more, on which no source was tuned."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write, for `clinspan tag --fused`.")],
    labels: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = "disease",
    llm: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = "auto",
    encoder: Annotated[Path | None, typer.Option(help="As for `clinspan tag`.")] = None,
    dictionary: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = "open",
    adapter: Annotated[str | None, typer.Option(help="As for `clinspan tag`.")] = None,
    gold_from: Annotated[
        str | None, typer.Option("--from", help=f"The gold's format: {', '.join(catalogue.FORMATS)}.")
    ] = None,
    renamed: Annotated[
        list[str] | None, typer.Option("--map", help="Rename a gold label, as FROM=TO; may be repeated.")
    ] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Leave wrong annotations out and go on.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=LEAST_DOCUMENTS, help="Learn from the first N documents alone.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")] = False,
) -> None:
    """Learns how to weigh dictionary, encoder and LLM together, and says what that brings.

    The file that it writes holds weights, how often strings are annotated in the notes that come with clinspan, and no
    word of the gold documents. It is good for the same labels and sources alone.

    Example: `clinspan fuse gold.jsonl -o fused.json --labels problem-treatment-test`

    Example: `clinspan fuse gold.jsonl -o fused.json --labels chemical-disease --llm embedded --encoder tuned/`
    """
    refuse_existing(output, force=force)
    console = Console(stderr=True, highlight=False)
    wanted, form = parts.labels(labels), parts.form("tanl")
    read = read_gold(gold, Naming(wanted.names, renamings(renamed or ())), format=gold_from, lenient=lenient)
    documents = list(sound(read, [] if lenient else None, fix="Or go on with --lenient."))[:limit]
    with opening(quiet=False):
        named, reader = parts.chosen(llm, encoder, wanted, form, adapter=adapter)
        tagger = Tagger.open(named, labels=wanted, dictionary=dictionary, adapter=adapter, encoder=reader, fused="none")
    with tagger, Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        fits = FITS * (2 if tagger.llm is not None else 1)
        task = bar.add_task("Reading and fitting", total=len(documents) + fits)
        learned = learn(tagger, documents, done=lambda: bar.advance(task))
    source = {
        "documents": f"{len(documents)} of {', '.join(path.name for path in gold)}, checksum {checksum(documents)}",
        "clinspan": version("clinspan"),
    }
    with whole_file(output) as file:
        file.write(described(source, learned).to_json())
    _show(console, learned)
    console.print(f"written: {escape(str(output))}", soft_wrap=True)


def _show(console: Console, learned: Learned) -> None:
    table = Table("", "strict F1", "the model has more", title="What it brings on these documents")
    for one in learned.expected:
        more = ""
        if one.gain is not None and one.interval is not None:
            more = f"{one.gain:+.3f} ({one.interval.low:+.3f} to {one.interval.high:+.3f})"
        table.add_row(escape(one.who), f"{one.f1:.3f}", more)
    console.print(table)
    console.print(f"calibration error of what it reports: {learned.error:.3f}")
    if not learned.helps:
        console.print("[bold yellow]it does not help here[/]: use the better source alone, or more documents")
