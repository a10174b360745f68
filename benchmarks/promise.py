"""How often promises hold on documents that they did not see, and whether scores are probabilities there.

`python benchmarks/promise.py NAME=GOLD,FOUND ... [--recall .8 .9] [--precision .8 .9] [--right strict]`; FOUND is what
`clinspan tag --calibration none --consider .005` found in GOLD. Each corpus is split 100 times by lot into halves. One
half chooses thresholds for each label, and the other says whether the mean share over its documents is what was
promised. That is harder than what is promised, which is about all documents like these: the other half has chance of
its own. A promise that the first half refuses is not made, and counts neither way.
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from clinspan.corpora import catalogue, inputs
from clinspan.corpora.gold import Naming, alike
from clinspan.corpora.gold import read as read_gold
from clinspan.document import Document
from clinspan.evaluation.match import Rule
from clinspan.evaluation.probability import curve, expected_error, logistic, stepped
from clinspan.evaluation.thresholds import (
    RULES,
    Judged,
    highest_threshold_of_recall,
    judged,
    lowest_threshold_of_precision,
    missed,
    wrong,
)
from clinspan.tagging.calibration import Dial, log_odds

LIKELY = 0.5
"""Mentions that are likelier than not do not overlap: they are nearly those that are reported without a promise."""


@dataclass
class Tally:
    """Of one promise, over labels and splits."""

    made: int = 0
    held: int = 0
    broken: set[int] = field(default_factory=set)
    reached: list[float] = field(default_factory=list)

    def add(self, split: int, reached: float, least: float) -> None:
        self.made += 1
        self.held += reached >= least
        self.reached.append(reached)
        if reached < least:
            self.broken.add(split)

    def row(self, splits: int, labels: int) -> str:
        mean = f"{np.mean(self.reached):.3f}" if self.made else "-"
        return f"{self.made:4d} of {splits * labels:4d}  held {self.held:4d}  splits without a broken one " + (
            f"{splits - len(self.broken):3d} of {splits}  mean {mean}"
        )


def halves(count: int, splits: int) -> Iterator[tuple[list[int], list[int]]]:
    for seed in range(splits):
        order = list(range(count))
        random.Random(seed).shuffle(order)
        yield order[: count // 2], order[count // 2 :]


def mean(losses: np.ndarray) -> float:
    """The mean share over documents that have any; 1 where none has."""
    return 1.0 - float(np.nanmean(losses)) if not np.isnan(losses).all() else 1.0


def people(documents: Sequence[Judged], low: float | None, high: float | None) -> float | None:
    """The share of what is kept that lies between the thresholds; None where one of them could not be promised."""
    if low is None or high is None:
        return None
    scores = [score for one in documents for score, _ in one.found if score >= min(low, high)]
    return sum(score < high for score in scores) / len(scores) if scores else None


def promises(rows: dict[str, list[Judged]], recall: float, precision: float, confidence: float, splits: int) -> None:
    found, right, asked = Tally(), Tally(), []
    count = len(next(iter(rows.values())))
    for split, (first, second) in enumerate(halves(count, splits)):
        for documents in rows.values():
            learn, test = [documents[i] for i in first], [documents[i] for i in second]
            low = highest_threshold_of_recall(learn, recall, confidence)
            high = lowest_threshold_of_precision(learn, precision, confidence)
            if low is not None:
                found.add(split, mean(missed(test, np.array([low]))), recall)
            if high is not None:
                right.add(split, mean(wrong(test, np.array([high]))), precision)
            share = people(test, low, high)
            if share is not None:
                asked.append(share)
    print(f"  recall    {recall:.2f}: {found.row(splits, len(rows))}")
    print(f"  precision {precision:.2f}: {right.row(splits, len(rows))}")
    if asked:
        print(f"  both: to people {np.mean(asked):.1%} of what is kept (in {len(asked)} pairs of promises)")


def errors(rows: dict[str, list[Judged]], splits: int) -> tuple[float, float, float]:
    """The mean calibration error over halves: of raw scores, of the curve, and of perfect scores by chance alone."""
    raw, curved, chance = [], [], []
    rng = np.random.default_rng(0)
    count = len(next(iter(rows.values())))
    for first, second in halves(count, splits):
        before: list[tuple[float, bool]] = []
        after: list[tuple[float, bool]] = []
        for documents in rows.values():
            learn = [one for i in first for one in documents[i].found if one[0] >= LIKELY]
            test = [one for i in second for one in documents[i].found if one[0] >= LIKELY]
            odds, rights = [log_odds(score) for score, _ in learn], [right for _, right in learn]
            dial = Dial(0.0, *logistic(odds, rights), stepped(odds, rights))
            before += test
            after += [(dial.probability(score), right) for score, right in test]
        raw.append(expected_error(curve(before)))
        curved.append(expected_error(curve(after)))
        chance.append(expected_error(curve((p, bool(rng.random() < p)) for p, _ in after)))
    return float(np.mean(raw)), float(np.mean(curved)), float(np.mean(chance))


def corpus(gold: str, found: str) -> tuple[list[Document], dict[str, Document], tuple[str, ...]]:
    mine = list(inputs.strict(catalogue.read(found)))
    read = list(inputs.strict(read_gold([Path(gold)], Naming())))
    right, mine = (list(side) for side in alike([read, mine]))
    labels = tuple(sorted({one.label for document in right for one in document.entities}))
    return right, {document.id: document for document in mine}, labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", metavar="NAME=GOLD,FOUND")
    parser.add_argument("--recall", type=float, nargs="+", default=[0.75, 0.85])
    parser.add_argument("--precision", type=float, nargs="+", default=[0.75, 0.85])
    parser.add_argument("--confidence", type=float, default=0.9)
    parser.add_argument("--right", type=Rule, choices=RULES, default=Rule.STRICT)
    parser.add_argument("--splits", type=int, default=100)
    given = parser.parse_args()
    for each in given.corpora:
        name, _, paths = each.partition("=")
        gold, found, labels = corpus(*paths.split(","))
        rows = {label: judged(gold, found, label, given.right) for label in labels}
        print(
            f"{name}: {len(gold)} documents, {', '.join(labels)}; {given.right.value}, confidence {given.confidence:g}"
        )
        for recall, precision in zip(given.recall, given.precision, strict=True):
            promises(rows, recall, precision, given.confidence, given.splits)
        raw, curved, chance = errors(rows, given.splits)
        print(f"  calibration error: raw {raw:.3f}, curve {curved:.3f}, perfect scores by chance alone {chance:.3f}")


if __name__ == "__main__":
    main()
