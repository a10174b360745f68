"""The cells of a plan: every combination of what varies, but those that say nothing new or contradict themselves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from clinspan.ablation.plan import Plan
from clinspan.ablation.settings import KEYS, Settings, Value
from clinspan.dictionary.facts import FactsMode
from clinspan.errors import ConfigError
from clinspan.examples.selection import Order, Strategy
from clinspan.formats.catalogue import by_name
from clinspan.runs.folder import digest

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
        return "facts that are labels are the dictionary's own, and not those of a list that the LLM makes"
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
        lasting = ("llm", "dictionary", "calibration")
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
