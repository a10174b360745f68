"""What other packages add to clinspan, found through their entry points."""

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

from clinspan.errors import ConfigError


def added(group: str) -> Iterator[tuple[str, Any, str]]:
    """The name of each entry point of the group, what it loads, and its description for errors.

    Raises:
        ConfigError: when one cannot be loaded.
    """
    for point in entry_points(group=group):
        where = f"entry point {point.name!r} = {point.value!r} of {group}"
        try:
            yield point.name, point.load(), where
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"cannot be loaded: {error}", where=where, fix="Mend or remove its package.") from error
