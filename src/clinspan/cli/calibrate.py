"""What gold documents teach a tagger: `clinspan calibrate`, and `clinspan fuse` for the weights of its sources."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from clinspan.calibrate import OPEN_BIASES, Learned, candidates, keep, learn, learn_from
from clinspan.cli.opening import From, Lenient, Renamed, annotated, opening, taking
from clinspan.corpora import catalogue, inputs
from clinspan.document import Document
from clinspan.evaluation.match import Rule, checksum
from clinspan.evaluation.thresholds import Asked
from clinspan.files import refuse_existing, whole_file
from clinspan.fuse import FITS, LearnedWeights, described, learn_weights
from clinspan.fusion.fit import LEAST_DOCUMENTS
from clinspan.settings import DEFAULT_LABELS
from clinspan.tagging import open as parts
from clinspan.tagging.calibration import Calibration, Promise, make
from clinspan.tagging.tagger import Tagger

_PROMISE = "A promise"
CONSIDERED = 0.005
"""The least probability of what a promise of recall is chosen from, where nothing is said."""
ENOUGH = 20
"""Annotated documents below which what is learned says little of others."""
Right = Literal["strict", "relaxed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateOptions:
    """The options of `clinspan calibrate`."""

    gold: Annotated[Path, typer.Argument(help="Annotated documents that are in no evaluation split.")]
    output: Annotated[Path, typer.Option("-o", "--output", help="The TOML file to write.")]
    labels: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = DEFAULT_LABELS
    llm: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = "auto"
    encoder: Annotated[Path | None, typer.Option(help="As for `clinspan tag`.")] = None
    dictionary: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = "open"
    form: Annotated[str, typer.Option("--format", help="As for `clinspan tag`.")] = "tanl"
    adapter: Annotated[str | None, typer.Option(help="As for `clinspan tag`.")] = None
    gold_from: From = None
    renamed: Renamed = None
    lenient: Lenient = False
    limit: Annotated[int | None, typer.Option(min=4, help="Learn from the first N documents alone.")] = None
    tagged: Annotated[
        Path | None,
        typer.Option(help="What `clinspan tag --calibration none` found in this gold; nothing is then decoded."),
    ] = None
    scores_alone: Annotated[
        bool, typer.Option("--scores-alone", help="Leave the dial alone, which decodes each document once, not thrice.")
    ] = False
    recall: Annotated[
        float | None,
        typer.Option(help="Promise to find at least this share of each label's mentions.", rich_help_panel=_PROMISE),
    ] = None
    precision: Annotated[
        float | None,
        typer.Option(
            help="Promise that at least this share of what is reported of each label is right. With --recall what lies "
            "between goes to a person.",
            rich_help_panel=_PROMISE,
        ),
    ] = None
    confidence: Annotated[
        float, typer.Option(help="The probability that each promise for each label holds.", rich_help_panel=_PROMISE)
    ] = 0.9
    right: Annotated[
        Right, typer.Option(help="When a mention is right, as for `clinspan evaluate`.", rich_help_panel=_PROMISE)
    ] = "strict"
    by: Annotated[
        str,
        typer.Option(
            help="Thresholds apart for each kind of document that has enough: a metadata field, or `id` for the "
            "letters that ids begin with.",
            rich_help_panel=_PROMISE,
        ),
    ] = ""
    consider: Annotated[
        float,
        typer.Option(
            min=1e-6,
            max=1,
            help="For --recall: the least probability of an encoder's mentions that are looked at beside the likeliest "
            "set. With --tagged, what they were tagged with.",
            rich_help_panel=_PROMISE,
        ),
    ] = CONSIDERED
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")] = False


@taking(CalibrateOptions)
def calibrate(given: CalibrateOptions) -> None:
    """Learns from gold documents: the recall dial for each label, scores as probabilities, boundary conventions.

    The file it writes is given to `clinspan tag --calibration`. It says what it was learned from; use it with the same
    model, labels and format. With --recall or --precision it makes a promise in place of dial and boundaries.

    Example: `clinspan calibrate train.jsonl -o calibration.toml --labels disease`

    Example: `clinspan calibrate gold.jsonl -o promise.toml --labels medication --recall .9 --precision .9`
    """
    refuse_existing(given.output, force=given.force)
    console = Console(stderr=True, highlight=False)
    wanted, answers = parts.labels(given.labels), parts.form(given.form)
    documents = annotated(
        [given.gold],
        wanted,
        format=given.gold_from,
        renamed=given.renamed,
        lenient=given.lenient,
        limit=given.limit,
    )
    if len(documents) < ENOUGH:
        few = f"{len(documents)} annotated documents, where {ENOUGH} or more are needed"
        console.print(f"[bold yellow]too few to rely on:[/] {few}: the scores may be wrong on others", soft_wrap=True)
    promised = given.recall is not None or given.precision is not None
    # Before the documents are decoded, which takes long.
    asked = Asked(given.recall, given.precision, given.confidence) if promised else None
    with opening(quiet=False):
        named, reader = parts.chosen(given.llm, given.encoder, wanted, answers, adapter=given.adapter)
        # For what was tagged before the model's name is enough.
        known = "none" if given.tagged is not None else given.dictionary
        tagger = Tagger.open(
            named, labels=wanted, format=answers, dictionary=known, adapter=given.adapter, encoder=reader
        )
    with tagger, Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        calibration, learned = _learned(given, asked, tagger, documents, bar)
    source = {
        "model": tagger.model.name if tagger.model is not None else "none",
        "labels": wanted.name,
        "format": answers.name,
        "documents": f"{len(documents)} of {given.gold.name}, checksum {checksum(documents)}",
        "clinspan": version("clinspan"),
    }
    calibration = replace(calibration, learned_from=source)
    with whole_file(given.output) as file:
        file.write(calibration.to_toml())
    if learned is not None:
        _show(console, learned, calibration)
    if calibration.promise is not None:
        _show_promise(console, calibration.promise)
    console.print(f"written: {escape(str(given.output))}", soft_wrap=True)


def _learned(
    given: CalibrateOptions, asked: Asked | None, tagger: Tagger, documents: Sequence[Document], bar: Progress
) -> tuple[Calibration, Learned | None]:
    """The calibration, and what else was learned where nothing was promised; decodes what was not tagged before."""
    found = tuple(inputs.strict(catalogue.read(given.tagged, option=""))) if given.tagged is not None else None
    if asked is not None:
        task = bar.add_task("Decoding", total=len(documents))
        least = given.consider if given.recall is not None else None
        if found is None:
            found = candidates(tagger, documents, consider=least, done=lambda: bar.advance(task))
        about: dict[str, Any] = {"labels": tagger.labels.names, "model": tagger.name, "data": given.gold.name}
        promise = make(documents, found, asked, rule=Rule(given.right), by=given.by, consider=least, **about)
        return keep(promise, documents, found), None
    if found is not None:
        learned = learn_from(documents, found)
        return learned.calibration, learned
    biases = () if given.scores_alone else OPEN_BIASES
    rounds = len(biases) if biases and tagger.model is not None and tagger.model.constrains else 1
    task = bar.add_task("Decoding", total=rounds * len(documents))
    learned = learn(tagger, documents, open_biases=biases, done=lambda: bar.advance(task))
    return learned.calibration, learned


def _show_promise(console: Console, promise: Promise) -> None:
    table = Table("label", "kind", "reported from", "to a person from", "documents", "mentions", "share to people")
    for one in promise.kept:
        what = one.threshold
        between = f"{what.review:.3f}" if what.review < what.report else "none"
        numbers = (f"{what.report:.3f}", between, str(what.documents), str(what.mentions), f"{what.reviewed:.0%}")
        table.add_row(escape(one.label), escape(one.kind) or "all", *numbers)
    console.print(table)
    console.print(f"promised: {escape(promise.said)}", soft_wrap=True)


def _show(console: Console, learned: Learned, calibration: Calibration) -> None:
    estimate = learned.estimate
    table = Table("", "before", "after (cross-validated)", title="What it brings on these documents")
    table.add_row("strict F1", f"{estimate.f1_before:.3f}", f"{estimate.f1_after:.3f}")
    if estimate.error_before is not None and estimate.error_after is not None:
        table.add_row("calibration error", f"{estimate.error_before:.3f}", f"{estimate.error_after:.3f}")
    console.print(table)
    if estimate.dial_gain is not None:
        console.print(f"the dial changes F1 by {estimate.dial_gain:+.3f}, cross-validated{_kept(estimate.dial_gain)}")
    rules = estimate.rules_gain
    console.print(f"boundary rules change F1 by {rules:+.3f}, cross-validated{_kept(rules)}")
    if calibration.dials:
        console.print(f"open bias {calibration.open_bias:g}")
    for label, dial in calibration.dials.items():
        if dial.min_score:
            console.print(f"{escape(label)}: reported from a raw score of {dial.min_score:.3f}")
    for rule in calibration.rules.rules:
        console.print(f"{escape(rule.name)}: inside {rule.inside} times, outside {rule.outside}", soft_wrap=True)


def _kept(gain: float) -> str:
    return "" if gain > 0 else ": not used"


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
        learned = learn_weights(tagger, documents, counted=counted, done=lambda: bar.advance(task))
    source = {
        "documents": f"{len(documents)} of {', '.join(path.name for path in gold)}, checksum {checksum(documents)}",
        "clinspan": version("clinspan"),
    }
    if counted is not None and counts:
        source["counts"] = f"{len(counted)} of {', '.join(path.name for path in counts)}, checksum {checksum(counted)}"
    with whole_file(output) as file:
        file.write(described(source, learned).to_json())
    _show_weights(console, learned)
    console.print(f"written: {escape(str(output))}", soft_wrap=True)


def _show_weights(console: Console, learned: LearnedWeights) -> None:
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
