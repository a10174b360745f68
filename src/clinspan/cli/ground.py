"""`clinspan ground`: finds the spans of recorded answers, of any tool or model."""

import codecs
import json
from pathlib import Path
from typing import Annotated

import typer

from clinspan.errors import ClinspanError, ConfigError, InputError
from clinspan.files import refuse_existing, whole_file
from clinspan.formats.catalogue import by_name, names
from clinspan.grounding.align import GroundingSettings
from clinspan.grounding.recorded import Reader, ground_line
from clinspan.labels import LabelSet

_SOME_LINES_BAD = 3


def ground(
    cases: Annotated[Path, typer.Argument(help="JSON lines with `text` and `answer`, or `text` and `raw`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    format: Annotated[
        str | None, typer.Option(help=f"How answers under `raw` are written: {', '.join(names())}.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="The label set of raw answers: a name or a labels.toml.")] = None,
    all_occurrences: Annotated[bool, typer.Option(help="Report every occurrence of a mention.")] = False,
    fuzzy: Annotated[bool, typer.Option(help="Take words that are plainly misspellings of a mention's.")] = True,
    force: Annotated[bool, typer.Option(help="Replace an output that exists.")] = False,
) -> None:
    """Finds given mentions in their texts: adds entities to each line, and lists what was not found with the reason.

    A line holds `text` and `answer: [{"label", "text"}, ...]`; with `--format` and `--labels`, `text` and `raw`, the
    answer as the model wrote it. All other keys are kept. A line that cannot be read is named, the rest goes on, and
    the exit status is 3.

    Example: `clinspan ground answers.jsonl -o grounded.jsonl`
    """
    if (format is None) != (labels is None):
        raise ConfigError(
            "raw answers are read with both --format and --labels", fix="Name both, or neither for lines with 'answer'."
        )
    reader = Reader(by_name(format), LabelSet.load(labels)) if format and labels else None
    settings = GroundingSettings(all_occurrences=all_occurrences, fuzzy=fuzzy)
    lines, bad = _lines(cases), 0
    refuse_existing(output, force=force)
    counts = dict.fromkeys(("entities", "ungrounded"), 0)
    done: list[str] = []
    for number, line in lines:
        try:
            record = ground_line(line, where=f"{cases}, line {number}", reader=reader, settings=settings)
        except ClinspanError as error:
            bad += 1
            typer.echo(f"error: {error}", err=True)
            continue
        for key in counts:
            found = record[key]
            counts[key] += len(found) if isinstance(found, list) else 0
        done.append(json.dumps(record, ensure_ascii=False))
    # A lone surrogate, which JSON can say and UTF-8 cannot, is written as JSON's own escape.
    with whole_file(output, errors="backslashreplace") as file:
        file.writelines(f"{line}\n" for line in done)
    typer.echo(
        f"{output}: {len(done)} lines, {counts['entities']} entities, {counts['ungrounded']} ungrounded mentions",
        err=True,
    )
    if bad:
        typer.echo(f"{bad} lines could not be read", err=True)
        raise typer.Exit(_SOME_LINES_BAD)


def _lines(path: Path) -> list[tuple[int, bytes]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    # Only \n ends a line: JSON strings may hold other line separators.
    lines = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
