"""`clinspan tune-encoder`: a token classifier out of gold documents."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from clinspan.cli import material
from clinspan.cli.training import part, watched
from clinspan.tuning.base import find_base
from clinspan.tuning.output import check_output
from clinspan.tuning.settings import CHECKPOINTS, EncoderRunSettings


def tune_encoder(
    examples: material.Examples,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for classifier, card, log and checkpoint.")],
    labels: material.Labels,
    base: Annotated[
        str, typer.Option(help="The encoder: one of `clinspan models list`, a Hugging Face folder, or hf:NAME.")
    ] = "all-minilm-l6-v2-torch",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the documents.")] = 10,
    dev: Annotated[
        list[Path] | None,
        typer.Option(help="Documents to validate on, with the labels of the --examples in its place; repeatable."),
    ] = None,
    hold_out: material.HoldOut = None,
    rename: material.Rename = None,
    resume: material.Resume = False,
    force: material.Force = False,
    learning_rate: Annotated[float, typer.Option(help="At its highest; less for larger encoders.")] = 2e-4,
    batch: material.Batch = 16,
    keep_empty: material.KeepEmpty = 1.0,
    sentences: Annotated[
        int, typer.Option(min=1, help="A window has at most so many sentences, the number drawn for each document.")
    ] = 1,
    documents: material.Documents = None,
    patience: Annotated[int, typer.Option(help="Stop after so many passes without a gain; 0: never.")] = 0,
    checkpoint_minutes: Annotated[float, typer.Option(help="Between two checkpoints.")] = 5.0,
    seed: Annotated[
        int, typer.Option(help="Of the outputs' start, dropout, the order of windows and the documents drawn.")
    ] = 1,
) -> None:
    """Tunes an encoder on gold documents to classify tokens, and writes it with its card.

    `clinspan tag --llm none --encoder FOLDER` tags with it. Ctrl-C ends training in good order; `--resume` goes on from
    there.

    Example: `clinspan tune-encoder --examples train.pubtator --labels disease --dev devel.pubtator -o my-encoder`
    """
    console = Console(stderr=True)
    settings = EncoderRunSettings(
        learning_rate=learning_rate,
        passes=epochs,
        batch=batch,
        keep_empty=keep_empty,
        sentences=sentences,
        patience=patience,
        checkpoint_minutes=checkpoint_minutes,
        seed=seed,
    )
    found = material.gather(
        examples,
        labels,
        dev=dev or [],
        hold_out=hold_out or [],
        rename=rename or [],
        documents=documents or [],
        seed=seed,
    )
    for line in found.told():
        console.print(line)
    check_output(output, checkpoints=CHECKPOINTS, resume=resume, force=force)
    encoder = part("encoder_run:EncoderRun")
    _train(
        encoder(find_base(base), found.corpora, output=output, settings=settings, held=found.held, resume=resume),
        console,
    )


def export_encoder(
    folder: Annotated[Path, typer.Argument(help="Made by `clinspan tune-encoder`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the exported encoder; new or empty.")],
    fp32: Annotated[bool, typer.Option("--fp32", help="Keep 32-bit weights, four times the size.")] = False,
) -> None:
    """Writes a tuned encoder as ONNX with 8-bit weights: it reads faster, and without torch.

    Example: `clinspan export-encoder my-encoder -o my-encoder-int8`
    """
    export = part("encoder_export:export")
    export(folder, output, eight_bit=not fp32)
    Console(stderr=True).print(f"the encoder is in {output}; tag with --llm encoder:{output}")


def _train(run: Any, console: Console) -> None:
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
