"""`clinspan evaluate`: scores of predicted entities against gold."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clinspan.corpora import catalogue
from clinspan.corpora.recognise import Sign
from clinspan.document import Document
from clinspan.errors import ConfigError, InputError
from clinspan.evaluation import Figures, Rule, Score, difference, intervals, score
from clinspan.evaluation.significance import Difference, Interval, Intervals

_FORMAT_HELP = f"One of {', '.join(catalogue.FORMATS)}; told from the file when not given."


def evaluate(
    gold: Annotated[Path, typer.Argument(help="The right entities: a file, or a folder of files in one format.")],
    pred: Annotated[Path, typer.Argument(help="A system's entities in the same documents.")],
    rule: Annotated[Rule, typer.Option(help="When an entity is right.")] = Rule.STRICT,
    labels: Annotated[
        list[str] | None, typer.Option("--label", help="Score this label alone; may be repeated.")
    ] = None,
    renamed: Annotated[
        list[str] | None, typer.Option("--map", help="Rename a label on both sides, as FROM=TO; may be repeated.")
    ] = None,
    gold_from: Annotated[str | None, typer.Option(help=_FORMAT_HELP)] = None,
    pred_from: Annotated[str | None, typer.Option(help=_FORMAT_HELP)] = None,
    versus: Annotated[Path | None, typer.Option(help="A second system's entities, to compare with PRED.")] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Report faulty documents and go on.")] = False,
    resamples: Annotated[int, typer.Option(min=1, help="Draws of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Scores entities: precision, recall and F1 with 95 % intervals, for each label and over all.

    Example: `clinspan evaluate gold.jsonl entities.jsonl --rule relaxed`
    """
    names = renamings(renamed or ())
    problems: list[InputError] = []
    right = _documents(gold, gold_from, names, lenient, problems)
    first = score(
        right, _documents(pred, pred_from, names, lenient, problems), rule=rule, labels=labels or None, lenient=lenient
    )
    compared = None
    if versus is not None:
        other = _documents(versus, pred_from, names, lenient, problems)
        second = score(right, other, rule=rule, labels=first.labels, lenient=lenient)
        problems.extend(second.problems)
        compared = difference(second, first, resamples=resamples, seed=seed)
    problems.extend(first.problems)
    console = Console(stderr=True, highlight=False)
    for problem in problems:
        console.print("[yellow]passed over:[/]", escape(str(problem)), soft_wrap=True)
    micro, rows = intervals(first, resamples=resamples, seed=seed)
    signature = f"clinspan:{version('clinspan')}|{first.signature}|resamples:{resamples}|seed:{seed}" + (
        f"|passed-over:{len(problems)}" if problems else ""
    )
    if as_json:
        typer.echo(json.dumps(_as_json(first, micro, rows, compared, signature), ensure_ascii=False, indent=2))
    else:
        _show(first, micro, rows, compared, signature)


def renamings(given: Sequence[str]) -> dict[str, str]:
    """Labels and their new names, from `FROM=TO`.

    Raises:
        ConfigError: when one is not that.
    """
    names: dict[str, str] = {}
    for item in given:
        old, equals, new = item.partition("=")
        if not (old and equals and new):
            raise ConfigError(f"{item!r} renames no label", where="--map", expected="FROM=TO")
        names[old] = new
    return names


def say_recognised(path: Path, sign: Sign) -> None:
    """Says on standard error what an input was recognised as."""
    typer.echo(f"{path}: read as {sign}", err=True)


def _documents(
    path: Path, format: str | None, names: dict[str, str], lenient: bool, problems: list[InputError]
) -> list[Document]:
    documents: list[Document] = []
    for result in catalogue.read(path, format=format, labels=names, lenient=lenient, told=say_recognised):
        if isinstance(result, Document):
            documents.append(result)
        elif lenient:
            problems.append(result)
        else:
            raise InputError(
                result.what, where=result.where, expected=result.expected, fix=result.fix or "Or go on with --lenient."
            )
    return documents


def _show(
    result: Score, micro: Intervals, rows: dict[str, Intervals], compared: Difference | None, signature: str
) -> None:
    table = Table("label", "precision", "recall", "F1 (95 %)", "gold", "predicted", "found")
    for label, figures in result.by_label.items():
        table.add_row(escape(label), *_cells(figures, rows[label].f1))
    table.add_section()
    table.add_row("micro", *_cells(result.micro, micro.f1))
    table.add_row("macro", "", "", f"{result.macro_f1:.3f}", "", "", "")
    console = Console()
    console.print(table)
    if compared is not None:
        low, high = compared.interval.low, compared.interval.high
        console.print(f"F1 against the other: {compared.f1:+.3f} ({low:+.3f} to {high:+.3f}), p = {compared.p:.3g}")
    typer.echo(signature)


def _cells(figures: Figures, sure: Interval) -> list[str]:
    # Intervals of precision and recall are in the JSON; a table with all of them does not fit a terminal.
    return [
        f"{figures.precision:.3f}",
        f"{figures.recall:.3f}",
        f"{figures.f1:.3f} ({sure.low:.3f}-{sure.high:.3f})",
        str(figures.gold),
        str(figures.predicted),
        str(figures.found),
    ]


def _as_json(
    result: Score, micro: Intervals, rows: dict[str, Intervals], compared: Difference | None, signature: str
) -> dict[str, object]:
    data: dict[str, object] = {
        "micro": _row(result.micro, micro),
        "macro_f1": result.macro_f1,
        "labels": {label: _row(figures, rows[label]) for label, figures in result.by_label.items()},
        "signature": signature,
    }
    if compared is not None:
        low, high = compared.interval.low, compared.interval.high
        data["difference"] = {"f1": compared.f1, "interval": [low, high], "p": compared.p}
    return data


def _row(figures: Figures, sure: Intervals) -> dict[str, object]:
    return {
        "precision": figures.precision,
        "precision_interval": [sure.precision.low, sure.precision.high],
        "recall": figures.recall,
        "recall_interval": [sure.recall.low, sure.recall.high],
        "f1": figures.f1,
        "f1_interval": [sure.f1.low, sure.f1.high],
        "gold": figures.gold,
        "predicted": figures.predicted,
        "found": figures.found,
    }
