"""`clinspan tune`: a LoRA adapter out of gold documents."""

import os
import signal
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from clinspan.cli.gold import gather
from clinspan.errors import ConfigError, MissingExtra
from clinspan.formats.table import by_name
from clinspan.pipeline import parts
from clinspan.tuning.corpora import drawn
from clinspan.tuning.epochs import EpochSettings
from clinspan.tuning.settings import LoraSettings, RunSettings


def tune(
    examples: Annotated[
        list[Path], typer.Option("--examples", help="Gold documents to learn from, in any corpus format; repeatable.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for adapter, card, log and checkpoint.")],
    labels: Annotated[
        list[str],
        typer.Option(help="What the documents are annotated for, a set or labels.toml: one for all, or one for each."),
    ],
    base: Annotated[
        str, typer.Option(help="The model: `embedded`, a GGUF file, a Hugging Face folder, or hf:NAME.")
    ] = "embedded",
    form: Annotated[str, typer.Option("--format", help="The format of the answers.")] = "tanl",
    minutes: Annotated[float | None, typer.Option(help="Train for so many minutes, 60 if nothing is said.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Train for so many passes instead.")] = None,
    dev: Annotated[
        Path | None, typer.Option(help="Documents to validate on, with the first labels; never trained on.")
    ] = None,
    hold_out: Annotated[
        list[Path] | None, typer.Option(help="Corpora whose documents are kept out of training; repeatable.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option("--map", help="OLD=NAME: a corpus's label under another name; repeatable.")
    ] = None,
    start_from: Annotated[Path | None, typer.Option(help="Begin with this adapter of the same base.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's checkpoint.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that has files.")] = False,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 1e-3,
    schedule: Annotated[str, typer.Option(help="How the rate falls: linear or cosine.")] = "linear",
    rank: Annotated[int, typer.Option(help="Of the adapter's matrices.")] = 16,
    batch: Annotated[int, typer.Option(help="Windows in one step.")] = 16,
    loss: Annotated[
        str | None, typer.Option(help="`choices` (the format tanl) or `answer`, every token of it.")
    ] = None,
    keep_empty: Annotated[float, typer.Option(help="Share of the windows without a mention that is used.")] = 0.4,
    four_bit: Annotated[
        bool, typer.Option("--four-bit", help="Hold the base in four bits (QLoRA; the extra qlora), not from GGUF.")
    ] = False,
    facts: Annotated[
        float, typer.Option(help="Share of the prompts that tell what the dictionary would tag; 0: none do.")
    ] = 0.0,
    dictionary: Annotated[str, typer.Option(help="Whose proposals those are: `open`, or a folder.")] = "open",
    documents: Annotated[
        list[str] | None,
        typer.Option(help="Learn from so many documents of the examples, or a share (25%), drawn by the seed."),
    ] = None,
    dev_documents: Annotated[
        str | None, typer.Option(help="Validate on so many documents of --dev, or a share, drawn by the seed.")
    ] = None,
    validate_every: Annotated[float, typer.Option(help="Minutes between two validations on --dev.")] = 20.0,
    validate_at: Annotated[
        list[float] | None,
        typer.Option(help="Validate after so many passes (0.25), not by the clock; repeatable. The end always is."),
    ] = None,
    patience: Annotated[int, typer.Option(help="Stop after so many validations without a gain; 0: never.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the adapter's start and the order of windows.")] = 1,
) -> None:
    """Tunes a small model on gold documents and writes an adapter with its card.

    Ctrl-C ends training in good order; `--resume` goes on from there.

    Example: `clinspan tune --examples train.pubtator --labels disease --dev devel.pubtator --minutes 60 -o my-adapter`
    """
    # Of several processes that train one adapter, the first speaks.
    console = Console(stderr=True, quiet=os.environ.get("RANK", "0") != "0")
    found = gather(
        examples,
        labels,
        dev=[dev] if dev else [],
        hold_out=hold_out or [],
        rename=rename or [],
        documents=documents or [],
        seed=seed,
    )
    for line in found.told():
        console.print(line)
    held = found.held[0] if found.held else None
    if dev_documents is not None:
        if held is None:
            raise ConfigError("--dev-documents says how many of --dev, which is missing", fix="Give --dev too.")
        held = drawn(held, dev_documents, seed=seed)
    written = by_name(form)
    kind = loss or ("choices" if written.name == "tanl" else "answer")
    settings = RunSettings(
        lora=LoraSettings(
            rank=rank, alpha=2 * rank, loss=_one_of("loss", kind, "choices", "answer"), batch=batch, seed=seed
        ),
        epochs=EpochSettings(keep_empty=keep_empty, facts=facts),
        learning_rate=learning_rate,
        minutes=60.0 if minutes is None and epochs is None else minutes,
        passes=epochs,
        shape=_one_of("schedule", schedule, "linear", "cosine"),
        validate_minutes=validate_every,
        validate_at=tuple(validate_at or ()),
        patience=patience,
    )
    run = _part("run:open_run")(
        base,
        found.corpora,
        form=written,
        output=output,
        settings=settings,
        held=None if held is None else _part("validate:Held")(held),
        start_from=start_from,
        resume=resume,
        force=force,
        dictionary=parts.dictionary(dictionary) if facts else None,
        four_bit=four_bit,
    )
    _train(run, console)


def _train(run: Any, console: Console) -> None:
    """Trains with a progress bar; the first Ctrl-C or termination ends it after the step under way."""
    if run.too_long:
        console.print(f"{run.too_long} of {run.windows + run.too_long} windows are longer than the limit and left out")

    def end(*_: object) -> None:
        run.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not run.chief) as bar:
        task = bar.add_task("starting", total=1.0)
        for at in run.train():
            speed = at.tokens / at.seconds if at.seconds else 0.0
            done = run.trainer.schedule.done(step=at.step, seconds=at.seconds)
            shown = f"step {at.step}, pass {at.epoch + 1}, loss {at.loss:.4f}, {speed:.0f} tokens/s"
            bar.update(task, completed=done, description=shown)
    if run.chief:
        console.print(f"the adapter and its card are in {run.output}")


def _one_of(option: str, given: str, *known: str) -> Any:
    if given not in known:
        raise ConfigError(f"--{option} {given}", expected=" or ".join(known))
    return given


def _part(name: str) -> Any:
    """A part of tuning that needs the extra's packages, imported on use."""
    try:
        return resolve_name(f"clinspan.tuning.{name}")
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train", purpose="tuning") from error
