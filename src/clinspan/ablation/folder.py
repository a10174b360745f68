"""The folder of an ablation: a run's folder, with a file for each cell beside the ledger."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clinspan.ablation.corpus import Corpus, Examples
from clinspan.ablation.grid import Cell, Grid
from clinspan.ablation.measured import CellFile, Measured, read_cell
from clinspan.ablation.plan import LLMPlan, Plan
from clinspan.calibrate.opening import Opening
from clinspan.errors import OutputError
from clinspan.evaluation.match import checksum
from clinspan.files import whole_file
from clinspan.labels import LabelSet
from clinspan.runs.folder import Description, RunFolder, digest, read_description

CELLS = "cells"
INDEX = "cells.json"
OPENINGS = "openings.json"
PLAN = "plan.toml"
PROGRAM = "ablate"
PAGE, MARKDOWN = "report.html", "report.md"
_OURS = (INDEX, OPENINGS, PLAN, PAGE, MARKDOWN)


class AblationFolder:
    """What is kept of an ablation beside its ledger.

    Args:
        path: a run's folder.
        plan: the ablation's.

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
            raise OutputError("holds a run that is no ablation", where=str(path), fix="Name another folder.")
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
            grid: the cells.
            corpus: what they were measured on.
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
    """What makes two ablations one: corpus, pool, labels and seed; cells can be added, and documents.

    Args:
        plan: the plan.
        labels: its label set.
        corpus: its documents.
        examples: its pool.
        command: the arguments of the command.
        output: the folder.
    """
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
