"""What is measured of one document in one cell, kept as a line of a file."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

from clinspan.document import READ_STATES, Document, WindowState
from clinspan.errors import OutputError
from clinspan.evaluation.match import Counts, Rule, count
from clinspan.tagging.summary import Times

RULES = (Rule.STRICT, Rule.RELAXED)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the LLM was asked about a document.

    Attributes:
        requests: all that were made.
        known: of these, whose answers were there.
        prompt, completion, cached: tokens, of answers that were known, too; `cached` are those of the prompts that the
            LLM had evaluated before.
    """

    requests: int = 0
    known: int = 0
    prompt: int = 0
    completion: int = 0
    cached: int = 0

    def __add__(self, other: "Asked") -> "Asked":
        return Asked(
            self.requests + other.requests,
            self.known + other.known,
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.cached + other.cached,
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """One document in one cell. Of its text nothing is kept.

    Attributes:
        id: the document's.
        model: the LLM's name, with what changes its answers; empty without one.
        counts: by rule, for each label in the label set's order.
        entities: start, end and label of what was found.
        states: how many windows ended in each.
        asked: requests and tokens.
        times: seconds by stage.
        clock: seconds from the document before it to this one.
        words: of its text.
    """

    id: str
    model: str
    counts: Mapping[Rule, tuple[Counts, ...]]
    entities: tuple[tuple[int, int, str], ...]
    states: Mapping[WindowState, int]
    asked: Asked
    times: Times
    clock: float
    words: int

    @property
    def complete(self) -> bool:
        """Whether every window was read."""
        return all(state in READ_STATES for state in self.states)

    def line(self) -> str:
        """As JSON."""
        data = {
            "id": self.id,
            "model": self.model,
            "counts": {rule.value: counts for rule, counts in self.counts.items()},
            "entities": self.entities,
            "states": {state.value: number for state, number in self.states.items()},
            "asked": asdict(self.asked),
            "seconds": {stage: round(seconds, 7) for stage, seconds in asdict(self.times).items()},
            "clock": round(self.clock, 7),
            "words": self.words,
        }
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def of_line(cls, line: str) -> Self:
        """Reads a line back."""
        data: dict[str, Any] = json.loads(line)
        return cls(
            id=data["id"],
            model=data["model"],
            counts={Rule(rule): tuple(Counts(*row) for row in rows) for rule, rows in data["counts"].items()},
            entities=tuple((start, end, label) for start, end, label in data["entities"]),
            states={WindowState(state): number for state, number in data["states"].items()},
            asked=Asked(**data["asked"]),
            times=Times(**data["seconds"]),
            clock=data["clock"],
            words=data["words"],
        )


def measured(
    gold: Document, found: Document, labels: tuple[str, ...], *, model: str, asked: Asked, times: Times, clock: float
) -> Measured:
    """What a cell made of a document.

    Args:
        gold: the document with its right entities.
        found: the same, tagged.
        labels: what is scored.
        model: the LLM's name.
        asked: what the LLM was asked about it.
        times: what it took.
        clock: since the document before.
    """
    states: dict[WindowState, int] = {}
    for window in found.windows:
        states[window.state] = states.get(window.state, 0) + 1
    rows = count(gold.entities, found.entities, labels, RULES)
    return Measured(
        id=gold.id,
        model=model,
        counts={rule: tuple(counts) for rule, counts in zip(RULES, rows, strict=True)},
        entities=tuple((entity.start, entity.end, entity.label) for entity in found.entities),
        states=states,
        asked=asked,
        times=times,
        clock=clock,
        words=len(gold.text.split()),
    )


class CellFile:
    """The lines of one cell; opened to go on where it was broken off.

    Args:
        path: of the file; it is made where it is not there.

    Raises:
        OutputError: when it cannot be used, or holds a line that is none.
    """

    def __init__(self, path: Path):
        self._path = path
        try:
            self.known = read_cell(path)
            whole = _whole_lines(path)
            self._file: IO[str] = path.open("a", encoding="utf-8", buffering=1)
            # What a kill cut off in the middle is measured anew.
            if self._file.tell() > whole:
                os.truncate(path, whole)
                self._file.seek(whole)
        except OSError as error:
            raise OutputError(f"cannot be used: {error.strerror}", where=str(path)) from error

    def add(self, one: Measured) -> None:
        """Keeps one more document, in place of an earlier line of it.

        Raises:
            OutputError: when it cannot be written.
        """
        try:
            self._file.write(one.line() + "\n")
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror}", where=str(self._path)) from error
        self.known[one.id] = one

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_cell(path: Path) -> dict[str, Measured]:
    """The documents of a cell's file by id, the last line of each; none where there is no file.

    Raises:
        OutputError: when it holds a line that is none.
    """
    known: dict[str, Measured] = {}
    if not path.exists():
        return known
    for number, line in enumerate(path.read_bytes()[: _whole_lines(path)].decode("utf-8").splitlines(), 1):
        try:
            one = Measured.of_line(line)
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"is no line of an ablation: {error}", where=f"{path}:{number}", fix="Delete the file, and repeat."
            ) from error
        known[one.id] = one
    return known


def _whole_lines(path: Path) -> int:
    """Bytes up to the last line's end."""
    return path.read_bytes().rfind(b"\n") + 1 if path.exists() else 0
