"""What `clinspan review next` is worth: sentences that it chooses against as many, and half more, drawn at random.

Run: `python benchmarks/active.py` (set CLINSPAN_SHARED to the folder that holds data/mtsamples). It needs scikit-learn,
which comes with the extra `dev`.

A person is simulated by the gold of MTSamples' train part. Both ways begin with the same 20 sentences drawn at random,
and go on in rounds of 20. After each round a learner is trained on all sentences so far and tags the rest, as after
`clinspan tag` and `clinspan review import`; `most_useful` then chooses by its scores. The learner is a logistic
regression over BIO tags with hashed features of a word and its two neighbours on each side: quick, and weak. Whether a
larger model learns alike is not shown by it.

Strict F1 over spans and labels on the valid part, by the size of what was learned from, for each seed. `--held-out`
scores on a third of the train part in place of valid, which is then left out of what is chosen from: choices about the
method were made on that.
"""

import argparse
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

from scipy.sparse import vstack
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression

from clinspan.corpora.tokens import read
from clinspan.document import Document, Entity, Span
from clinspan.evaluation import score
from clinspan.review.loop import most_useful
from clinspan.review.note import Measured, Measures, State, measured
from clinspan.text.windows import tokens

SHARED = Path(os.environ.get("CLINSPAN_SHARED", Path(__file__).parent.parent.parent / "shared"))
FIRST, ROUND, SIZES = 20, 20, (100, 150)
Choice = Callable[[Sequence[Measured], int, random.Random], list[int]]


class Sentence:
    """A gold sentence with its tokens, their features and their tags."""

    def __init__(self, document: Document, hasher: FeatureHasher):
        self.document = document
        self.spans = [span for span in tokens(document.text) if span.of(document.text).strip()]
        words = [span.of(document.text) for span in self.spans]
        self.features = hasher.transform([features(words, place) for place in range(len(words))])
        self.tags = ["O"] * len(words)
        for entity in document.entities:
            inside = [n for n, span in enumerate(self.spans) if entity.span.contains(span)]
            for n in inside:
                self.tags[n] = f"{'B' if n == inside[0] else 'I'}-{entity.label}"

    def tagged(self, learner: LogisticRegression) -> Document:
        """The sentence with what the learner finds; an entity's score is its least certain token's probability."""
        chances = learner.predict_proba(self.features)
        best = chances.argmax(axis=1)
        found: list[tuple[str, int, int, float]] = []
        for place, (tag, chance) in enumerate(zip(learner.classes_[best], chances.max(axis=1), strict=True)):
            if tag == "O":
                continue
            if tag[0] == "I" and found and found[-1][0] == tag[2:] and found[-1][2] == place:
                label, first, _, least = found[-1]
                found[-1] = (label, first, place + 1, min(least, float(chance)))
            else:
                found.append((tag[2:], place, place + 1, float(chance)))
        text = self.document.text
        entities = []
        for label, first, after, least in found:
            span = Span(self.spans[first].start, self.spans[after - 1].end)
            entities.append(Entity(span, label, span.of(text), score=min(1.0, least)))
        return replace(self.document, entities=tuple(entities))


def features(words: Sequence[str], place: int) -> Iterator[str]:
    for by in range(-2, 3):
        at = place + by
        word = words[at] if 0 <= at < len(words) else "<>"
        yield f"{by}={word.lower()}"
        if abs(by) <= 1:
            yield f"{by}<{word.lower()[:3]}"
            yield f"{by}>{word.lower()[-3:]}"
            yield f"{by}#{'A' if word.isupper() else 'Aa' if word.istitle() else '1' if word.isdigit() else 'a'}"


def learned(sentences: Sequence[Sentence]) -> LogisticRegression:
    learner = LogisticRegression(C=10.0, max_iter=200)
    return learner.fit(vstack([one.features for one in sentences]), [tag for one in sentences for tag in one.tags])


def f1(learner: LogisticRegression, scored: Sequence[Sentence]) -> float:
    gold = [one.document for one in scored]
    return score(gold, [one.tagged(learner) for one in scored], labels=("problem", "treatment", "test")).micro.f1


def by_worth(notes: Sequence[Measured], count: int, _: random.Random) -> list[int]:
    return [one.key for one in most_useful(notes, count)]


def by_variety(notes: Sequence[Measured], count: int, _: random.Random) -> list[int]:
    alike = [replace(one, measures=replace(one.measures, doubt=None)) for one in notes]
    return [one.key for one in most_useful(alike, count)]


def by_doubt(notes: Sequence[Measured], count: int, _: random.Random) -> list[int]:
    def doubt(measures: Measures) -> float:
        return 0.5 if measures.doubt is None else measures.doubt

    left = [one for one in notes if one.state is State.NEW]
    return [one.key for one in sorted(left, key=lambda one: (-doubt(one.measures), one.key))[:count]]


def at_random(notes: Sequence[Measured], count: int, draw: random.Random) -> list[int]:
    return draw.sample([one.key for one in notes if one.state is State.NEW], count)


def curve(
    pool: Sequence[Sentence], scored: Sequence[Sentence], choose: Choice, sizes: Sequence[int], seed: int
) -> dict[int, tuple[float, int]]:
    """F1 and the number of words that were read, by the number of sentences that were learned from."""
    draw = random.Random(seed)
    had = draw.sample(range(len(pool)), FIRST)
    found = {}
    while True:
        learner = learned([pool[key] for key in had]) if choose is not at_random or len(had) in sizes else None
        if learner is not None and len(had) in sizes:
            found[len(had)] = f1(learner, scored), sum(len(pool[key].tags) for key in had)
        if len(had) >= max(sizes):
            return found
        reviewed = set(had)
        notes = [
            Measured(
                key,
                State.ACCEPTED if key in reviewed else State.NEW,
                measured(one.document if key in reviewed or learner is None else one.tagged(learner)),
            )
            for key, one in enumerate(pool)
        ]
        had += choose(notes, min(ROUND, next(size for size in sizes if size > len(had)) - len(had)), draw)


def part(name: str, hasher: FeatureHasher) -> list[Sentence]:
    files = sorted((SHARED / "data" / "mtsamples" / name).iterdir(), key=lambda file: int(file.stem))
    return [Sentence(one, hasher) for file in files for one in read(file) if isinstance(one, Document)]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--held-out", action="store_true", help="score on a third of train, and choose from the rest")
    asked.add_argument("--all", action="store_true", help="doubt alone and variety alone, too")
    given = asked.parse_args()
    if not (SHARED / "data" / "mtsamples").is_dir():
        raise SystemExit(f"needs {SHARED}/data/mtsamples: set CLINSPAN_SHARED to the folder that holds data/mtsamples")
    hasher = FeatureHasher(1 << 15, input_type="string")
    pool = part("train", hasher)
    scored = pool[::3] if given.held_out else part("valid", hasher)
    pool = [one for n, one in enumerate(pool) if n % 3] if given.held_out else pool
    print(f"{len(pool)} sentences to choose from, {len(scored)} to score on")
    ways: dict[str, tuple[Choice, tuple[int, ...]]] = {"random": (at_random, SIZES), "next": (by_worth, SIZES[:1])}
    if given.all:
        ways |= {"doubt alone": (by_doubt, SIZES[:1]), "variety alone": (by_variety, SIZES[:1])}
    found: dict[str, list[dict[int, tuple[float, int]]]] = {}
    for name, (choose, sizes) in ways.items():
        found[name] = [curve(pool, scored, choose, sizes, seed) for seed in range(given.seeds)]
        for size in sizes:
            values, words = zip(*(one[size] for one in found[name]), strict=True)
            figures = f"mean {mean(values):.3f}, sd {stdev(values):.3f}, {mean(words):.0f} words"
            print(f"{name:14} {size:4}: {figures};", *(f"{value:.3f}" for value in values), flush=True)
    apart = [one[100][0] - other[150][0] for one, other in zip(found["next"], found["random"], strict=True)]
    error = stdev(apart) / len(apart) ** 0.5
    print(f"100 by next less 150 at random: {mean(apart):+.3f}, standard error {error:.3f} over {len(apart)} seeds")


if __name__ == "__main__":
    main()
