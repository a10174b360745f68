"""Reads a plan from its TOML file, described in docs/reference/ablation.md."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from clinspan.ablation.plan import KEYS, LLMPlan, Plan, Source, Unit, Value, check
from clinspan.corpora import catalogue
from clinspan.errors import ConfigError, did_you_mean
from clinspan.files import read_toml
from clinspan.llms.spec import kinds
from clinspan.settings import DEFAULT_LABELS

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}")


class Section:
    """One table.

    Args:
        data: the table, as TOML has it.
        file: of the plan; paths within it are relative to its folder.
        name: of the section; empty for the plan's own keys.
        keys: that it may have; None for any.

    Raises:
        ConfigError: when it is not a table, or has a key that is unknown.
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


SECTIONS = ("title", "seed", "corpus", "pool", "opening", "llms", "tag", "grid")
CORPUS = ("gold", "from", "map", "ignore", "lenient", "labels", "unit", "limit")
POOL = ("examples", "from", "map", "ignore", "lenient", "teach")
OPENING = ("sentences",)
_UNITS = ("document", "sentence")
_SPEC = ("spec", "adapter")
_PATHS = ("dictionary", "calibration", "encoder")


def read_plan(path: Path) -> Plan:
    """The plan of a file.

    Raises:
        ConfigError: naming file, section and key, and the nearest right name, when it is none.
    """
    text, data = read_toml(path)
    top = Section(data, path, "", SECTIONS)
    corpus = Section(data.get("corpus", {}), path, "corpus", CORPUS)
    pool = Section(data["pool"], path, "pool", POOL) if "pool" in data else None
    opening = Section(data.get("opening", {}), path, "opening", OPENING)
    llms = _llms(data.get("llms", {}), path)
    fixed, axes = _tag(data, path, llms), _grid(data, path, llms)
    for key in axes:
        if key in fixed:
            raise ConfigError(f"{key!r} is in [tag] and in [grid]", where=str(path), expected="either")
    return Plan(
        title=top.text("title", path.stem),
        seed=top.whole("seed", 0) or 0,
        gold=_source(corpus, "gold"),
        labels=_label_set(corpus),
        unit=cast(Unit, corpus.one_of("unit", _UNITS, "document")),
        limit=corpus.whole("limit", least=1),
        pool=_source(pool, "examples") if pool is not None else None,
        teach=pool.flag("teach", default=False) if pool is not None else False,
        opening=opening.whole("sentences", 12, least=1) or 12,
        llms=llms,
        fixed=fixed,
        axes=axes,
        text=text,
    )


def _source(section: Section, key: str) -> Source:
    format = section.optional_text("from")
    if format is not None and format not in catalogue.formats():
        raise ConfigError(f"from is {format!r}", where=section.where, fix=did_you_mean(format, catalogue.formats()))
    return Source(
        path=section.path(key),
        format=format,
        names=section.names("map"),
        ignored=section.texts("ignore"),
        lenient=section.flag("lenient", default=False),
    )


def _label_set(section: Section) -> str:
    name = section.text("labels", DEFAULT_LABELS)
    return section.expanded("labels", name) if name.endswith(".toml") else name


def _llms(data: Any, path: Path) -> dict[str, LLMPlan]:
    found = {}
    for name, entry in Section(data, path, "llms", None).data.items():
        spec = Section(entry, path, f"llms.{name}", None).text("spec")
        kind = spec.partition(":")[0]
        if kind not in kinds() and spec != "none":
            where = f"{path}, [llms.{name}]"
            raise ConfigError(f"spec is {spec!r}", where=where, fix=did_you_mean(kind, ["none", *kinds()]))
        options = {option.replace("_", "-") for option in kinds()[kind].options} if kind in kinds() else set()
        # An adapter is given by its folder or `none`; consent is the user's word and no part of a plan.
        options -= {"adapter", "allow-remote"}
        section = Section(entry, path, f"llms.{name}", (*_SPEC, *sorted(options)))
        adapter = section.optional_text("adapter")
        if adapter not in (None, "none"):
            adapter = section.expanded("adapter", str(adapter))
        given = {key.replace("-", "_"): value for key, value in section.data.items() if key not in _SPEC}
        found[name] = LLMPlan(spec=spec, adapter=adapter, options=given)
    return found


def _tag(data: Mapping[str, Any], path: Path, llms: Mapping[str, LLMPlan]) -> dict[str, Value]:
    section = Section(data.get("tag", {}), path, "tag", KEYS)
    return {key: _value(section, key, value, llms) for key, value in section.data.items()}


def _grid(data: Mapping[str, Any], path: Path, llms: Mapping[str, LLMPlan]) -> dict[str, tuple[Value, ...]]:
    section = Section(data.get("grid", {}), path, "grid", KEYS)
    axes = {}
    for key, values in section.data.items():
        if not isinstance(values, list) or not values:
            raise section.wrong(key, values, "a list of values")
        checked = tuple(_value(section, key, value, llms) for value in values)
        if len(set(checked)) < len(checked):
            raise section.wrong(key, values, "each value once")
        axes[key] = checked
    return axes


def _value(section: Section, key: str, value: object, llms: Mapping[str, LLMPlan]) -> Value:
    found = check(key, value, section.where)
    if key == "llm" and found not in llms:
        kind = str(found).partition(":")[0]
        if kind not in ("none", *kinds()):
            fix = did_you_mean(str(found), [*llms, "none", *kinds()])
            raise ConfigError(f"llm is {found!r}", where=section.where, fix=fix)
    if key in _PATHS and found not in ("open", "none"):
        return section.expanded(key, str(found))
    return found
