"""The folder of an ablation: a run's folder, and for each cell a file with a line for each document."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import IO, Any, Self

from clinspan.ablation.plan import Cell, Grid, LLMPlan, Plan
from clinspan.ablation.plan_file import Corpus, Examples
from clinspan.calibrate import Opening
from clinspan.document import READ_STATES, Document, WindowState
from clinspan.errors import OutputError
from clinspan.evaluation.match import LabelCounts, Rule, checksum, count
from clinspan.files import Closing, whole_file
from clinspan.labels import LabelSet
from clinspan.runs.folder import Description, RunFolder, digest, read_description
from clinspan.tagging.read import Times

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
        return Asked(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Measured:
    """One document in one cell. Of its text nothing is kept.

    Attributes:
        model: the LLM's name, with what changes its answers; empty without one.
        counts: by rule, for each label in the label set's order.
        entities: start, end and label of what was found.
        states: how many windows ended in each.
        times: seconds by stage.
        clock: seconds from the document before it to this one.
    """

    id: str
    model: str
    counts: Mapping[Rule, tuple[LabelCounts, ...]]
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
            counts={Rule(rule): tuple(LabelCounts(*row) for row in rows) for rule, rows in data["counts"].items()},
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
    """What a cell made of a document."""
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


class CellFile(Closing):
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
                f"is not a line of an ablation: {error}", where=f"{path}:{number}", fix="Delete the file, and repeat."
            ) from error
        known[one.id] = one
    return known


def _whole_lines(path: Path) -> int:
    """Bytes up to the last line's end."""
    return path.read_bytes().rfind(b"\n") + 1 if path.exists() else 0


CELLS = "cells"
INDEX = "cells.json"
OPENINGS = "openings.json"
PLAN = "plan.toml"
PROGRAM = "ablate"
PAGE, MARKDOWN = "report.html", "report.md"
_OURS = (INDEX, OPENINGS, PLAN, PAGE, MARKDOWN)


class AblationFolder:
    """What is kept of an ablation beside its ledger.

    Raises:
        OutputError: when it cannot be written.
    """

    def __init__(self, path: Path, plan: Plan):
        self.path = path
        self._plan = plan
        try:
            (path / CELLS).mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise OutputError(f"cannot be made: {error.strerror}", where=str(path / CELLS)) from error
        self._write(PLAN, plan.text)

    @staticmethod
    def forget(path: Path) -> None:
        """Deletes the ablation in a folder, its ledger with it; what else is there stays.

        Raises:
            OutputError: when another process is at work on it, or it is none.
        """
        run = RunFolder(path)
        if run.begun and read_description(path).program != PROGRAM:
            run.close()
            raise OutputError("holds a run that is not an ablation", where=str(path), fix="Name another folder.")
        try:
            if (path / CELLS).is_dir():
                shutil.rmtree(path / CELLS)
            for name in _OURS:
                (path / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot be deleted: {error.strerror}", where=str(path)) from error
        finally:
            run.forget()

    def file(self, cell: Cell) -> CellFile:
        """The lines of a cell."""
        return CellFile(self.path / CELLS / cell.file(self._plan))

    def read(self, cell: Cell) -> dict[str, Measured]:
        """What was measured of a cell, by document."""
        return read_cell(self.path / CELLS / cell.file(self._plan))

    def opening(self, llm: str, *, examples: bool) -> Opening | None:
        """The bias that was chosen for an LLM of the plan and prompts with or without examples; None where none was."""
        held = self._openings().get(self._key(llm, examples))
        return Opening(**held["opening"]) if held is not None else None

    def keep_opening(self, llm: str, opening: Opening, *, examples: bool) -> None:
        """Keeps a bias, so that a run which is taken up again goes on with it."""
        chosen = {"llm": llm, "examples": examples, "opening": asdict(opening)}
        told = {**self._openings(), self._key(llm, examples): chosen}
        self._write(OPENINGS, json.dumps(told, indent=2) + "\n")

    def write_index(self, grid: Grid, corpus: Corpus, failed: Mapping[str, str]) -> None:
        """Says what the files of the cells are.

        Args:
            failed: why a cell has not been measured, by its name.
        """
        told = {
            "title": self._plan.title,
            "plan": self._plan.checksum,
            "documents": len(corpus.documents),
            "corpus": corpus.checksum,
            "cells": [
                {
                    "name": cell.name,
                    "file": f"{CELLS}/{cell.file(self._plan)}",
                    "settings": dict(cell.settings),
                    "failed": failed.get(cell.name),
                }
                for cell in grid.cells
            ],
            "skipped": [asdict(one) for one in grid.skipped],
        }
        self._write(INDEX, json.dumps(told, indent=2, ensure_ascii=False) + "\n")

    def _key(self, llm: str, examples: bool) -> str:
        known: LLMPlan = self._plan.llm(llm)
        return digest((known, self._plan.opening, self._plan.seed, examples))

    def _openings(self) -> dict[str, Any]:
        path = self.path / OPENINGS
        try:
            held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise OutputError(f"cannot be read: {error}", where=str(path), fix="Delete it, and repeat.") from error
        return held

    def _write(self, name: str, told: str) -> None:
        with whole_file(self.path / name) as file:
            file.write(told)


def description(
    plan: Plan, labels: LabelSet, corpus: Corpus, examples: Examples | None, *, command: list[str], output: Path
) -> Description:
    """What makes two ablations one: corpus, pool, labels and seed; cells can be added, and documents."""
    pool = "none"
    if examples is not None:
        about = examples.pool.info
        read = checksum(examples.documents)[:12] if examples.documents else f"{about.generation}, built {about.built}"
        pool = f"{about.examples} examples ({read})"
    settings = {
        "model": ", ".join(dict.fromkeys(plan.llm(str(name)).spec for name in _llms(plan))),
        "labels": f"{labels.name} ({', '.join(labels.names)}; {digest(labels)})",
        "unit": plan.unit,
        "seed": str(plan.seed),
        "corpus": f"{corpus.of} {plan.unit}s ({corpus.whole[:12]})",
        "pool": pool,
        "taught by examples": str(plan.teach),
    }
    outputs = [str(output.absolute())]
    return Description(settings, {}, command, str(Path.cwd()), outputs, program=PROGRAM)


def _llms(plan: Plan) -> tuple[object, ...]:
    return tuple(plan.axes.get("llm", (plan.fixed.get("llm", "embedded"),)))
