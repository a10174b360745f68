"""The menu of commands, each imported when it is used; and how errors become messages and exit statuses."""

import shlex
import signal
import sys
from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

import clinspan
from clinspan.errors import ClinspanError

SETTINGS: Mapping[str, Any] = {
    "no_args_is_help": True,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "markdown",
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""What all commands have in common, as typer takes it."""
STOPPED = 130
"""The exit status after Ctrl-C or SIGTERM."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that was not used yet.

    Attributes:
        place: its function, or a `typer.Typer` of several commands, as module:name.
        about: the first sentence of its help.
        panel: the heading that it stands under.
    """

    place: str
    about: str
    panel: str

    def load(self, name: str) -> Any:
        """The command itself."""
        found = resolve_name(self.place)
        # The callback makes a group of it, where a command alone would take the group's place.
        holder = typer.Typer(callback=lambda: None, add_completion=False, **SETTINGS)
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=name)
        else:
            holder.command(name)(found)
        return get_command(holder).commands[name]  # type: ignore[attr-defined]


class _Commands(UserDict[str, Any]):
    """Commands by name; an entry is replaced by its command when that is asked for."""

    def __getitem__(self, name: str) -> Any:
        found = self.data[name]
        if isinstance(found, Entry):
            found = self.data[name] = found.load(name)
        return found


def menu(entries: Mapping[str, Entry]) -> type[TyperGroup]:
    """A group of these commands, which typer makes with the options of its own."""

    class Menu(TyperGroup):
        """Loads no command to list them."""

        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.commands = _Commands(entries)

        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (as click calls it)
            """The names, in the menu's order."""
            return list(entries)

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            """Finds the command; a file where one is expected is more likely to be tagged."""
            if args and args[0] not in self.commands and Path(args[0]).exists():
                ctx.fail(f"{args[0]!r} is no command. Did you mean: {ctx.command_path} tag {shlex.join(args)}")
            return super().resolve_command(ctx, args)

        def invoke(self, ctx: Any) -> Any:
            """Runs the command; says that it was stopped, which typer would not."""
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                typer.echo("stopped", err=True)
                raise typer.Exit(STOPPED) from None

        def format_help(self, ctx: Any, formatter: Any) -> None:
            """Shows the options and each entry's first sentence."""
            outline = TyperGroup(
                name=self.name,
                params=self.params,
                help=self.help,
                rich_markup_mode=self.rich_markup_mode,
                commands={
                    name: TyperCommand(name, help=entry.about, rich_help_panel=entry.panel)
                    for name, entry in entries.items()
                },
            )
            outline.format_help(ctx, formatter)

    return Menu


_TAG, _CHECK, _IMPROVE, _KEEP = "Find entities", "Check and correct", "Improve", "What is on this machine"

COMMANDS = {
    "tag": Entry("clinspan.cli.tag:tag", "Find the entities in notes.", _TAG),
    "demo": Entry("clinspan.cli.tag:demo", "Tag the eight notes that come with clinspan.", _TAG),
    "serve": Entry("clinspan.cli.serve:serve", "Answer other programs over HTTP.", _TAG),
    "mcp": Entry("clinspan.cli.serve:mcp", "Give an assistant tools (Model Context Protocol).", _TAG),
    "report": Entry("clinspan.cli.results:report", "Write results as one HTML page.", _TAG),
    "convert": Entry("clinspan.cli.results:convert", "Write results or a corpus in another format.", _TAG),
    "assess": Entry("clinspan.cli.given:assess", "Say of entities whether they are present, absent, past ...", _TAG),
    "ground": Entry("clinspan.cli.given:ground", "Find given entities in their texts.", _TAG),
    "labels": Entry("clinspan.cli.vocabulary:labels_app", "List, show and check label sets.", _TAG),
    "review": Entry("clinspan.cli.review:app", "Keep notes that people correct.", _CHECK),
    "explain": Entry("clinspan.cli.results:explain", "Say why entities were reported and others not.", _CHECK),
    "evaluate": Entry("clinspan.cli.evaluate:evaluate", "Score entities against annotated notes.", _CHECK),
    "examples": Entry("clinspan.cli.examples:app", "Build a pool of examples for prompts.", _IMPROVE),
    "calibrate": Entry("clinspan.cli.calibrate:calibrate", "Turn scores into probabilities.", _IMPROVE),
    "fuse": Entry("clinspan.cli.calibrate:fuse", "Weigh dictionary, encoder and LLM together.", _IMPROVE),
    "tune": Entry("clinspan.cli.tune:tune", "Tune a small LLM on annotated notes.", _IMPROVE),
    "tune-encoder": Entry("clinspan.cli.tune:tune_encoder", "Tune an encoder on annotated notes.", _IMPROVE),
    "export-encoder": Entry("clinspan.cli.tune:export_encoder", "Make a tuned encoder small and fast.", _IMPROVE),
    "ablate": Entry("clinspan.cli.runs:ablate", "Measure what each part contributes.", _IMPROVE),
    "doctor": Entry("clinspan.cli.machine:doctor", "Say what is installed and whether it works.", _KEEP),
    "models": Entry("clinspan.cli.machine:models_app", "List and fetch models.", _KEEP),
    "dictionary": Entry("clinspan.cli.vocabulary:terms_app", "Build medical dictionaries and look into them.", _KEEP),
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
        sys.exit(STOPPED)
