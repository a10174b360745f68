"""A table of a plan's TOML file, read key by key, so that what is wrong is said with file, section and key."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clinspan.errors import ConfigError, did_you_mean

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}")


class Section:
    """One table.

    Args:
        data: the table, as TOML has it.
        file: of the plan; paths within it are relative to its folder.
        name: of the section; empty for the plan's own keys.
        keys: that it may have; None for any.

    Raises:
        ConfigError: when it is no table, or has a key that is unknown.
    """

    def __init__(self, data: Any, file: Path, name: str, keys: Iterable[str] | None):
        self._file = file
        self.where = f"{file}, [{name}]" if name else str(file)
        if not isinstance(data, Mapping):
            raise ConfigError(f"is {_kind(data)}", where=self.where, expected="a table")
        self.data: Mapping[str, Any] = data
        known = None if keys is None else tuple(keys)
        for key in data:
            if known is not None and key not in known:
                raise ConfigError(f"unknown key {key!r}", where=self.where, fix=did_you_mean(key, known))

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def text(self, key: str, default: str | None = None) -> str:
        """A text.

        Raises:
            ConfigError: when it is none, or is missing and has no default.
        """
        found = self.optional_text(key)
        if found is None and default is None:
            raise ConfigError(f"the key {key!r} is missing", where=self.where)
        return default or "" if found is None else found

    def optional_text(self, key: str) -> str | None:
        """A text, or None where the key is missing."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, value, "text in quotes")
        return value

    def whole(self, key: str, default: int | None = None, *, least: int = 0) -> int | None:
        """A whole number."""
        value = self.data.get(key, default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.wrong(key, value, f"a whole number, {least} or more")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, value, "true or false")
        return value

    def one_of(self, key: str, choices: Sequence[str], default: str) -> str:
        """One of some texts."""
        value = self.text(key, default)
        if value not in choices:
            raise ConfigError(f"{key} is {value!r}", where=self.where, fix=did_you_mean(value, choices))
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty where the key is missing."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, value, "a list of texts")
        return tuple(value)

    def names(self, key: str) -> dict[str, str]:
        """New names by old ones; empty where the key is missing."""
        value = self.data.get(key, {})
        if not isinstance(value, Mapping) or not all(isinstance(item, str) for item in value.values()):
            raise self.wrong(key, value, '{ OLD = "NEW" }')
        return dict(value)

    def path(self, key: str) -> Path:
        """A path, with `$NAME` for an environment variable and `~` for the user's folder.

        Raises:
            ConfigError: when a variable is not set.
        """
        return Path(self.expanded(key, self.text(key)))

    def expanded(self, key: str, given: str) -> str:
        """A path as `path` gives it, from its text."""

        def value(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            if name not in os.environ:
                raise ConfigError(
                    f"{key} names the environment variable {name}, which is not set",
                    where=self.where,
                    fix=f"Set it to a folder: {name}=FOLDER clinspan ablate ...",
                )
            return os.environ[name]

        return str(self._file.parent / Path(_VARIABLE.sub(value, given)).expanduser())

    def wrong(self, key: str, value: object, expected: str) -> ConfigError:
        """The error that says that a value is not what the key has."""
        return ConfigError(f"{key} is {value!r}", where=self.where, expected=expected)


def _kind(value: object) -> str:
    return {list: "a list", str: "text", bool: "true or false"}.get(type(value), "a number")
