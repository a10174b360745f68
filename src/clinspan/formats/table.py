"""The formats by their names."""

from clinspan.errors import ConfigError, did_you_mean
from clinspan.formats.base import Format
from clinspan.formats.tanl import Tanl

_FORMATS: dict[str, type[Format]] = {"tanl": Tanl}


def names() -> tuple[str, ...]:
    """The names that `by_name` knows."""
    return tuple(_FORMATS)


def by_name(name: str) -> Format:
    """The format of that name.

    Raises:
        ConfigError: when there is none; it offers the nearest name.
    """
    if name not in _FORMATS:
        raise ConfigError(f"no format {name!r}", fix=did_you_mean(name, names()))
    return _FORMATS[name]()
