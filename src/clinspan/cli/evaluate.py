"""`clinspan evaluate`: scores of predicted entities against gold."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clinspan.corpora import catalogue
from clinspan.corpora.catalogue import Sign
from clinspan.corpora.gold import Naming, alike, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.document import Document
from clinspan.errors import ClinspanError, ConfigError, InputError, LabelError, did_you_mean
from clinspan.evaluation import (
    Breakdown,
    Confidence,
    Difference,
    Figures,
    Interval,
    Intervals,
    Mistake,
    Rule,
    Score,
    ScoreIntervals,
    all_intervals,
    break_down,
    confidence,
    difference,
    pair,
    tally,
)
from clinspan.evaluation.breakdown import AttributeScore, LinkScore, attribute_scores, link_score

_WIDEST = 76
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found.

    Attributes:
        rule: the one whose figures are shown by label.
        scores: under this and the other rules.
        intervals: of each score.
        passed_over: the problems by where they arose: gold, prediction, versus, comparison.
    """

    rule: Rule
    scores: Mapping[Rule, Score]
    intervals: Mapping[Rule, ScoreIntervals]
    errors: Breakdown
    confidence: Confidence | None
    compared: Difference | None
    passed_over: Mapping[str, Sequence[ClinspanError]]
    signature: str
    attributes: Sequence[AttributeScore] = ()
    linking: LinkScore | None = None


def _as_json(found: Findings) -> dict[str, object]:
    """The findings as JSON; the figures of the chosen rule stand at the top, those of every rule under `rules`."""
    rules = {rule.value: _score(score, found.intervals[rule]) for rule, score in found.scores.items()}
    data: dict[str, object] = {**rules[found.rule.value], "rule": found.rule.value, "signature": found.signature}
    data["rules"] = rules
    data["errors"] = {
        "counts": dict(found.errors.counts),
        "labels": {label: dict(counts) for label, counts in found.errors.by_label.items()},
        "examples": [_mistake(one) for one in found.errors.examples],
    }
    if found.attributes:
        data["attributes"] = {one.name: _attribute(one) for one in found.attributes}
    if found.linking is not None:
        codes = found.linking
        rates = {"accuracy": codes.accuracy, "precision": codes.precision, "f1": codes.f1}
        data["linking"] = {**asdict(codes), **rates}
    sure = found.confidence
    if sure is not None:
        data["calibration"] = {
            "expected_calibration_error": sure.error,
            "interval": [sure.interval.low, sure.interval.high],
            "scored": sure.scored,
            "unscored": sure.unscored,
            "bins": [asdict(one) for one in sure.bins],
        }
    if found.compared is not None:
        low, high = found.compared.interval.low, found.compared.interval.high
        data["difference"] = {"f1": found.compared.f1, "interval": [low, high], "p": found.compared.p}
    problems = [(side, problem) for side, some in found.passed_over.items() for problem in some]
    if problems:
        data["passed_over"] = {
            "counts": dict(Counter(side for side, _ in problems)),
            "problems": [{"in": side, "problem": str(problem)} for side, problem in problems],
        }
    return data


def _attribute(one: AttributeScore) -> dict[str, object]:
    return {
        "accuracy": one.accuracy,
        "matched": one.matched,
        "together_f1": one.together_f1,
        "values": {value: one.f1(value) for value in one.values},
        "confusion": [
            {"gold": gold, "predicted": mine, "count": count} for (gold, mine), count in sorted(one.confusion.items())
        ],
    }


def _score(score: Score, sure: ScoreIntervals) -> dict[str, object]:
    return {
        "micro": _row(score.micro, sure.micro),
        "macro": _row(score.macro, sure.macro),
        "macro_f1": score.macro_f1,
        "labels": {label: _row(figures, sure.by_label[label]) for label, figures in score.by_label.items()},
    }


def _row(figures: Figures, sure: Intervals) -> dict[str, object]:
    row: dict[str, object] = {}
    for name in ("precision", "recall", "f1"):
        between: Interval = getattr(sure, name)
        row |= {name: getattr(figures, name), f"{name}_interval": [between.low, between.high]}
    return row | {name: getattr(figures, name) for name in ("gold", "predicted", "found")}


def _mistake(one: Mistake) -> dict[str, object]:
    return {
        "kind": one.kind.value,
        "document": one.document,
        "gold": one.gold.to_dict() if one.gold else None,
        "predicted": one.predicted.to_dict() if one.predicted else None,
        "before": one.before,
        "text": one.text,
        "after": one.after,
    }


def _show(found: Findings) -> None:
    """The findings on standard output, the signature last."""
    console = Console(highlight=False)
    console.print(_by_label(found.scores[found.rule], found.intervals[found.rule]))
    console.print(_by_rule(found))
    for one in found.attributes:
        _show_attribute(console, one)
    if found.linking is not None:
        codes = found.linking
        console.print(
            f"codes: right on {codes.right} of {codes.matched} entities that both have ({codes.accuracy:.3f}), "
            f"{codes.precision:.3f} of those with a code; end to end F1 {codes.f1:.3f}"
        )
    _show_errors(console, found.errors)
    if found.confidence is not None:
        _show_confidence(console, found.confidence)
    if found.compared is not None:
        low, high = found.compared.interval.low, found.compared.interval.high
        console.print(
            f"F1 against the other: {found.compared.f1:+.3f} ({low:+.3f} to {high:+.3f}), p = {found.compared.p:.3g}"
        )
    passed = {side: len(some) for side, some in found.passed_over.items() if some}
    if passed:
        parts = ", ".join(f"{count} in the {side}" for side, count in passed.items())
        console.print(f"[yellow]passed over:[/] {sum(passed.values())} problems ({parts}); the figures leave them out")
    typer.echo(found.signature)


def _table(title: str, *columns: str) -> Table:
    return Table(
        *columns,
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_edge=False,
    )


def _by_label(score: Score, sure: ScoreIntervals) -> Table:
    table = _table(f"{score.rule}, by label", "label", "precision", "recall", "F1 (95 %)", "gold", "predicted", "found")
    for label, figures in score.by_label.items():
        table.add_row(escape(label), *_cells(figures, sure.by_label[label].f1))
    table.add_section()
    table.add_row("micro", *_cells(score.micro, sure.micro.f1))
    table.add_row("macro", *_cells(score.macro, sure.macro.f1)[:3])
    return table


def _cells(figures: Figures, sure: Interval) -> list[str]:
    # Intervals of precision and recall are in the JSON; a table with all of them does not fit a terminal.
    return [
        f"{figures.precision:.3f}",
        f"{figures.recall:.3f}",
        _with_interval(figures.f1, sure),
        str(figures.gold),
        str(figures.predicted),
        str(figures.found),
    ]


def _with_interval(figure: float, sure: Interval) -> str:
    return f"{figure:.3f} ({sure.low:.3f}-{sure.high:.3f})"


def _by_rule(found: Findings) -> Table:
    table = _table("over all, by rule", "rule", "precision", "recall", "micro F1 (95 %)", "macro F1 (95 %)")
    for rule, score in found.scores.items():
        sure, figures = found.intervals[rule], score.micro
        table.add_row(
            rule.value,
            f"{figures.precision:.3f}",
            f"{figures.recall:.3f}",
            _with_interval(figures.f1, sure.micro.f1),
            _with_interval(score.macro_f1, sure.macro.f1),
        )
    return table


def _show_attribute(console: Console, one: AttributeScore) -> None:
    table = _table(f"{one.name}, of entities that both have", "gold", "F1", "predicted as")
    for value in one.values:
        row = [f"{mine} {count}" for (gold, mine), count in sorted(one.confusion.items()) if gold == value]
        table.add_row(escape(value), f"{one.f1(value):.3f}", escape(", ".join(row)))
    console.print(table)
    console.print(
        f"{escape(one.name)}: accuracy {one.accuracy:.3f} of {one.matched}; "
        f"F1 with span and label {one.together_f1:.3f}"
    )


def _show_errors(console: Console, errors: Breakdown) -> None:
    for kind, count in ((kind, count) for kind, count in errors.counts.items() if count):
        console.print(f"[bold]{kind.value}[/]: {count}")
        for one in errors.examples:
            if one.kind is kind:
                console.print("  " + _in_context(one), soft_wrap=True)


def _in_context(one: Mistake) -> str:
    """One line: the document, the text around, and what each side has there."""
    before, inside, after = (_SPACE.sub(" ", part) for part in (one.before, one.text, one.after))
    inside = inside if len(inside) <= _WIDEST else f"{inside[: _WIDEST // 2]} … {inside[-_WIDEST // 2 :]}"
    found = (("gold", one.gold), ("predicted", one.predicted))
    sides = [f"{side} {entity.label} {entity.text!r}" for side, entity in found if entity is not None]
    text = f"{escape(before)}[reverse]{escape(inside)}[/]{escape(after)}"
    return f"{escape(one.document)}: …{text}… [dim]({escape('; '.join(sides))})[/]"


def _show_confidence(console: Console, sure: Confidence) -> None:
    table = _table("reliability of the scores", "score", "entities", "mean score", "share right")
    for one in sure.bins:
        table.add_row(f"{one.low:.1f}-{one.high:.1f}", str(one.count), f"{one.score:.3f}", f"{one.right:.3f}")
    console.print(table)
    left = f"; {sure.unscored} entities have no score" if sure.unscored else ""
    console.print(f"expected calibration error: {_with_interval(sure.error, sure.interval)}{left}")


SHOWN = (Rule.STRICT, Rule.RELAXED, Rule.TYPE, Rule.BOUNDARY)
"""The rules whose scores over all are always given."""
_FORMAT_HELP = f"One of {', '.join(catalogue.FORMATS)}; told from the file when not given."
_Labels = Annotated[list[str] | None, typer.Option("--label", help="Score this label alone; may be repeated.")]
_Renamed = Annotated[
    list[str] | None, typer.Option("--map", help="Rename a label on both sides, as FROM=TO; may be repeated.")
]


def evaluate(
    gold: Annotated[Path, typer.Argument(help="The right entities: a file, or a folder of files in one format.")],
    pred: Annotated[Path, typer.Argument(help="A system's entities in the same documents.")],
    rule: Annotated[Rule, typer.Option(help="When an entity is right.")] = Rule.STRICT,
    labels: _Labels = None,
    renamed: _Renamed = None,
    gold_from: Annotated[str | None, typer.Option(help=_FORMAT_HELP)] = None,
    pred_from: Annotated[str | None, typer.Option(help=_FORMAT_HELP)] = None,
    versus: Annotated[Path | None, typer.Option(help="A second system's entities, to compare with PRED.")] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Report what is faulty and go on.")] = False,
    examples: Annotated[int, typer.Option(min=0, help="Examples shown of each kind of error.")] = 2,
    resamples: Annotated[int, typer.Option(min=1, help="Draws of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Scores entities: precision, recall and F1 with 95 % intervals, errors by kind, reliability of confidences.

    The figures by label are those of `--rule`; strict, relaxed, type and boundary are given over all besides.

    Example: `clinspan evaluate gold.jsonl entities.jsonl --rule relaxed`

    Example: `clinspan evaluate bc2gm/test entities.jsonl --rule alternatives --map GENE=gene`
    """
    names = renamings(renamed or ())
    passed: dict[str, list[ClinspanError]] = {"gold": [], "prediction": [], "other prediction": []}
    sides = {"gold": (gold, gold_from, "--gold-from"), "prediction": (pred, pred_from, "--pred-from")}
    if versus is not None:
        sides["other prediction"] = (versus, pred_from, "--pred-from")
    read = [_documents(*where, names, lenient, passed[side]) for side, where in sides.items()]
    right, mine, *others = alike(read, wanted=labels or ())
    pairing = pair(right, mine, labels=labels or None, lenient=lenient)
    scores = tally(pairing, dict.fromkeys((rule, *SHOWN)))
    compared = None
    passed["comparison"] = comparing = list(pairing.problems)
    for other in others:
        second = pair(right, other, labels=pairing.labels, lenient=lenient)
        comparing.extend(problem for problem in second.problems if str(problem) not in map(str, comparing))
        compared = difference(tally(second, [rule])[rule], scores[rule], resamples=resamples, seed=seed)
    _check_labels(labels or (), (*right, *mine), lenient, comparing)
    sure = all_intervals(list(scores.values()), resamples=resamples, seed=seed)
    found = Findings(
        rule=rule,
        scores=scores,
        intervals=dict(zip(scores, sure, strict=True)),
        errors=break_down(pairing, examples=examples, alternatives=rule is Rule.ALTERNATIVES),
        confidence=confidence(pairing, resamples=resamples, seed=seed),
        compared=compared,
        passed_over=passed,
        attributes=attribute_scores(pairing),
        linking=link_score(pairing),
        signature=_signature(scores[rule], names, passed, lenient=lenient, resamples=resamples, seed=seed),
    )
    console = Console(stderr=True, highlight=False)
    for problem in (problem for some in passed.values() for problem in some):
        console.print("[yellow]passed over:[/]", escape(str(problem)), soft_wrap=True)
    if as_json:
        typer.echo(json.dumps(_as_json(found), ensure_ascii=False, indent=2))
    else:
        _show(found)


def _check_labels(
    asked: Sequence[str], documents: Iterable[Document], lenient: bool, problems: list[ClinspanError]
) -> None:
    """A label that is asked for and stands nowhere is a slip of the pen, which would score as nothing found."""
    known = {entity.label for document in documents for entity in document.entities}
    for label in asked:
        if label not in known and known:
            error = LabelError(f"no entity has the label {label!r}", where="--label", fix=did_you_mean(label, known))
            if not lenient:
                raise error
            problems.append(error)


def _signature(
    score: Score,
    names: Mapping[str, str],
    passed: Mapping[str, Sequence[ClinspanError]],
    *,
    lenient: bool,
    resamples: int,
    seed: int,
) -> str:
    """All that the figures depend on but the prediction: versions, rule, labels, gold, settings."""
    parts = [f"clinspan:{version('clinspan')}", f"numpy:{version('numpy')}", score.signature]
    if names:
        parts.append("map:" + ",".join(f"{old}={new}" for old, new in sorted(names.items())))
    parts.append(f"level:0.95|resamples:{resamples}|seed:{seed}")
    if lenient:
        parts.append(f"lenient|passed-over:{sum(map(len, passed.values()))}")
    return "|".join(parts)


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
    path: Path, format: str | None, option: str, names: Mapping[str, str], lenient: bool, passed: list[ClinspanError]
) -> list[Document]:
    problems: list[InputError] = []
    read = read_gold([path], Naming(renamed=names), format=format, lenient=lenient, told=say_recognised, option=option)
    documents = list(sound(read, problems if lenient else None, fix="Or go on with --lenient."))
    passed.extend(problems)
    return documents
