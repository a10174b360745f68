"""`clinspan fuse`: learns from gold documents how much each source is to be believed."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from clinspan.cli.gold import From, Lenient, Renamed, annotated
from clinspan.cli.opening import opening
from clinspan.evaluation.match import checksum
from clinspan.files import refuse_existing, whole_file
from clinspan.fuse import FITS, Learned, described, learn
from clinspan.fusion.fit import LEAST_DOCUMENTS
from clinspan.settings import DEFAULT_LABELS
from clinspan.tagging import open as parts
from clinspan.tagging.tagger import Tagger


def fuse(
    gold: Annotated[
        list[Path],
        typer.Argument(help=f"Annotated documents, {LEAST_DOCUMENTS} or more, on which no source was tuned."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write, for `clinspan tag --fused`.")],
    labels: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = DEFAULT_LABELS,
    llm: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = "auto",
    encoder: Annotated[Path | None, typer.Option(help="As for `clinspan tag`.")] = None,
    dictionary: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = "open",
    adapter: Annotated[str | None, typer.Option(help="As for `clinspan tag`.")] = None,
    counts: Annotated[
        list[Path] | None,
        typer.Option(
            help="Annotated documents in which strings are counted, in place of the notes that come with clinspan; "
            "sources may have been tuned on them. Repeatable."
        ),
    ] = None,
    gold_from: From = None,
    renamed: Renamed = None,
    lenient: Lenient = False,
    limit: Annotated[
        int | None, typer.Option(min=LEAST_DOCUMENTS, help="Learn from the first N documents alone.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")] = False,
) -> None:
    """Learns how to weigh dictionary, encoder and LLM together, and says what that brings.

    The file that it writes holds weights, how often strings are annotated in the notes that come with clinspan or in
    those of --counts, and no word of the gold documents. It is good for the same labels and sources alone.

    Example: `clinspan fuse gold.jsonl -o fused.json --labels problem-treatment-test`

    Example: `clinspan fuse gold.jsonl -o fused.json --labels chemical-disease --llm embedded --encoder tuned/`
    """
    refuse_existing(output, force=force)
    console = Console(stderr=True, highlight=False)
    wanted, form = parts.labels(labels), parts.form("tanl")
    documents = annotated(gold, wanted, format=gold_from, renamed=renamed, lenient=lenient, limit=limit)
    counted = annotated(counts, wanted, format=gold_from, renamed=renamed, lenient=lenient) if counts else None
    with opening(quiet=False):
        named, reader = parts.chosen(llm, encoder, wanted, form, adapter=adapter)
        tagger = Tagger.open(named, labels=wanted, dictionary=dictionary, adapter=adapter, encoder=reader, fused="none")
    with tagger, Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        fits = FITS * (2 if tagger.llm is not None else 1)
        task = bar.add_task("Reading and fitting", total=len(documents) + fits)
        learned = learn(tagger, documents, counted=counted, done=lambda: bar.advance(task))
    source = {
        "documents": f"{len(documents)} of {', '.join(path.name for path in gold)}, checksum {checksum(documents)}",
        "clinspan": version("clinspan"),
    }
    if counted is not None and counts:
        source["counts"] = f"{len(counted)} of {', '.join(path.name for path in counts)}, checksum {checksum(counted)}"
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
