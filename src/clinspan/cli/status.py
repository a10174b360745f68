"""What a terminal shows while something is loaded or built."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def opening(quiet: bool) -> Iterator[None]:
    """Says that model and dictionary are being opened, until they are."""
    console = Console(stderr=True, quiet=quiet)
    if console.is_terminal:
        with console.status("Opening model and dictionary"):
            yield
    else:
        yield
