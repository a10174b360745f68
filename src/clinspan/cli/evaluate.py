"""`clinspan evaluate`: scores of predicted entities against gold."""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from clinspan.cli.scores import Findings, show
from clinspan.cli.scores import as_json as scores_as_json
from clinspan.corpora import catalogue
from clinspan.corpora.catalogue import Sign
from clinspan.corpora.gold import Naming, alike, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.document import Document
from clinspan.errors import ClinspanError, ConfigError, InputError, LabelError, did_you_mean
from clinspan.evaluation import Rule, Score, all_intervals, break_down, confidence, difference, pair, tally
from clinspan.evaluation.breakdown import attribute_scores, link_score

SHOWN = (Rule.STRICT, Rule.RELAXED, Rule.TYPE, Rule.BOUNDARY)
"""The rules whose scores over all are always given."""
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
    sides = {"gold": (gold, gold_from), "prediction": (pred, pred_from)}
    if versus is not None:
        sides["other prediction"] = (versus, pred_from)
    read = [_documents(*where, names, lenient, passed[side]) for side, where in sides.items()]
    right, mine, *others = alike(read, wanted=labels or ())
    pairing = pair(right, mine, labels=labels or None, lenient=lenient)
    scores = tally(pairing, dict.fromkeys((rule, *SHOWN)))
    compared = None
    comparing = list(pairing.problems)
    for other in others:
        second = pair(right, other, labels=pairing.labels, lenient=lenient)
        comparing.extend(problem for problem in second.problems if str(problem) not in map(str, comparing))
        compared = difference(tally(second, [rule])[rule], scores[rule], resamples=resamples, seed=seed)
    passed["comparison"] = comparing
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
        typer.echo(json.dumps(scores_as_json(found), ensure_ascii=False, indent=2))
    else:
        show(found)


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
    path: Path, format: str | None, names: Mapping[str, str], lenient: bool, passed: list[ClinspanError]
) -> list[Document]:
    problems: list[InputError] = []
    read = read_gold([path], Naming(renamed=names), format=format, lenient=lenient, told=say_recognised)
    documents = list(sound(read, problems if lenient else None, fix="Or go on with --lenient."))
    passed.extend(problems)
    return documents
