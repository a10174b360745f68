"""Entities that are given: `clinspan ground` finds their spans, `clinspan assess` sets their attributes."""

import codecs
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import typer

from clinspan import codec
from clinspan.assertion.assess import Reads
from clinspan.assertion.assess import assess as assessed
from clinspan.classifier.folder import named
from clinspan.cli.evaluate import say_recognised
from clinspan.corpora import catalogue
from clinspan.corpora.gold import Naming, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.details import related
from clinspan.errors import ClinspanError, ConfigError, InputError
from clinspan.files import refuse_existing, whole_file
from clinspan.formats import by_name, names
from clinspan.formats.base import Format, Mention, Reading
from clinspan.grounding import DEFAULT, GroundingSettings
from clinspan.grounding import ground as located
from clinspan.labels import LabelSet
from clinspan.llms.encoder import EncoderLLM
from clinspan.settings import DEFAULT_LABELS
from clinspan.tagging.evidence import reads
from clinspan.tagging.open import AUTOMATIC, assessor, given_attributes


@dataclass(frozen=True, slots=True)
class Reader:
    """How raw answers are read.

    Attributes:
        form: the format they are written in.
        labels: the labels that were asked for.
    """

    form: Format
    labels: LabelSet


def ground_line(
    line: bytes, *, where: str, reader: Reader | None = None, settings: GroundingSettings = DEFAULT
) -> dict[str, object]:
    """The record of one line, with `entities` and `ungrounded` added.

    Args:
        line: UTF-8, a JSON object with `text`, and either `answer`, a list of `{"label", "text"}`, or `raw`, the
            answer as the model wrote it.
        where: file and line, for errors.
        reader: how `raw` is read; None where the lines have an `answer`.
        settings: see `GroundingSettings`.

    Returns:
        Every key of the line, with `entities` (start, end, text, label, match and, where there are any, score and
        fragments) and `ungrounded` (label, text, reason); for raw answers also `unread` (text, reason).

    Raises:
        InputError: naming `where` and the fault.
    """
    try:
        record = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 at byte {error.start + 1} of the line", where=where) from None
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error.msg} at column {error.colno}", where=where) from None
    except RecursionError:
        raise InputError("is not JSON that can be read: it is nested too deeply", where=where) from None
    if not isinstance(record, dict):
        raise InputError("is not a JSON object", where=where, expected='{"text": ..., "answer": [...]}')
    text = _string(record, "text", where)
    reading = Reading(_mentions(record, where)) if reader is None else _read(record, reader, where)
    found = located(text, reading.mentions, copy=reading.copy, settings=settings)
    added: dict[str, object] = {
        "entities": [entity.to_dict(sparse=True) for entity in found.entities],
        "ungrounded": [
            {"label": missing.mention.label, "text": missing.mention.text, "reason": missing.reason}
            for missing in found.ungrounded
        ],
    }
    if reader is not None:
        added["unread"] = [{"text": part.text, "reason": part.reason} for part in reading.unread]
    return {**record, **added}


def _read(record: Mapping[str, Any], reader: Reader, where: str) -> Reading:
    return reader.form.parse(_string(record, "raw", where), reader.labels)


def _string(record: Mapping[str, Any], key: str, where: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        keys = ", ".join(map(repr, list(record)[:8])) or "none"
        fault = "is missing" if value is None else "is not a string"
        raise InputError(f"the key {key!r} {fault}", where=where, expected=f"a string; the line's keys are: {keys}")
    return value


def _mentions(record: Mapping[str, Any], where: str) -> tuple[Mention, ...]:
    answer = record.get("answer")
    expected = '"answer": [{"label": ..., "text": ...}, ...]'
    if not isinstance(answer, list):
        fix = "For answers as the model wrote them, under 'raw', name their --format." if "raw" in record else None
        fault = "is missing" if answer is None else "is not a list"
        raise InputError(f"the key 'answer' {fault}", where=where, expected=expected, fix=fix)
    mentions: list[Mention] = []
    for number, item in enumerate(answer, 1):
        place = f"{where}, mention {number}"
        if not isinstance(item, dict) or not all(isinstance(item.get(key), str) for key in ("label", "text")):
            raise InputError("is not a mention", where=place, expected=expected)
        parts = item.get("parts", [])
        if not isinstance(parts, list) or len(parts) == 1 or not all(isinstance(p, str) and p.strip() for p in parts):
            raise InputError("'parts' is not a list of two strings or more", where=place)
        mentions.append(Mention(item["label"], item["text"], score=_score(item, place), parts=tuple(parts)))
    return tuple(mentions)


def _score(item: Mapping[str, Any], where: str) -> float | None:
    score = item.get("score")
    if score is None:
        return None
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise InputError(f"'score' is {json.dumps(score)[:40]}", where=where, expected="a number from 0 to 1, or none")
    return float(score)


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


def assess(
    file: Annotated[Path, typer.Argument(help="Documents with entities, in any corpus format.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSONL file to write.")],
    labels: Annotated[
        str, typer.Option(help="The label set that declares the attributes: a name or a labels.toml.")
    ] = DEFAULT_LABELS,
    source: Annotated[
        str | None,
        typer.Option("--from", help=f"One of {', '.join(catalogue.FORMATS)}; told from the file when not given."),
    ] = None,
    encoder: Annotated[
        str,
        typer.Option(
            help="An encoder's folder, heard before the rules where it is sure; `auto` for the one that comes with "
            "clinspan, `none` for the rules alone."
        ),
    ] = "auto",
    language: Annotated[str, typer.Option(help="Language of the notes.")] = "en",
    keep: Annotated[bool, typer.Option("--keep", help="Leave values that entities have already.")] = False,
    sections: Annotated[bool, typer.Option("--sections", help="Give entities the section that they stand in.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an output that exists.")] = False,
) -> None:
    """Says of each entity whether it is present, absent, possible, somebody else's, past: whoever found it.

    The encoder that comes with clinspan says `assertion` and `temporality` where it is sure, and rules
    say them of the rest, where the label set declares them. Rules also set `of` of each detail, such as a dose, to the
    id of the entity that it belongs to, such as its drug. Other attributes stay as they are.

    Example: `clinspan assess entities.jsonl -o assessed.jsonl`
    """
    wanted = LabelSet.load(labels)
    refuse_existing(output, force=force)
    read = read_gold([file], Naming(known=wanted.names), format=source, told=say_recognised)
    who, reader = _reader(encoder, wanted, language)
    typer.echo(f"assessed by {who}", err=True)
    asked: _Options = {"reads": reader, "language": language, "keep": keep, "with_sections": sections}
    done = [
        related(assessed(one, wanted, **asked), wanted, keep=keep) for one in sound(read, None, fix="Or leave it out.")
    ]
    with whole_file(output) as out:
        out.writelines(f"{codec.dump(document)}\n" for document in done)
    typer.echo(f"{output}: {len(done)} documents, {sum(len(one.entities) for one in done)} entities", err=True)


class _Options(TypedDict):
    reads: Reads | None
    language: str
    keep: bool
    with_sections: bool


def _reader(name: str, labels: LabelSet, language: str) -> tuple[str, Reads | None]:
    """The encoder that is heard, by name; what comes with clinspan reads English alone.

    Raises:
        ConfigError: when the encoder that is named says no attributes.
    """
    if name == AUTOMATIC:
        one = assessor(labels) if language == "en" else None
        return (f"{one.name} and rules", given_attributes(labels)) if one is not None else ("rules", None)
    if name == "none":
        return "rules", None
    encoder = EncoderLLM.opened(named(name), labels=labels)
    heard = reads(encoder)
    if heard is None:
        raise ConfigError(
            f"the encoder {name} says no attributes",
            where="--encoder",
            expected="one that was tuned on documents whose entities have them, such as clinical-notes",
        )
    return f"{encoder.name} and rules", heard
