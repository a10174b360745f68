"""`clinspan mcp`: the tagger for assistants that speak the Model Context Protocol."""

import os
import signal
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Annotated, Any

import typer

from clinspan.cli.opening import opening
from clinspan.cli.serve import SERVED, log_of_service
from clinspan.cli.tag import declared, recipe_of
from clinspan.errors import MissingExtra
from clinspan.server.settings import FORCED, ServerSettings
from clinspan.settings import SETTINGS


@declared(SETTINGS[name] for name in SERVED)
def mcp(
    max_text: Annotated[int, typer.Option(min=1, help="Characters of one note.")] = ServerSettings().max_text,
    **given: Any,
) -> None:
    """Gives an assistant the tools `tag`, `lookup` and `labels`, over standard input and output.

    The assistant's program starts this command and ends it. No port is opened, and no note is kept or logged.

    Example: `clinspan mcp --labels problem-treatment-test`
    """
    try:
        serve = resolve_name("clinspan.server.mcp:serve")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("clinspan"):
            raise
        raise MissingExtra(error.name or "mcp", "mcp", purpose="clinspan mcp") from error
    asked = SimpleNamespace(**{setting.key: setting.default for setting in SETTINGS.values()} | given)
    log_of_service(quiet=asked.quiet)
    with opening(asked.quiet):
        tagger = recipe_of(asked).make()
    with tagger:
        tagger.check()
        tagger.check_labels()
        for sent in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sent, _stop)
        if not asked.quiet:
            typer.echo(f"{', '.join(tagger.labels.names)}: ready for a client at standard input", err=True)
        serve(tagger, max_text)


def _stop(*_: object) -> None:
    """Ends at once. A thread waits for standard input, and anything gentler would wait for the thread."""
    typer.echo("stopped", err=True)
    os._exit(FORCED)
