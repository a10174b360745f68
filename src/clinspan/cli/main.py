"""Puts the commands together and turns errors into messages and exit statuses."""

import signal
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from clinspan.cli import (
    ablate,
    assess,
    calibrate,
    convert,
    dictionary,
    doctor,
    evaluate,
    examples,
    ground,
    labels,
    models,
    report,
    review,
    runs,
    serve,
    tag,
    tune,
)
from clinspan.errors import ClinspanError

app = typer.Typer(
    name="clinspan",
    help="Finds the entities in clinical and biomedical text with language models, and verifies every one of them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(labels.app, name="labels")
app.add_typer(models.app, name="models")
app.add_typer(dictionary.app, name="dictionary")
app.add_typer(examples.app, name="examples")
app.add_typer(review.app, name="review")
app.add_typer(runs.app, name="runs")
app.add_typer(runs.cache, name="cache")
app.command()(tag.tag)
app.command()(tag.demo)
app.command()(serve.serve)
app.command()(calibrate.calibrate)
app.command()(ground.ground)
app.command()(doctor.doctor)
app.command()(assess.assess)
app.command()(evaluate.evaluate)
app.command()(tune.tune)
app.command()(tune.tune_encoder)
app.command()(tune.export_encoder)
app.command()(convert.convert)
app.command()(report.report)
app.command()(ablate.ablate)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"clinspan {version('clinspan')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that come before any command."""


def main() -> None:
    """The program `clinspan`: exit status 2 after an error that it explains, 130 after Ctrl-C or SIGTERM."""
    # Slurm and Docker stop a program by SIGTERM: what Ctrl-C keeps is kept then, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except ClinspanError as error:
        Console(stderr=True, highlight=False).print("[bold red]error:[/]", escape(str(error)), soft_wrap=True)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped")
        sys.exit(130)
