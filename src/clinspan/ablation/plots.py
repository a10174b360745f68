"""The plots of a report, as places and lengths that a template draws as SVG."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10

from clinspan.ablation.plan import Settings, name_of
from clinspan.ablation.results import SEED, CellResult, Results
from clinspan.evaluation.match import Rule

WIDTH, HEIGHT = 440, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 20, 14, 44
"""Margins around the plot, in its own units."""
SHADES = 8
_ROW = 34
_APART = 7
_NUMBERED = 20
"""Dots that may have numbers; more of them would hide each other."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A value of an axis, where it is and how it is written."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A figure with its interval; `low` and `high` are below and above `y` on the page."""

    x: float
    y: float
    low: float
    high: float
    text: str
    shade: int
    number: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """The dots of one kind, joined."""

    name: str
    shade: int
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """F1 over something.

    Attributes:
        across: what the horizontal axis says.
        legend: what shades mean.
    """

    title: str
    across: str
    ups: tuple[Tick, ...]
    acrosses: tuple[Tick, ...]
    lines: tuple[Line, ...] = ()
    dots: tuple[Dot, ...] = ()
    legend: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart; lengths are shares of its width."""

    name: str
    y: int
    value: float
    low: float
    high: float
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """F1 of one label in every cell."""

    label: str
    height: int
    bars: tuple[Bar, ...]


def by_label(results: Results) -> Iterator[Bars]:
    """A chart for each label."""
    for label in results.labels:
        bars = []
        for number, one in enumerate(results.cells):
            f1 = one.scores[Rule.STRICT].by_label[label].f1
            sure = one.intervals[Rule.STRICT].by_label[label].f1
            text = f"{f1:.3f} ({sure.low:.3f} to {sure.high:.3f})"
            bars.append(Bar(one.cell.name, number * _ROW, f1, sure.low, sure.high, text))
        yield Bars(label, len(bars) * _ROW, tuple(bars))


def over_k(results: Results) -> Iterator[Plot]:
    """F1 against the number of examples, a plot for all that is alike but how they are chosen."""
    panels: dict[str, dict[str, dict[int, list[int]]]] = {}
    varied = _varied(results)
    for number, one in enumerate(results.cells):
        settings = one.cell.settings
        chosen = str(settings.get("select", ""))
        if chosen not in ("", "none") and "k" not in settings:
            continue
        kept = {key: value for key, value in settings.items() if key in varied - {"select", "k", SEED}}
        # Nothing retrieves random examples, and they stand beside all that are retrieved.
        alike = name_of({key: value for key, value in kept.items() if key != "examples-by"})
        line = name_of({"select": chosen, **({"examples-by": kept["examples-by"]} if "examples-by" in kept else {})})
        k = int(settings["k"]) if chosen not in ("", "none") else 0
        panels.setdefault(alike, {}).setdefault(line, {}).setdefault(k, []).append(number)
    for title, lines in panels.items():
        ks = sorted({k for cells in lines.values() for k in cells})
        if len([k for k in ks if k]) > 1:
            yield _over_k(results, title if len(panels) > 1 else "", lines, ks)


def _over_k(results: Results, title: str, lines: Mapping[str, Mapping[int, Sequence[int]]], ks: Sequence[int]) -> Plot:
    inner = WIDTH - LEFT - RIGHT
    at = {k: LEFT + inner * (number + 0.5) / len(ks) for number, k in enumerate(ks)}
    found = {
        (name, k): results.contrast({cell: 1 / len(cells) for cell in cells})
        for name, by_k in lines.items()
        for k, cells in by_k.items()
    }
    up, ups = _up(max((one.interval.high for one in found.values()), default=1.0))
    drawn = []
    for shade, (name, by_k) in enumerate(lines.items()):
        # Side by side, so that each interval is seen.
        aside = (shade - (len(lines) - 1) / 2) * _APART
        dots = []
        for k in sorted(by_k):
            one = found[name, k]
            low, high = one.interval.low, one.interval.high
            text = f"{name}, k={k}: {one.value:.3f} ({low:.3f} to {high:.3f})"
            dots.append(Dot(at[k] + aside, up(one.value), up(low), up(high), text, shade % SHADES))
        drawn.append(Line(name, shade % SHADES, tuple(dots)))
    legend = tuple((line.name, line.shade) for line in drawn)
    return Plot(title, "examples (k)", ups, tuple(Tick(at[k], f"{k}") for k in ks), lines=tuple(drawn), legend=legend)


def against(results: Results, across: str, cost: Callable[[CellResult], float | None]) -> Plot | None:
    """F1 of every cell against what it costs; None where that is not known of any.

    Args:
        across: what the cost is.
        cost: of a cell; None where it is not known.
    """
    known = [(number, one, value) for number, one in enumerate(results.cells) if (value := cost(one)) is not None]
    if not known:
        return None
    most = max(value for _, _, value in known) or 1.0
    kinds = list(dict.fromkeys(_kind(one.cell.settings) for _, one, _ in known))
    up, ups = _up(max(one.intervals[Rule.STRICT].micro.f1.high for _, one, _ in known))
    right, acrosses = _across(most)
    dots = []
    for number, one, value in known:
        sure = one.intervals[Rule.STRICT].micro.f1
        text = f"{one.cell.name}: {one.f1:.3f} ({sure.low:.3f} to {sure.high:.3f}), {value:,.6g}"
        shade = kinds.index(_kind(one.cell.settings)) % SHADES
        dots.append(
            Dot(
                right(value),
                up(one.f1),
                up(sure.low),
                up(sure.high),
                text,
                shade,
                f"{number + 1}" if len(known) <= _NUMBERED else "",
            )
        )
    legend = tuple((kind, number % SHADES) for number, kind in enumerate(kinds))
    return Plot("", across, ups, acrosses, dots=tuple(dots), legend=legend)


def _kind(settings: Settings) -> str:
    """What colours tell apart: how examples are chosen."""
    return name_of({"select": settings["select"]}) if "select" in settings else "as the LLM's default"


def _varied(results: Results) -> set[str]:
    keys = {key for one in results.cells for key in one.cell.settings}
    return {key for key in keys if len({one.cell.settings.get(key) for one in results.cells}) > 1}


def _up(most: float) -> tuple[Callable[[float], float], tuple[Tick, ...]]:
    """The vertical scale from 0 to what is needed, at most 1."""
    step = 0.2 if most > 0.5 else 0.1 if most > 0.2 else 0.05
    top = min(1.0, step * max(1, floor(most / step - 1e-9) + 1))

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top

    return up, tuple(Tick(up(n * step), f"{n * step:.2f}") for n in range(round(top / step) + 1))


def _across(most: float) -> tuple[Callable[[float], float], tuple[Tick, ...]]:
    """The horizontal scale from 0 on, in round steps."""
    size: float = 10.0 ** floor(log10(most))
    step = next(size * part for part in (0.2, 0.5, 1, 2, 5) if most / (size * part) <= 5)
    top = step * (floor(most / step - 1e-9) + 1)

    def right(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / top

    return right, tuple(Tick(right(n * step), _short(n * step)) for n in range(round(top / step) + 1))


def _short(value: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{sign}"
    return f"{value:g}"
