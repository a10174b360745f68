"""`clinspan calibrate`: learns from gold documents what scores mean and where mentions end."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from clinspan.calibrate import OPEN_BIASES, Learned, learn, learn_from
from clinspan.cli.evaluate import renamings
from clinspan.cli.opening import opening
from clinspan.corpora import catalogue, inputs
from clinspan.corpora.gold import Naming, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.evaluation.match import checksum
from clinspan.files import refuse_existing, whole_file
from clinspan.tagging import open as parts
from clinspan.tagging.calibration import Calibration
from clinspan.tagging.tagger import Tagger


def calibrate(
    gold: Annotated[Path, typer.Argument(help="Annotated documents that are in no evaluation split.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The TOML file to write.")],
    labels: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = "disease",
    llm: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = "embedded",
    dictionary: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = "open",
    form: Annotated[str, typer.Option("--format", help="As for `clinspan tag`.")] = "tanl",
    adapter: Annotated[str | None, typer.Option(help="As for `clinspan tag`.")] = None,
    gold_from: Annotated[
        str | None, typer.Option("--from", help=f"The gold's format: {', '.join(catalogue.FORMATS)}.")
    ] = None,
    renamed: Annotated[
        list[str] | None, typer.Option("--map", help="Rename a gold label, as FROM=TO; may be repeated.")
    ] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Leave wrong annotations out and go on.")] = False,
    limit: Annotated[int | None, typer.Option(min=4, help="Learn from the first N documents alone.")] = None,
    tagged: Annotated[
        Path | None,
        typer.Option(help="What `clinspan tag --calibration none` found in this gold; nothing is then decoded."),
    ] = None,
    scores_alone: Annotated[
        bool, typer.Option("--scores-alone", help="Leave the dial alone, which decodes each document once, not thrice.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")] = False,
) -> None:
    """Learns from gold documents: the recall dial for each label, scores as probabilities, boundary conventions.

    The file it writes is given to `clinspan tag --calibration`. It says what it was learned from; use it with the same
    model, labels and format.

    Example: `clinspan calibrate train.jsonl -o calibration.toml --labels disease`
    """
    refuse_existing(output, force=force)
    console = Console(stderr=True, highlight=False)
    wanted, answers = parts.labels(labels), parts.form(form)
    read = read_gold([gold], Naming(wanted.names, renamings(renamed or ())), format=gold_from, lenient=lenient)
    documents = list(sound(read, [] if lenient else None, fix="Or go on with --lenient."))[:limit]
    with opening(quiet=False):
        model = parts.llm(llm, wanted, answers, adapter=adapter)
    if tagged is not None:
        learned = learn_from(documents, list(inputs.strict(catalogue.read(tagged))))
    else:
        tagger = Tagger.open(model, labels=wanted, format=answers, dictionary=dictionary)
        biases = () if scores_alone else OPEN_BIASES
        rounds = len(documents) * (len(biases) if biases and model is not None and model.constrains else 1)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("Decoding", total=rounds)
            learned = learn(tagger, documents, open_biases=biases, done=lambda: bar.advance(task))
    source = {
        "model": model.name if model else "none",
        "labels": wanted.name,
        "format": answers.name,
        "documents": f"{len(documents)} of {gold.name}, checksum {checksum(documents)}",
        "clinspan": version("clinspan"),
    }
    calibration = replace(learned.calibration, learned_from=source)
    with whole_file(output) as file:
        file.write(calibration.to_toml())
    _show(console, learned, calibration)
    console.print(f"written: {escape(str(output))}", soft_wrap=True)


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
