"""`clinspan cache`: the answers that runs share."""

import typer
from rich.console import Console
from rich.markup import escape

from clinspan.runs.answers import Cache, cache_path

app = typer.Typer(help="Look at the answers that runs share, and delete them.", no_args_is_help=True)


@app.command()
def show() -> None:
    """Shows where the answers lie, how many there are and what room they take.

    Example: `clinspan cache show`
    """
    console = Console(highlight=False, soft_wrap=True)
    path = cache_path()
    if not path.exists():
        console.print(f"{escape(str(path))}: nothing is kept")
        return
    with Cache() as cache:
        console.print(f"{escape(str(path))}: {len(cache):,} answers, {path.stat().st_size / 1e6:.1f} MB")


@app.command()
def clear() -> None:
    """Deletes all answers that runs share. What runs keep in their own folders stays.

    Example: `clinspan cache clear`
    """
    path = cache_path()
    gone = 0
    if path.exists():
        with Cache() as cache:
            gone = cache.clear()
    Console(highlight=False, soft_wrap=True).print(f"deleted {gone:,} answers")
