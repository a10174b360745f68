"""Puts the commands together and turns errors into messages and exit statuses."""

import signal
import sys
from typing import Annotated

import typer

import clinspan
from clinspan.cli.menu import SETTINGS, Entry, menu
from clinspan.errors import ClinspanError

_TAG, _CHECK, _IMPROVE, _KEEP = "Find entities", "Check and correct", "Improve", "What is on this machine"

COMMANDS = {
    "tag": Entry("clinspan.cli.tag:tag", "Find the entities in notes.", _TAG),
    "demo": Entry("clinspan.cli.tag:demo", "Tag the eight notes that come with clinspan.", _TAG),
    "serve": Entry("clinspan.cli.serve:serve", "Answer other programs over HTTP.", _TAG),
    "mcp": Entry("clinspan.cli.mcp:mcp", "Give an assistant tools (Model Context Protocol).", _TAG),
    "report": Entry("clinspan.cli.report:report", "Write results as one HTML page.", _TAG),
    "convert": Entry("clinspan.cli.convert:convert", "Write results or a corpus in another format.", _TAG),
    "assess": Entry("clinspan.cli.assess:assess", "Say of entities whether they are present, absent, past ...", _TAG),
    "ground": Entry("clinspan.cli.ground:ground", "Find given entities in their texts.", _TAG),
    "labels": Entry("clinspan.cli.labels:app", "List, show and check label sets.", _TAG),
    "review": Entry("clinspan.cli.review:app", "Keep notes that people correct.", _CHECK),
    "explain": Entry("clinspan.cli.explain:explain", "Say why entities were reported and others not.", _CHECK),
    "evaluate": Entry("clinspan.cli.evaluate:evaluate", "Score entities against annotated notes.", _CHECK),
    "examples": Entry("clinspan.cli.examples:app", "Build a pool of examples for prompts.", _IMPROVE),
    "calibrate": Entry("clinspan.cli.calibrate:calibrate", "Turn scores into probabilities.", _IMPROVE),
    "fuse": Entry("clinspan.cli.fuse:fuse", "Weigh dictionary, encoder and LLM together.", _IMPROVE),
    "tune": Entry("clinspan.cli.tune:tune", "Tune a small LLM on annotated notes.", _IMPROVE),
    "tune-encoder": Entry("clinspan.cli.tune:tune_encoder", "Tune an encoder on annotated notes.", _IMPROVE),
    "export-encoder": Entry("clinspan.cli.tune:export_encoder", "Make a tuned encoder small and fast.", _IMPROVE),
    "ablate": Entry("clinspan.cli.ablate:ablate", "Measure what each part contributes.", _IMPROVE),
    "doctor": Entry("clinspan.cli.doctor:doctor", "Say what is installed and whether it works.", _KEEP),
    "models": Entry("clinspan.cli.models:app", "List and fetch models.", _KEEP),
    "dictionary": Entry("clinspan.cli.dictionary:app", "Build medical dictionaries and look into them.", _KEEP),
    "runs": Entry("clinspan.cli.runs:app", "List, resume and delete long runs.", _KEEP),
    "cache": Entry("clinspan.cli.runs:cache", "List and delete cached answers.", _KEEP),
}

app = typer.Typer(
    name="clinspan",
    help="Find the entities in clinical and biomedical text, each verified against the text.",
    cls=menu(COMMANDS),
    **SETTINGS,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"clinspan {clinspan.__version__}")
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
        typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(str(error), err=True)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        sys.exit(130)
