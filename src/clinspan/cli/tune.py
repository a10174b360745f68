"""`clinspan tune`: a LoRA adapter from gold documents. `clinspan tune-encoder`: a token classifier from them."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from clinspan.cli.opening import (
    Batch,
    Documents,
    Examples,
    Force,
    HoldOut,
    KeepEmpty,
    Labels,
    Rename,
    Resume,
    gather,
    taking,
)
from clinspan.errors import ConfigError, MissingExtra
from clinspan.formats import by_name
from clinspan.formats.base import Format
from clinspan.tagging import open as parts
from clinspan.tuning.base import find_base
from clinspan.tuning.epochs import EpochSettings, Held
from clinspan.tuning.gold import drawn
from clinspan.tuning.run import CHECKPOINTS, EncoderRunSettings, LoraSettings, RunSettings, check_output


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOptions:
    """The options of `clinspan tune`."""

    examples: Examples
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for adapter, card, log and checkpoint.")]
    labels: Labels
    base: Annotated[
        str, typer.Option(help="The model: `embedded`, a GGUF file, a Hugging Face folder, or hf:NAME.")
    ] = "embedded"
    form: Annotated[str, typer.Option("--format", help="The format of the answers.")] = "tanl"
    minutes: Annotated[float | None, typer.Option(help="Train for so many minutes, 60 if nothing is said.")] = None
    epochs: Annotated[float | None, typer.Option(help="Train for so many passes instead.")] = None
    dev: Annotated[
        Path | None, typer.Option(help="Documents to validate on, with the first labels; never trained on.")
    ] = None
    hold_out: HoldOut = None
    rename: Rename = None
    start_from: Annotated[Path | None, typer.Option(help="Begin with this adapter of the same base.")] = None
    resume: Resume = False
    force: Force = False
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 1e-3
    schedule: Annotated[str, typer.Option(help="How the rate falls: linear or cosine.")] = "linear"
    rank: Annotated[int, typer.Option(help="Rank of the adapter's matrices.")] = 16
    batch: Batch = 16
    loss: Annotated[str | None, typer.Option(help="`choices` (the format tanl) or `answer`, every token of it.")] = None
    keep_empty: KeepEmpty = 0.4
    four_bit: Annotated[
        bool, typer.Option("--four-bit", help="Hold the base in four bits (QLoRA; the extra qlora), not from GGUF.")
    ] = False
    facts: Annotated[
        float, typer.Option(help="Share of the prompts that tell what the dictionary would tag; 0: none do.")
    ] = 0.0
    attributes: Annotated[
        bool, typer.Option("--attributes", help="Learn the attributes that labels declare, as the documents have them.")
    ] = False
    dictionary: Annotated[str, typer.Option(help="Whose proposals those are: `open`, or a folder.")] = "open"
    documents: Documents = None
    dev_documents: Annotated[
        str | None, typer.Option(help="Validate on so many documents of --dev, or a share, drawn by the seed.")
    ] = None
    validate_every: Annotated[float, typer.Option(help="Minutes between two validations on --dev.")] = 20.0
    validate_at: Annotated[
        list[float] | None,
        typer.Option(help="Validate after so many passes (0.25), not by the clock; repeatable. The end always is."),
    ] = None
    patience: Annotated[int, typer.Option(help="Stop after so many validations without a gain; 0: never.")] = 0
    seed: Annotated[int, typer.Option(help="Random seed for the adapter's start and the order of windows.")] = 1


@taking(TuneOptions)
def tune(given: TuneOptions) -> None:
    """Tunes a small model on gold documents and writes an adapter with its card.

    Ctrl-C ends training in good order; `--resume` goes on from there.

    Example: `clinspan tune --examples train.pubtator --labels disease --dev devel.pubtator --minutes 60 -o my-adapter`
    """
    # Of several processes that train one adapter, the first speaks.
    console = Console(stderr=True, quiet=os.environ.get("RANK", "0") != "0")
    found = gather(
        given.examples,
        given.labels,
        dev=[given.dev] if given.dev else [],
        hold_out=given.hold_out or [],
        rename=given.rename or [],
        documents=given.documents or [],
        seed=given.seed,
    )
    for line in found.told():
        console.print(line)
    held = found.held[0] if found.held else None
    if given.dev_documents is not None:
        if held is None:
            raise ConfigError("--dev-documents says how many of --dev, which is missing", fix="Give --dev too.")
        held = drawn(held, given.dev_documents, seed=given.seed)
    written = by_name(given.form)
    settings = _settings(given, written)
    run = part("lora_run:open_run")(
        given.base,
        found.corpora,
        form=written,
        output=given.output,
        settings=settings,
        held=None if held is None else Held(held),
        start_from=given.start_from,
        resume=given.resume,
        force=given.force,
        dictionary=parts.dictionary(given.dictionary) if given.facts else None,
        four_bit=given.four_bit,
    )
    _train_adapter(run, console)


def _settings(given: TuneOptions, form: Format) -> RunSettings:
    """How the options say that an adapter is trained."""
    kind = given.loss or ("choices" if form.name == "tanl" else "answer")
    return RunSettings(
        lora=LoraSettings(
            rank=given.rank,
            alpha=2 * given.rank,
            loss=_one_of("loss", kind, "choices", "answer"),
            batch=given.batch,
            seed=given.seed,
        ),
        epochs=EpochSettings(keep_empty=given.keep_empty, facts=given.facts, attributes=given.attributes),
        learning_rate=given.learning_rate,
        minutes=60.0 if given.minutes is None and given.epochs is None else given.minutes,
        passes=given.epochs,
        shape=_one_of("schedule", given.schedule, "linear", "cosine"),
        validate_minutes=given.validate_every,
        validate_at=tuple(given.validate_at or ()),
        patience=given.patience,
    )


def _train_adapter(run: Any, console: Console) -> None:
    """Trains with a progress bar; the first Ctrl-C or termination ends it after the step under way."""
    if run.too_long:
        console.print(f"{run.too_long} of {run.windows + run.too_long} windows are longer than the limit and left out")
    with watched(run, console, shown=run.chief) as show:
        for at in run.train():
            speed = at.tokens / at.seconds if at.seconds else 0.0
            done = run.trainer.schedule.done(step=at.step, seconds=at.seconds)
            show(done, f"step {at.step}, pass {at.epoch + 1}, loss {at.loss:.4f}, {speed:.0f} tokens/s")
    if run.chief:
        console.print(f"the adapter and its card are in {run.output}")


def _one_of(option: str, given: str, *known: str) -> Any:
    if given not in known:
        raise ConfigError(f"--{option} {given}", expected=" or ".join(known))
    return given


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderOptions:
    """The options of `clinspan tune-encoder`."""

    examples: Examples
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for classifier, card, log and checkpoint.")]
    labels: Labels
    base: Annotated[
        str, typer.Option(help="The encoder: one of `clinspan models list`, a Hugging Face folder, or hf:NAME.")
    ] = "all-minilm-l6-v2-torch"
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the documents.")] = 10
    dev: Annotated[
        list[Path] | None,
        typer.Option(help="Documents to validate on, with the labels of the --examples in its place; repeatable."),
    ] = None
    hold_out: HoldOut = None
    rename: Rename = None
    resume: Resume = False
    force: Force = False
    learning_rate: Annotated[float, typer.Option(help="At its highest; less for larger encoders.")] = 2e-4
    batch: Batch = 16
    keep_empty: KeepEmpty = 1.0
    sentences: Annotated[
        int, typer.Option(min=1, help="A window has at most so many sentences, the number drawn for each document.")
    ] = 1
    described: Annotated[
        bool, typer.Option("--described", help="Teach it to find what a definition says; for --base open-labels.")
    ] = False
    keep_words: Annotated[
        bool, typer.Option("--keep-words", help="Leave the base's word vectors as they are: a step is quicker.")
    ] = False
    documents: Documents = None
    patience: Annotated[int, typer.Option(help="Stop after so many passes without a gain; 0: never.")] = 0
    checkpoint_minutes: Annotated[float, typer.Option(help="Between two checkpoints.")] = 5.0
    seed: Annotated[
        int,
        typer.Option(help="Random seed for starting weights, dropout, the order of windows and the documents drawn."),
    ] = 1


@taking(EncoderOptions)
def tune_encoder(given: EncoderOptions) -> None:
    """Tunes an encoder on gold documents to classify tokens, and writes it with its card.

    `clinspan tag --llm none --encoder FOLDER` tags with it. Ctrl-C ends training in good order; `--resume` goes on from
    there.

    Example: `clinspan tune-encoder --examples train.pubtator --labels disease --dev devel.pubtator -o my-encoder`
    """
    console = Console(stderr=True)
    settings = EncoderRunSettings(
        learning_rate=given.learning_rate,
        passes=given.epochs,
        batch=given.batch,
        keep_empty=given.keep_empty,
        sentences=given.sentences,
        described=given.described,
        keep_words=given.keep_words,
        patience=given.patience,
        checkpoint_minutes=given.checkpoint_minutes,
        seed=given.seed,
    )
    found = gather(
        given.examples,
        given.labels,
        dev=given.dev or [],
        hold_out=given.hold_out or [],
        rename=given.rename or [],
        documents=given.documents or [],
        seed=given.seed,
    )
    for line in found.told():
        console.print(line)
    check_output(given.output, checkpoints=CHECKPOINTS, resume=given.resume, force=given.force)
    encoder = part("encoder_run:EncoderRun")
    _train_encoder(
        encoder(
            find_base(given.base),
            found.corpora,
            output=given.output,
            settings=settings,
            held=found.held,
            resume=given.resume,
        ),
        console,
    )


def export_encoder(
    folder: Annotated[Path, typer.Argument(help="Made by `clinspan tune-encoder`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the exported encoder; new or empty.")],
    fp32: Annotated[bool, typer.Option("--fp32", help="Keep 32-bit weights, four times the size.")] = False,
    bits: Annotated[
        int | None, typer.Option(help="How many of the 8 bits are used: 7, or 6 to zip to less.", min=4, max=7)
    ] = None,
) -> None:
    """Writes a tuned encoder as ONNX with 8-bit weights: it reads faster, and without torch.

    Example: `clinspan export-encoder my-encoder -o my-encoder-int8`
    """
    if fp32 and bits is not None:
        raise ConfigError("--fp32 and --bits exclude each other")
    export = part("export:encoder_to_onnx")
    export(folder, output, bits=None if fp32 else bits or 7)
    Console(stderr=True).print(f"the encoder is in {output}; tag with --llm none --encoder {output}")


def _train_encoder(run: Any, console: Console) -> None:
    """Trains with a progress bar; the first Ctrl-C or termination ends it after the step under way."""
    data = run.data
    console.print(
        f"{len(data.rows)} of {data.windows} windows, {data.mentions} mentions; {data.lost} mentions cannot be marked, "
        f"{data.too_long} windows are too long"
    )
    with watched(run, console, shown=run.chief) as show:
        run.train(
            lambda at: show(
                at.step / max(1, at.steps),
                f"step {at.step} of {at.steps}, pass {int(at.passes) + 1}, loss {at.loss:.4f}",
            )
        )
    if run.chief:
        for row in run.log.rows:
            if "f1" in row:
                console.print(f"step {row['step']}: F1 {', '.join(f'{f:.3f}' for f in row['each'])}")
        console.print(f"the classifier and its card are in {run.output}")


Show = Callable[[float, str], None]
"""Shows the share done, in [0, 1], and a message."""


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
