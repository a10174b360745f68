"""Recorded answers, of any tool or model: a line of JSON in, the same line with its verified entities out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clinspan.errors import InputError
from clinspan.formats.base import Format, Mention, Reading
from clinspan.grounding.align import DEFAULT, GroundingSettings, ground
from clinspan.labels import LabelSet


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
    found = ground(text, reading.mentions, copy=reading.copy, settings=settings)
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
