"""`clinspan tune`: a LoRA adapter out of gold documents."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from clinspan.cli import material
from clinspan.cli.training import part, watched
from clinspan.errors import ConfigError
from clinspan.formats.catalogue import by_name
from clinspan.tagging import open as parts
from clinspan.tuning.corpora import drawn
from clinspan.tuning.epochs import EpochSettings
from clinspan.tuning.settings import LoraSettings, RunSettings
from clinspan.tuning.validate import Held


def tune(
    examples: material.Examples,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for adapter, card, log and checkpoint.")],
    labels: material.Labels,
    base: Annotated[
        str, typer.Option(help="The model: `embedded`, a GGUF file, a Hugging Face folder, or hf:NAME.")
    ] = "embedded",
    form: Annotated[str, typer.Option("--format", help="The format of the answers.")] = "tanl",
    minutes: Annotated[float | None, typer.Option(help="Train for so many minutes, 60 if nothing is said.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Train for so many passes instead.")] = None,
    dev: Annotated[
        Path | None, typer.Option(help="Documents to validate on, with the first labels; never trained on.")
    ] = None,
    hold_out: material.HoldOut = None,
    rename: material.Rename = None,
    start_from: Annotated[Path | None, typer.Option(help="Begin with this adapter of the same base.")] = None,
    resume: material.Resume = False,
    force: material.Force = False,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 1e-3,
    schedule: Annotated[str, typer.Option(help="How the rate falls: linear or cosine.")] = "linear",
    rank: Annotated[int, typer.Option(help="Of the adapter's matrices.")] = 16,
    batch: material.Batch = 16,
    loss: Annotated[
        str | None, typer.Option(help="`choices` (the format tanl) or `answer`, every token of it.")
    ] = None,
    keep_empty: material.KeepEmpty = 0.4,
    four_bit: Annotated[
        bool, typer.Option("--four-bit", help="Hold the base in four bits (QLoRA; the extra qlora), not from GGUF.")
    ] = False,
    facts: Annotated[
        float, typer.Option(help="Share of the prompts that tell what the dictionary would tag; 0: none do.")
    ] = 0.0,
    dictionary: Annotated[str, typer.Option(help="Whose proposals those are: `open`, or a folder.")] = "open",
    documents: material.Documents = None,
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
    found = material.gather(
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
    run = part("lora_run:open_run")(
        base,
        found.corpora,
        form=written,
        output=output,
        settings=settings,
        held=None if held is None else Held(held),
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
