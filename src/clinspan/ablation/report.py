"""The report on an ablation: a page and the same tables as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from clinspan.ablation.corpus import Corpus
from clinspan.ablation.plan import Plan
from clinspan.ablation.results import RESAMPLES, Results
from clinspan.ablation.tables import Table
from clinspan.errors import OutputError

MARKDOWN = "report.md"


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


def write_markdown(folder: Path, report: Report) -> Path:
    """Writes the report as Markdown.

    Raises:
        OutputError: when it cannot be written.
    """
    path = folder / MARKDOWN
    about = [f"- {name}: {value}" for name, value in report.about.items()]
    told = [f"# {report.title}", "", *about, "", *(table.markdown() for table in report.tables)]
    try:
        path.write_text("\n".join([*told, f"Signature: `{report.signature}`", ""]), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"the report cannot be written: {error.strerror}", where=str(path)) from error
    return path
