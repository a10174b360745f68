"""Scoring and reading, beside nervaluate and seqeval in the same run.

Scores 10,000 made-up documents under four rules with 1,000 bootstrap samples, errors by kind and the reliability of
confidences; the rivals score the same entities once, without intervals. Then reads BC2GM's 20,000 sentences, where
the corpus is there (CLINSPAN_SHARED names the folder that holds `data/bc2gm`); the rival only parses its files.

Rivals, installed by hand: `pip install nervaluate==1.2.1 seqeval==1.2.2`.
"""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nervaluate import Evaluator
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from clinspan.corpora import catalogue
from clinspan.document import Document, Entity, Span
from clinspan.evaluation import Rule, all_intervals, break_down, confidence, pair, tally

DOCUMENTS, TOKENS, WIDTH = 10_000, 60, 6
LABELS = ("problem", "test", "treatment")
T = TypeVar("T")
RULES = (Rule.STRICT, Rule.RELAXED, Rule.TYPE, Rule.BOUNDARY)
TEXT = "token " * TOKENS


def made(seed: int) -> tuple[list[Document], list[Document], list[list[str]], list[list[str]]]:
    """Gold and predicted documents of some six entities each, and the same as tags."""
    chance = random.Random(seed)
    gold, predicted, gold_tags, predicted_tags = [], [], [], []
    for number in range(DOCUMENTS):
        sides: tuple[list[Entity], list[Entity]] = ([], [])
        tags = (["O"] * TOKENS, ["O"] * TOKENS)
        for slot in range(0, TOKENS, 10):
            first, last = slot + chance.randint(0, 3), slot + chance.randint(4, 8)
            label = chance.choice(LABELS)
            for side, wrong in ((0, 0.1), (1, 0.3)):
                if chance.random() < wrong:
                    continue
                moved = first + (side and chance.random() < 0.2)
                span = Span(moved * WIDTH, last * WIDTH + WIDTH - 1)
                sides[side].append(Entity(span, label, span.of(TEXT), score=chance.random() if side else None))
                tags[side][moved : last + 1] = [f"B-{label}", *[f"I-{label}"] * (last - moved)]
        gold.append(Document(str(number), TEXT, tuple(sides[0])))
        predicted.append(Document(str(number), TEXT, tuple(sides[1])))
        gold_tags.append(tags[0])
        predicted_tags.append(tags[1])
    return gold, predicted, gold_tags, predicted_tags


def timed(run: Callable[[], T]) -> tuple[float, T]:
    """Seconds of processor time, which other programs on the machine do not lengthen as much as those of a clock."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def scored(gold: list[Document], predicted: list[Document]) -> float:
    pairing = pair(gold, predicted)
    scores = tally(pairing, RULES)
    all_intervals(list(scores.values()), resamples=1000)
    break_down(pairing)
    confidence(pairing, resamples=1000)
    return scores[Rule.STRICT].micro.f1


def by_nervaluate(gold: list[Document], predicted: list[Document]) -> float:
    def listed(documents: list[Document]) -> list[list[dict[str, object]]]:
        return [[{"label": e.label, "start": e.start, "end": e.end - 1} for e in d.entities] for d in documents]

    found = Evaluator(listed(gold), listed(predicted), tags=list(LABELS), loader="dict").evaluate()
    return float(found["overall"]["strict"].f1)


def by_seqeval(gold: list[list[str]], predicted: list[list[str]]) -> float:
    found = classification_report(gold, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    return float(found["micro avg"]["f1-score"])


def parsed(folder: Path) -> int:
    """The least that reading can be: lines taken apart, nothing checked."""
    sentences = [line.partition(" ") for file in folder.glob("*.in") for line in file.read_text().splitlines()]
    for name in ("GENE.eval", "ALTGENE.eval"):
        [line.split("|", 2) for line in (folder / name).read_text().splitlines()]
    return len(sentences)


def main() -> None:
    gold, predicted, gold_tags, predicted_tags = made(7)
    mine, figure = timed(lambda: scored(gold, predicted))
    print(f"{DOCUMENTS} documents, {sum(len(d.entities) for d in (*gold, *predicted))} entities")
    print("| scorer | F1 strict | seconds | ratio |\n|---|---|---|---|")
    print(f"| clinspan, four rules, 1,000 samples, errors, calibration | {figure:.4f} | {mine:.2f} | 1 |")
    for name, run in (
        ("nervaluate 1.2.1, once", lambda: by_nervaluate(gold, predicted)),
        ("seqeval 1.2.2 strict, once", lambda: by_seqeval(gold_tags, predicted_tags)),
    ):
        seconds, figure = timed(run)
        print(f"| {name} | {figure:.4f} | {seconds:.2f} | {seconds / mine:.1f} |")
    root = Path(os.environ.get("CLINSPAN_SHARED", Path(__file__).parents[2] / "shared")) / "data/bc2gm/original"
    if not root.is_dir():
        print(f"no {root}: reading is not measured")
        return
    parts = [root / "train", root / "test"]
    bare, _ = timed(lambda: sum(parsed(part) for part in parts))
    reading, number = timed(
        lambda: sum(isinstance(d, Document) for p in parts for d in catalogue.read(p, lenient=True))
    )
    print(f"\n{number} sentences of BC2GM read and checked in {reading:.2f} s, {reading / bare:.0f} times a bare parse")


if __name__ == "__main__":
    main()
