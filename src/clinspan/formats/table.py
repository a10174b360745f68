"""The formats by their names."""

from clinspan.errors import ConfigError, did_you_mean
from clinspan.formats.base import Format
from clinspan.formats.dice import Dice
from clinspan.formats.json_list import JsonList
from clinspan.formats.mapping import MentionMapping
from clinspan.formats.per_type import PerType
from clinspan.formats.tanl import Tanl

_FORMATS: dict[str, type[Format]] = {"tanl": Tanl, "dice": Dice, "json": JsonList, "mapping": MentionMapping}
_PER_TYPE = "per-type:"


def names() -> tuple[str, ...]:
    """The names that `by_name` knows: each format, and each asked one type per call."""
    return (*_FORMATS, *(_PER_TYPE + name for name in _FORMATS))


def by_name(name: str) -> Format:
    """The format of that name.

    Raises:
        ConfigError: when there is none; it offers the nearest name.
    """
    if name not in names():
        raise ConfigError(f"no format {name!r}", fix=did_you_mean(name, names()))
    form: Format = _FORMATS[name.removeprefix(_PER_TYPE)]()
    return PerType(form) if name.startswith(_PER_TYPE) else form
