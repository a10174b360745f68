"""The report on an ablation: its tables, on a page with plots and as Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from importlib.metadata import version
from pathlib import Path

from markupsafe import Markup

from clinspan.ablation import plots
from clinspan.ablation.folder import MARKDOWN, PAGE
from clinspan.ablation.plan import Grid, Plan
from clinspan.ablation.plan_file import Corpus
from clinspan.ablation.results import RESAMPLES, CellResult, Contrast, Contributions, Results
from clinspan.document import READ_STATES, WindowState
from clinspan.evaluation.match import Rule
from clinspan.evaluation.score import Interval
from clinspan.files import whole_file
from clinspan.runs.answers import TokenCounts
from clinspan.runs.ledger import Price, price_of
from clinspan.tagging.read import Times
from clinspan.view import asset, digest, sound, templates

PER = 1000
"""Documents that costs are given for."""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """Rows of text under a heading.

    Attributes:
        note: what a reader must know to read it; may be empty.
        columns: their headings; those of numbers are set to the right.
        numbers: the columns that are numbers.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"{self.title}: a row does not have {len(self.columns)} columns")

    def markdown(self) -> str:
        """As Markdown, the heading of second degree."""
        rule = ["---:" if number in self.numbers else "---" for number in range(len(self.columns))]
        lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in self.rows]
        head = [f"| {' | '.join(self.columns)} |", f"| {' | '.join(rule)} |"]
        said = [self.note, ""] if self.note else []
        return "\n".join([f"## {self.title}", "", *said, *head, *lines, ""])


def tables(
    plan: Plan, grid: Grid, results: Results, failed: Mapping[str, str], prices: Mapping[str, Price]
) -> Iterator[ReportTable]:
    """All tables that have a row, in the order of the report."""
    for table in (
        _scores(results),
        *_contributions(Contributions(results, plan.axes)),
        _labels(results),
        _tokens(results, plan, prices),
        _seconds(results, plan),
        _states(results),
        _left_out(grid, results, failed),
    ):
        if table.rows:
            yield table


def point(value: float) -> str:
    """A figure between 0 and 1, as `.765`."""
    return f"{value:.3f}".removeprefix("0")


def signed(value: float) -> str:
    """A difference, as `+.012`."""
    return f"{value:+.3f}".replace("0.", ".", 1)


def between(one: Interval) -> str:
    """An interval of figures."""
    return f"{point(one.low)} to {point(one.high)}"


def _from_to(one: Interval) -> str:
    return f"{signed(one.low)} to {signed(one.high)}"


def _table(title: str, note: str, columns: str, rows: Iterable[tuple[str, ...]], words: int = 1) -> ReportTable:
    """A table whose first columns are words and the others numbers; headings parted by `; `."""
    names = tuple(columns.split("; "))
    return ReportTable(title, note, names, tuple(rows), frozenset(range(words, len(names))))


def _scores(results: Results) -> ReportTable:
    rows = []
    for one in results.cells:
        strict, relaxed = one.scores[Rule.STRICT].micro, one.scores[Rule.RELAXED].micro
        rows.append(
            (
                one.cell.name,
                point(strict.precision),
                point(strict.recall),
                point(strict.f1),
                between(one.intervals[Rule.STRICT].micro.f1),
                point(relaxed.f1),
                between(one.intervals[Rule.RELAXED].micro.f1),
            )
        )
    note = (
        f"{_counted(results)} Micro-averaged; relaxed counts every overlap of one label. Intervals are 95 %, "
        f"bootstrap over whole documents."
    )
    return _table("Scores", note, "cell; P; R; F1; 95 %; relaxed F1; 95 %", rows)


def _counted(results: Results) -> str:
    gold = results.cells[0].scores[Rule.STRICT].micro.gold if results.cells else 0
    of = f" of {results.wanted}" if results.documents < results.wanted else ""
    documents = f"{len(results.groups)} documents"
    if len(results.groups) < results.documents:
        documents = f"{results.documents}{of} sentences of {documents}"
    elif of:
        documents = f"{results.documents}{of} documents"
    return f"{documents}, {gold} gold mentions."


def _contributions(found: Contributions) -> Iterator[ReportTable]:
    gains = [
        (
            one.name,
            ", ".join(one.factors),
            one.against,
            *_contrast(one.gain),
            *((signed(one.interaction.value), _from_to(one.interaction.interval)) if one.interaction else ("", "")),
        )
        for one in found.gains()
    ]
    note = (
        "Strict F1 of each cell less that of the plainest one: the plan's first format, no examples, no facts. "
        "Interaction: what the parts bring together beyond the sum of what each brings alone. "
        "Paired bootstrap; p is not corrected for the number of comparisons."
    )
    columns = "cell; differs in; against; gain; 95 %; p; interaction; 95 %"
    yield _table("What prompt, examples and knowledge bring", note, columns, gains, words=3)
    effects = [
        (one.factor, one.level, one.against, f"{one.pairs}", *_contrast(one.effect)) for one in found.main_effects()
    ]
    note = "The mean gain of a level over all pairs of cells that differ in it alone."
    yield _table("Main effects", note, "factor; level; against; pairs; mean gain; 95 %; p", effects, words=3)
    chosen = [(one.name, one.against, *_contrast(one.gain)) for one in found.choosing()]
    note = "Against as many examples drawn by lot, then against as many of the nearest sentences, all else alike."
    yield _table("Ways to choose examples", note, "cell; against; gain; 95 %; p", chosen, words=2)


def _contrast(one: Contrast) -> tuple[str, str, str]:
    return signed(one.value), _from_to(one.interval), point(one.p)


def _labels(results: Results) -> ReportTable:
    """Of one label it would say what the scores do."""
    rows = [
        (one.cell.name, label, *(point(x) for x in (row.precision, row.recall, row.f1)), between(sure.f1))
        for one in results.cells
        for label, row in one.scores[Rule.STRICT].by_label.items()
        for sure in [one.intervals[Rule.STRICT].by_label[label]]
        if len(results.labels) > 1
    ]
    return _table("By label, strict", "", "cell; label; P; R; F1; 95 %", rows, words=2)


def _tokens(results: Results, plan: Plan, prices: Mapping[str, Price]) -> ReportTable:
    rows = []
    for one in results.cells:
        asked = one.asked
        each = [per(number, one) for number in (asked.requests, asked.prompt, asked.cached, asked.completion)]
        rows.append((one.cell.name, *(f"{number:,.0f}" for number in each), _money(one, prices)))
    note = (
        "What the LLM counted, for a cell by itself: answers that another cell had paid for already are counted, too. "
        "Of the tokens in, those evaluated before are the part that a prefix cache saved."
    )
    if not prices:
        note += " Prices were not given (`--prices`)."
    columns = "cell; requests; tokens in; evaluated before; tokens out; cost"
    return _table(f"Tokens and money per {PER:,} {plan.unit}s", note, columns, rows)


def cost_of(one: CellResult, prices: Mapping[str, Price]) -> float | None:
    """What 1,000 documents cost; None where the price is not known."""
    price = price_of(prices, one.model)
    if price is None:
        return None
    return per(price.of(TokenCounts(one.asked.prompt, one.asked.completion, one.asked.cached)), one)


def _money(one: CellResult, prices: Mapping[str, Price]) -> str:
    price, cost = price_of(prices, one.model), cost_of(one, prices)
    return "" if price is None or cost is None else price.show(cost)


def per(total: float, one: CellResult) -> float:
    """A cell's total, for 1,000 documents."""
    return total * PER / one.documents


def _seconds(results: Results, plan: Plan) -> ReportTable:
    stages = [stage.name for stage in fields(Times)]
    rows = [
        (
            one.cell.name,
            *(f"{per(getattr(one.times, stage), one):,.2f}" for stage in stages),
            f"{per(one.clock, one):,.1f}",
            f"{one.asked.known / one.asked.requests:.0%}" if one.asked.requests else "",
        )
        for one in results.cells
    ]
    note = (
        "By the clock. LLM is the sum over requests, as long as each took when it was made: where several are under "
        "way at once it is more than passed. Elapsed is from the first document to the last as it was run; where "
        "answers were known (last column) it is less than a run from nothing takes."
    )
    named = "; ".join("LLM" if stage == "llm" else stage for stage in stages)
    return _table(f"Seconds per {PER:,} {plan.unit}s", note, f"cell; {named}; elapsed; known", rows)


def _states(results: Results) -> ReportTable:
    states = [state for state in WindowState if any(one.states.get(state) for one in results.cells)]
    rows = [
        (
            one.cell.name,
            *(f"{one.states.get(state, 0):,}" for state in states),
            f"{sum(number for state, number in one.states.items() if state not in READ_STATES):,}",
        )
        for one in results.cells
    ]
    note = "How the windows ended; `ok` and `empty` were read. What was not read counts as nothing found."
    return _table("Windows by state", note, "; ".join(["cell", *states, "not read"]), rows)


def _left_out(grid: Grid, results: Results, failed: Mapping[str, str]) -> ReportTable:
    rows = [(name, "failed", reason) for name, reason in failed.items()]
    rows += [(one.name, "not measured yet", "") for one in results.unmeasured if one.name not in failed]
    rows += [(one.name, "no cell", one.reason) for one in grid.skipped]
    return _table("Cells without figures", "", "cell; what; why", rows, words=3)


_TEMPLATES = templates("ablation")


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says.

    Attributes:
        signature: what the figures must be quoted with.
    """

    title: str
    about: Mapping[str, str]
    signature: str
    tables: Sequence[ReportTable]


def signature(plan: Plan, corpus: Corpus, results: Results) -> str:
    """All that the figures depend on: versions, plan, corpus, draws."""
    models = ",".join(dict.fromkeys(one.model or "none" for one in results.cells))
    return "|".join(
        [
            f"clinspan:{version('clinspan')}",
            f"numpy:{version('numpy')}",
            f"plan:{plan.checksum}",
            f"corpus:{corpus.checksum[:12]}",
            f"{plan.unit}s:{results.documents} of {corpus.of}",
            f"labels:{','.join(results.labels)}",
            f"models:{models}",
            f"level:0.95|resamples:{RESAMPLES}|seed:{plan.seed}",
        ]
    )


def write_report(
    folder: Path, report: Report, results: Results, *, plan: Plan, prices: Mapping[str, Price]
) -> tuple[Path, Path]:
    """Writes the page, which asks the network for nothing, and the same tables as Markdown.

    Returns:
        The two files.

    Raises:
        OutputError: when one cannot be written.
    """
    page, text = folder / PAGE, folder / MARKDOWN
    for path, told in ((page, _page(report, results, plan, prices)), (text, _markdown(report))):
        with whole_file(path) as file:
            file.write(told)
    return page, text


def _page(report: Report, results: Results, plan: Plan, prices: Mapping[str, Price]) -> str:
    style = asset("view", "report.css") + asset("ablation", "report.css")
    html = _TEMPLATES.get_template("report.html.jinja").render(
        report=report,
        plan=plan.text,
        style=Markup(style),
        style_hash=digest(style),
        box={
            "width": plots.WIDTH,
            "height": plots.HEIGHT,
            "left": plots.LEFT,
            "right": plots.RIGHT,
            "bottom": plots.BOTTOM,
        },
        bars=list(plots.by_label(results)),
        over_k=list(plots.over_k(results)),
        costs=list(_costs(results, plan, prices)),
    )
    return sound(html)


def _costs(results: Results, plan: Plan, prices: Mapping[str, Price]) -> Iterator[plots.Plot]:
    def tokens(one: CellResult) -> float:
        return per(one.asked.prompt + one.asked.completion, one)

    def seconds(one: CellResult) -> float:
        return per(sum(astuple(one.times)), one)

    unit = f"per {PER:,} {plan.unit}s"
    money = next((price.currency for price in prices.values()), "") or "money"
    for across, cost in (
        (f"tokens in and out {unit}", tokens),
        (f"seconds of all stages {unit}", seconds),
        (f"{money} {unit}", lambda one: cost_of(one, prices)),
    ):
        found = plots.against(results, across, cost)
        if found is not None:
            yield found


def _markdown(report: Report) -> str:
    about = [f"- {name}: {value}" for name, value in report.about.items()]
    told = [f"# {report.title}", "", *about, "", *(table.markdown() for table in report.tables)]
    return "\n".join([*told, f"Signature: `{report.signature}`", ""])
