"""Reads a plan from its TOML file, described in docs/reference/ablation.md.

And what it names: gold documents, cut into sentences where it says so and drawn, and the pool.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

from clinspan.ablation.plan import KEYS, LLMPlan, Plan, Source, Unit, Value, check
from clinspan.corpora import catalogue
from clinspan.corpora.gold import Naming, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.document import Document
from clinspan.errors import ConfigError, InputError, LabelError, did_you_mean
from clinspan.evaluation.match import checksum
from clinspan.examples.build import temporary
from clinspan.examples.pool import Pool
from clinspan.examples.store import PART_OF, is_pool, sentences
from clinspan.files import read_toml
from clinspan.labels import LabelSet
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


@dataclass(frozen=True, slots=True)
class Corpus:
    """What the cells are measured on.

    Attributes:
        documents: with gold entities, in the order in which they are tagged: by lot, so that the first of them are a
            fair sample of all.
        of: how many there are to draw from.
        checksum: of the drawn documents' texts and entities.
        whole: the checksum of all that there are.
        problems: what is wrong in the file and was left out, as was asked for.
    """

    documents: tuple[Document, ...]
    of: int
    checksum: str
    whole: str
    problems: tuple[InputError, ...] = ()


def read_corpus(plan: Plan, labels: LabelSet, limit: int | None = None) -> Corpus:
    """The plan's documents.

    A larger limit gives what a smaller one gives, and more.

    Args:
        limit: in place of the plan's own.

    Raises:
        ConfigError: when the limit is larger than the corpus.
        InputError: when they cannot be read, or there is none.
        LabelError: when they have a label that is neither in the set nor to be ignored.
    """
    problems: list[InputError] = []
    documents = list(gold(plan.gold, labels, problems))
    if plan.unit == "sentence":
        documents = [sentence for document in documents for sentence in sentences(document)]
    if not documents:
        raise InputError("holds no document", where=str(plan.gold.path))
    wanted = limit or plan.limit
    if wanted is not None and wanted > len(documents):
        raise ConfigError(
            f"{wanted} {plan.unit}s are wanted of {plan.gold.path.name}", expected=f"at most {len(documents)}"
        )
    whole = checksum(documents)
    Random(plan.seed).shuffle(documents)
    drawn = tuple(documents[:wanted])
    return Corpus(drawn, len(documents), checksum(drawn), whole, tuple(problems))


def gold(source: Source, labels: LabelSet, problems: list[InputError]) -> Iterator[Document]:
    """Annotated documents with entities of the label set alone.

    Args:
        problems: takes what is left out.

    Raises:
        InputError: when one cannot be read and the source is not lenient.
        LabelError: when a label is neither in the set nor to be ignored.
    """
    naming = Naming(labels.names, source.names, source.ignored)
    found = read_gold([source.path], naming, format=source.format, lenient=source.lenient, option="from")
    fix = "Or leave it out with `lenient = true`."
    for document in sound(found, problems if source.lenient else None, fix=fix):
        if entity := naming.outside(document):
            raise LabelError(
                f"document {document.id!r} has the label {entity.label!r}, which {labels.name!r} lacks",
                where=str(source.path),
                fix=f"{did_you_mean(entity.label, labels.names)} Rename it with `map`, or leave it out with `ignore`.",
            )
        yield document


@dataclass(frozen=True, slots=True)
class Examples:
    """The pool of a plan.

    Attributes:
        pool: what prompts show.
        documents: where the pool is of documents that were read for it; else none.
    """

    pool: Pool
    documents: tuple[Document, ...] = ()

    def marked(self, labels: LabelSet, count: int, *, seed: int) -> list[Document]:
        """Examples with mentions, drawn by lot, as documents that their own examples are kept away from."""
        numbers = list(range(len(self.pool)))
        Random(seed).shuffle(numbers)
        found: list[Document] = []
        for number in numbers:
            example = self.pool[number]
            entities = tuple(entity for entity in example.entities if entity.label in labels)
            if entities:
                id = f"{example.document}:{example.start}"
                found.append(Document(id, example.text, entities, metadata={PART_OF: example.document}))
            if len(found) == count:
                break
        return found


def read_pool(source: Source, labels: LabelSet, problems: list[InputError]) -> Examples:
    """A pool, or one made of annotated documents for as long as it is used; see `gold`."""
    if is_pool(source.path):
        return Examples(Pool.open(source.path))
    documents = tuple(gold(source, labels, problems))
    return Examples(temporary(documents, labels=labels.names), documents)
