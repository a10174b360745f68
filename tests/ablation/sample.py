"""Cells with figures that are written by hand, without an LLM."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from clinspan.ablation.folder import RULES, Asked, Measured
from clinspan.ablation.plan import Cell, Plan, Source, grid
from clinspan.ablation.plan_file import Corpus
from clinspan.ablation.results import Results
from clinspan.document import Document, WindowState
from clinspan.evaluation.match import LabelCounts
from clinspan.examples.store import PART_OF
from clinspan.tagging.read import Times

Row = tuple[int, int, int]
"""Predicted, right and gold mentions."""


def plan(**axes: tuple) -> Plan:
    source = Source(path=Path("gold.jsonl"))
    return Plan(
        title="By hand", seed=7, gold=source, labels="disease", pool=source, axes=axes_of(axes), text="# a plan"
    )


def axes_of(given: Mapping[str, tuple]) -> dict[str, tuple]:
    return {name.replace("_", "-"): values for name, values in given.items()}


def corpus(documents: int, *, parts: int = 1) -> Corpus:
    """Documents, each in so many parts."""
    made = tuple(
        Document(f"d{n}:{part}", "x", metadata={PART_OF: f"d{n}"}) for n in range(documents) for part in range(parts)
    )
    return Corpus(made, len(made), "0" * 64, "1" * 64)


def one(id: str, *rows: Row, tokens: tuple[int, int] = (100, 10), bad: bool = False) -> Measured:
    counts = tuple(LabelCounts(predicted, right, gold, right) for predicted, right, gold in rows)
    return Measured(
        id=id,
        model="openai:m@here",
        counts=dict.fromkeys(RULES, counts),
        entities=(),
        states={WindowState.FAILED if bad else WindowState.OK: 1},
        asked=Asked(1, 0, tokens[0], tokens[1], tokens[0] // 2),
        times=Times(0.001, 0.002, 0.003, 0.004, 0.5, 0.005),
        clock=0.6,
        words=20,
    )


def results(asked: Plan, on: Corpus, rows: Callable[[Cell, Document], Row], labels: tuple[str, ...] = ("disease",)):
    """The figures of a plan's cells, by what each makes of each document."""
    cells = [
        (cell, {d.id: one(d.id, *([rows(cell, d)] * len(labels))) for d in on.documents}) for cell in grid(asked).cells
    ]
    return Results(cells, on, labels, seed=asked.seed)


def lively(asked: Plan, on: Corpus, labels: tuple[str, ...]) -> Results:
    """Figures that look like a study's: more examples, chosen ones and facts help, and cost tokens."""
    chance = random.Random(1)
    cells = []
    for cell in grid(asked).cells:
        settings = cell.settings
        k = int(settings.get("k", 0)) if settings.get("select") != "none" else 0
        skill = (
            0.35 + {"random": 0.06, "knn": 0.2, "entity": 0.26}.get(str(settings.get("select")), 0.0) * (k / 16) ** 0.5
        )
        skill += 0.07 if settings.get("facts") == "both" else 0.0
        known = {}
        for d in on.documents:
            rows = []
            for number in range(len(labels)):
                gold = chance.randint(0, 3)
                right = sum(chance.random() < skill - 0.05 * number for _ in range(gold))
                rows.append((right + (chance.random() < 0.5), right, gold))
            tokens = (300 + 60 * k + (90 if settings.get("facts") == "both" else 0), 40)
            known[d.id] = one(d.id, *rows, tokens=tokens, bad=chance.random() < 0.01)
        cells.append((cell, known))
    return Results(cells, on, labels, seed=asked.seed)
