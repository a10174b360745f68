"""A plan: gold documents, a pool, LLMs, settings that are fixed or vary, and the grid of cells that they make."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Literal, cast

from clinspan import formats
from clinspan.dictionary.facts import FactsMode
from clinspan.errors import ConfigError, did_you_mean
from clinspan.examples.selection import Order, Strategy
from clinspan.formats import by_name
from clinspan.runs.folder import digest
from clinspan.settings import SETTINGS, Setting
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.settings import over as put

Value = str | int | float
Settings = Mapping[str, Value]
AUTO = "auto"

ORDER = (
    *("format", "select", "k", "examples-by", "facts", "llm", "select-seed", "dictionary", "calibration"),
    *("facts-from", "facts-budget", "examples-order", "examples-tokens", "examples-as", "select-mentions"),
    *(
        "select-relevance",
        "ask",
        "candidates",
        "candidate-bias",
        "open-bias",
        "style",
        "attributes",
        "assertion",
        "window-tokens",
    ),
    *("codes", "link-precision", "consider", "ask-share"),
    *("window-sentences", "overlap-sentences", "encoder"),
)
"""In which a cell's name has them."""

KEYS: Mapping[str, Setting] = {name: SETTINGS[name] for name in ORDER}
"""What a plan can fix or vary."""


def check(name: str, value: object, where: str) -> Value:
    """The value of a key, if it is one that the setting can have.

    Raises:
        ConfigError: naming section and key.
    """
    setting = KEYS[name]
    if name == "open-bias" and value == AUTO:
        return AUTO
    if setting.type in (int, float):
        try:
            number = cast(float, setting.value(value))
            return int(number) if setting.type is int else float(number)
        except ConfigError as error:
            auto = f', or "{AUTO}"' if name == "open-bias" else ""
            raise ConfigError(error.what, where=where, expected=f"{setting.numbers()}{auto}") from None
    if not isinstance(value, str):
        raise ConfigError(f"{name} is {value!r}", where=where, expected="text in quotes")
    known = setting.choices or (formats.names() if name == "format" else None)
    if known is not None and value not in known:
        raise ConfigError(f"{name} is {value!r}", where=where, fix=did_you_mean(value, known))
    return value


def over(settings: Settings, own: TagSettings) -> TagSettings:
    """The settings of a tagger with those of a cell put in.

    Args:
        settings: of a cell, `open-bias` a number.
        own: what suits its LLM.

    Raises:
        ConfigError: when a value is none that the setting can have.
    """
    chosen = put(own, {KEYS[name].key: value for name, value in settings.items() if KEYS[name].at})
    # Whether examples resemble their text is told of a run on notes; here the score says it.
    return replace(chosen, examples=replace(chosen.examples, resembles=0.0))


Unit = Literal["document", "sentence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Annotated documents, or for examples the folder of a pool.

    Attributes:
        format: as for `clinspan tag --from`; None: as recognised.
        lenient: a wrong annotation is left out; else it is an error.
    """

    path: Path
    format: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    lenient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LLMPlan:
    """An LLM that the plan names.

    Attributes:
        options: the LLM's settings, see `llms.spec`.
    """

    spec: str
    adapter: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured.

    Attributes:
        seed: of the subset, of the sentences that a bias is chosen on, and of the bootstrap.
        gold: what is tagged and scored.
        unit: what is tagged as a document.
        limit: so many of them, drawn by the seed; None for all.
        pool: of examples; None for none.
        teach: whether the pool teaches the dictionary which of its terms are meant.
        opening: sentences with mentions that `open-bias = "auto"` is chosen on.
        llms: those that have a section, by name; a cell may also give a spec.
        fixed: settings of all cells.
        axes: the values of each setting that varies.
    """

    title: str
    seed: int
    gold: Source
    labels: str
    unit: Unit = "document"
    limit: int | None = None
    pool: Source | None = None
    teach: bool = False
    opening: int = 12
    llms: Mapping[str, LLMPlan] = field(default_factory=dict)
    fixed: Settings = field(default_factory=dict)
    axes: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    text: str = ""

    @property
    def checksum(self) -> str:
        """The file's SHA-256, 12 digits."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()[:12]

    def llm(self, name: str) -> LLMPlan:
        """The LLM of a cell."""
        return self.llms.get(name) or LLMPlan(spec=name)


_DRAWN = frozenset({Strategy.RANDOM, Strategy.RANDOM_ONCE})
_EXAMPLES = (*(key for key in KEYS if key.startswith(("select-", "examples-"))), "k")
_FACTS = ("facts-from", "facts-budget")
_CONSTRAINT = ("candidates", "candidate-bias", "open-bias")


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination.

    Attributes:
        name: of what varies, as reports show it.
        settings: those that have an effect, fixed ones among them.
    """

    name: str
    settings: Settings

    def file(self, plan: Plan) -> str:
        """The name of its file: of what varies, and a hash of all that its figures depend on.

        So a plan can be given more cells, and those that it had keep their files.
        """
        plain = "".join(c if c.isalnum() or c in "=.-" else "_" for c in self.name)[:80]
        return f"{plain}.{digest((sorted(self.settings.items()), plan.llm(str(self.settings['llm']))))[:8]}.jsonl"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A combination that is not run, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a plan in its order, and the combinations that are none."""

    cells: tuple[Cell, ...]
    skipped: tuple[Skipped, ...]


def grid(plan: Plan) -> Grid:
    """All combinations of a plan; what is fixed alone is one cell.

    Raises:
        ConfigError: when a cell chooses from a pool and the plan has none.
    """
    cells: dict[frozenset[tuple[str, Value]], Cell] = {}
    skipped: list[Skipped] = []
    for values in product(*plan.axes.values()):
        varied = dict(zip(plan.axes, values, strict=True))
        settings = {"llm": "embedded", "format": "tanl", **plan.fixed, **varied}
        name = name_of(varied)
        if contradiction := _contradiction(settings):
            skipped.append(Skipped(name, contradiction))
            continue
        idle = _without_effect(settings, plan)
        effective = {key: value for key, value in settings.items() if key not in idle}
        same = cells.get(frozenset(effective.items()))
        if plan.pool is None and Strategy(str(effective.get("select", Strategy.FIXED.value))).draws_on_pool:
            raise ConfigError(
                f"the cell {name!r} chooses its examples from a pool, and the plan has none",
                fix="Name one: [pool] with `examples`, a pool's folder or annotated documents.",
            )
        if same is None:
            kept = {key: value for key, value in varied.items() if key in effective}
            cells[frozenset(effective.items())] = Cell(name_of(kept), effective)
            continue
        reasons = dict.fromkeys(f"{key} has no effect {idle[key]}" for key in varied if key in idle)
        skipped.append(Skipped(name, f"{'; '.join(reasons)}: it is the cell {same.name!r}"))
    return Grid(tuple(cells.values()), tuple(skipped))


def name_of(varied: Settings) -> str:
    """As `tanl, knn k=4, facts types`."""
    parts = []
    for key in sorted(varied, key=list(KEYS).index):
        value = varied[key]
        match key:
            case "format" | "llm":
                parts.append(f"{value}")
            case "select":
                parts.append({"none": "no examples", "fixed": "fixed examples"}.get(str(value), f"{value}"))
            case "k":
                # With how the examples are chosen, which stands before it.
                parts[-1:] = [f"{parts[-1]} k={value}"] if "select" in varied else [*parts[-1:], f"k={value}"]
            case "facts":
                parts.append("no facts" if value == "none" else f"facts {value}")
            case "examples-by":
                parts.append(f"by {value}")
            case "select-seed":
                parts.append(f"seed {value}")
            case _:
                parts.append(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}")
    return ", ".join(parts) or "the one cell"


def _contradiction(settings: Settings) -> str | None:
    facts = settings.get("facts")
    if facts == FactsMode.LABELS and settings.get("facts-from", "scan") != "scan":
        return "facts that tell labels come from the dictionary's scan of the text, not from a list by the LLM"
    told = facts not in (None, FactsMode.NONE, FactsMode.LABELS)
    if told and settings.get("dictionary") == "none" and settings["llm"] != "none":
        return "facts come from a dictionary, and there is none"
    return None


def _without_effect(settings: Settings, plan: Plan) -> Mapping[str, str]:
    """The settings that change nothing beside the others, each with the reason."""
    return dict(reversed(list(_idle(settings, plan))))


def _idle(settings: Settings, plan: Plan) -> Iterator[tuple[str, str]]:
    """The first reason for a setting is the one that counts."""
    if plan.llm(str(settings["llm"])).spec == "none":
        lasting = ("llm", "dictionary", "calibration", "encoder")
        yield from ((key, "without an LLM") for key in KEYS if key not in lasting)
        return
    if "select" in settings:
        yield from _idle_of_examples(Strategy(str(settings["select"])), settings)
    if settings.get("facts") == FactsMode.NONE:
        yield from ((key, "without facts") for key in _FACTS)
    if not by_name(str(settings["format"])).repeats_text:
        yield from ((key, f"on {settings['format']}, which is no copy of the text") for key in _CONSTRAINT)
    if settings.get("candidates") == "off":
        yield "candidate-bias", "without candidates"


def _idle_of_examples(strategy: Strategy, settings: Settings) -> Iterator[tuple[str, str]]:
    if strategy is Strategy.NONE:
        yield from ((key, "without examples") for key in _EXAMPLES)
    elif strategy is Strategy.FIXED:
        kept = ("k", "examples-tokens", "examples-as")
        yield from ((key, "on the label set's own examples") for key in _EXAMPLES if key not in kept)
    elif strategy in _DRAWN:
        yield "examples-by", "on examples drawn by lot"
    elif settings.get("examples-order") != Order.SHUFFLED:
        yield "select-seed", f"on {strategy.value}, which draws no lots"
    if strategy is not Strategy.ENTITY:
        yield "select-mentions", "but on entity"
    if strategy is not Strategy.DIVERSE:
        yield "select-relevance", "but on diverse"
