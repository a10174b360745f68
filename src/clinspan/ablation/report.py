"""The report on an ablation: a page and the same tables as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from importlib.metadata import version
from pathlib import Path

from markupsafe import Markup

from clinspan.ablation import plots
from clinspan.ablation.corpus import Corpus
from clinspan.ablation.folder import MARKDOWN, PAGE
from clinspan.ablation.plan import Plan
from clinspan.ablation.results import RESAMPLES, CellResult, Results
from clinspan.ablation.tables import PER, Table, cost_of, per
from clinspan.files import whole_file
from clinspan.runs.budget import Price
from clinspan.view.page import asset, digest, sound, templates

_TEMPLATES = templates("ablation")


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says.

    Attributes:
        title: heads it.
        about: what was measured, by name.
        signature: what the figures must be quoted with.
        tables: in order.
    """

    title: str
    about: Mapping[str, str]
    signature: str
    tables: Sequence[Table]


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
