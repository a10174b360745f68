"""`clinspan serve`: the tagger behind HTTP. `clinspan mcp`: the same for assistants (Model Context Protocol)."""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from clinspan.cli.opening import opening, pool_of
from clinspan.cli.tag import declared, recipe_of
from clinspan.errors import ConfigError, MissingExtra
from clinspan.examples.pool import Pool
from clinspan.review.loop import Reviews
from clinspan.review.store import Store
from clinspan.server.settings import FORCED, MEBIBYTE, TOKEN_VARIABLE, ServerSettings
from clinspan.settings import SETTINGS

SERVED = (
    "labels",
    "llm",
    "base-url",
    "dictionary",
    "examples",
    "adapter",
    "encoder",
    "allow-remote",
    "concurrency",
    "timeout",
    "context",
    "threads",
    "calibration",
    "fused",
    "format",
    "select",
    "k",
    "quiet",
)
"""The settings of `clinspan tag` that a service has; the others keep their defaults."""
_DEFAULTS = ServerSettings()


@declared(SETTINGS[name] for name in SERVED)
def serve(
    host: Annotated[
        str, typer.Option(help=f"The address to listen on. Any but this machine's own needs {TOKEN_VARIABLE}.")
    ] = _DEFAULTS.host,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = _DEFAULTS.port,
    at_once: Annotated[
        int, typer.Option(min=1, help="Requests under way at once; further ones are answered 429.")
    ] = _DEFAULTS.at_once,
    rate: Annotated[
        float | None, typer.Option(help="Requests a second, of all clients together; further ones are answered 429.")
    ] = None,
    jobs_at_once: Annotated[
        int, typer.Option(min=1, help="Jobs that run at once; further ones wait.")
    ] = _DEFAULTS.jobs_at_once,
    max_body: Annotated[int, typer.Option(min=1, help="Bytes of a request, in MiB.")] = _DEFAULTS.max_body // MEBIBYTE,
    max_text: Annotated[int, typer.Option(min=1, help="Characters of one text.")] = _DEFAULTS.max_text,
    linger: Annotated[
        float, typer.Option(min=0, help="Seconds to wait, before it ends, for results that nobody has fetched.")
    ] = _DEFAULTS.linger,
    reviews: Annotated[
        Path | None,
        typer.Option(help="A file that `clinspan review import` made: people correct its notes."),
    ] = None,
    review_output: Annotated[
        Path | None,
        typer.Option(help="The folder for pool and gold of accepted notes; NAME-accepted beside the review file."),
    ] = None,
    **given: Any,
) -> None:
    """Serves the tagger over HTTP: texts, jobs with progress, labels, the dictionary, and counts for Prometheus.

    GET /openapi.json describes all of it; the address itself is a page for people. SIGTERM and Ctrl-C end the service
    once what runs is done; a second one ends it at once.

    Example: `clinspan serve --labels problem-treatment-test --port 8750`

    Example: `CLINSPAN_TOKEN=... clinspan serve --host 0.0.0.0 --llm openai:qwen --base-url http://localhost:8000/v1`
    """
    settings = ServerSettings(
        host=host,
        port=port,
        token=os.environ.get(TOKEN_VARIABLE, "").rstrip("\r\n") or None,
        at_once=at_once,
        rate=rate,
        jobs_at_once=jobs_at_once,
        max_body=max_body * MEBIBYTE,
        max_text=max_text,
        linger=linger,
    )
    try:
        run = resolve_name("clinspan.server.app:serve")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("clinspan"):
            raise
        raise MissingExtra(error.name or "fastapi", "server", purpose="clinspan serve") from error
    with _opened(reviews, review_output) as room:
        raise typer.Exit(_served(run, settings, room, given))


def _served(run: Callable[..., int], settings: ServerSettings, reviews: Reviews | None, given: dict[str, Any]) -> int:
    asked = SimpleNamespace(**{setting.key: setting.default for setting in SETTINGS.values()} | given)
    log_of_service(quiet=asked.quiet)
    recipe = recipe_of(asked)
    with opening(asked.quiet):
        tagger = recipe.make()
    with tagger:
        tagger.check()
        tagger.check_labels()
        folder = pool_of(asked.examples)
        pool = Pool.open(folder) if folder is not None else None

        def told(address: str) -> None:
            if asked.quiet:
                return
            console = Console(stderr=True, highlight=False, soft_wrap=True)
            console.print(f"serving {escape(', '.join(tagger.labels.names))} on {address}")
            if not settings.local:
                console.print("notes and token cross the network as they are: put a proxy with TLS in front")

        status = run(tagger, settings, pool=pool, reviews=reviews, told=told)
        if status == FORCED:
            # A thread may wait for an LLM for minutes, and the interpreter would wait for the thread.
            os._exit(FORCED)
        return status


@contextmanager
def _opened(path: Path | None, output: Path | None) -> Iterator[Reviews | None]:
    """The notes under review, before a model is loaded: a wrong name is told at once."""
    if path is None:
        if output is not None:
            raise ConfigError("--review-output has no use without notes under review", fix="Name them: --reviews.")
        yield None
        return
    with Store(path) as store:
        yield Reviews(store, output if output is not None else path.with_name(f"{path.stem}-accepted"))


def log_of_service(*, quiet: bool) -> None:
    """Shows the service's own log alone: messages of other parts may hold a note's text."""
    logging.getLogger().addHandler(logging.NullHandler())
    log = logging.getLogger("clinspan.server")
    log.propagate = False
    if quiet:
        log.addHandler(logging.NullHandler())
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)


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
