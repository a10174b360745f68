"""What do chosen examples have in common with what is right? Without an LLM; with one see kate.toml.

    python experiments/selection.py quality --pool TRAIN --queries DEVELOPMENT MAP [--by lexical minilm]

TRAIN and DEVELOPMENT are corpora that clinspan reads, in diseases unless `--labels` says else; the pool may also be
one made by `clinspan examples build`, which is needed for an encoder. MAP stands for any number of `--map FROM=TO`.
Queries must not be a test split.

`quality` prints, for each strategy and k, the mean over queries (sentences of DEVELOPMENT) of: how far the labels of an
example are those of the query (the Jaccard index of the two sets, "no entity" counting as a label), and the share of
the query's mentions, and of their words, that some example has annotated, case, plural and hyphens aside. Intervals are
95 %, percentile bootstrap over documents.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clinspan.corpora import catalogue
from clinspan.dictionary.normalise import normal_form
from clinspan.document import Document, Span
from clinspan.examples.build import temporary
from clinspan.examples.pool import MentionIndex, Pool
from clinspan.examples.selection import SelectSettings, Strategy
from clinspan.examples.selector import Selector, Wish
from clinspan.examples.store import PoolExample, cut, is_pool
from clinspan.labels import LabelSet
from clinspan.tagging import open as parts
from clinspan.tagging.knowledge import Lookup

KS = (4, 8, 16)
SEED = 20240411
RESAMPLES = 2000


def gold(path: Path, labels: LabelSet, names: dict[str, str]) -> list[Document]:
    """The documents of a corpus that are as they should be, with the entities that are asked for."""
    found = [d for d in catalogue.read(path, labels=names) if isinstance(d, Document)]
    return [replace(d, entities=tuple(e for e in d.entities if e.label in labels)) for d in found]


def open_pool(path: Path, labels: LabelSet, names: dict[str, str]) -> Pool:
    """A pool, or annotated documents as one."""
    if is_pool(path):
        return Pool.open(path)
    return temporary(gold(path, labels, names), labels=labels.names)


@dataclass(frozen=True, slots=True)
class Query:
    """A sentence, its document, and the mentions that the dictionary proposes in it."""

    document: Document
    example: PoolExample
    proposed: tuple[str, ...]


def queries(documents: Sequence[Document], labels: LabelSet) -> list[Query]:
    """Every sentence."""
    lookup = Lookup(parts.dictionary("open"), labels)
    result = []
    for document in documents:
        known = lookup.knowledge(document.text, matches=False)
        for example in cut(document):
            span = Span(example.start, example.start + len(example.text))
            proposed = tuple(c.span.of(example.text) for c in known.candidates(span))
            result.append(Query(document, example, proposed))
    return result


Figures = tuple[float, float, float]


def overlap(query: PoolExample, shown: Sequence[PoolExample]) -> Figures:
    """Type overlap, share of mentions, share of mentions' words; the last two are nan where the query has none."""
    kinds = _kinds(query)
    types = [len(kinds & _kinds(e)) / len(kinds | _kinds(e)) for e in shown]
    annotated = {normal_form(entity.text) for e in shown for entity in e.entities}
    words = {word for form in annotated for word in form.split()}
    wanted = {normal_form(entity.text) for entity in query.entities}
    asked = [word for form in wanted for word in form.split()]
    return (
        sum(types) / len(types) if types else 0.0,
        len(wanted & annotated) / len(wanted) if wanted else float("nan"),
        sum(word in words for word in asked) / len(asked) if asked else float("nan"),
    )


def _kinds(example: PoolExample) -> frozenset[str]:
    return frozenset(entity.label for entity in example.entities) or frozenset([""])


def quality(args: argparse.Namespace, labels: LabelSet, names: dict[str, str]) -> None:
    """Prints the table of overlaps."""
    pool = open_pool(args.pool, labels, names)
    asked = queries(gold(args.queries, labels, names), labels)
    index = MentionIndex(pool.mentions())
    with_mentions = sum(bool(query.example.entities) for query in asked)
    print(f"pool of {len(pool)} sentences; {len(asked)} queries, {with_mentions} of them with mentions\n")
    print("| examples by | k | types | mentions | words of mentions |\n|---|---|---|---|---|")
    for strategy, by in [
        (Strategy.RANDOM, "lexical"),
        *[(strategy, by) for by in args.by for strategy in (Strategy.KNN, Strategy.ENTITY)],
        *[(strategy, args.by[-1]) for strategy in (Strategy.DIVERSE, Strategy.BALANCED)],
    ]:
        selectors = [
            Selector(pool, pool.retriever(by), SelectSettings(strategy=strategy, k=k, retriever=by, seed=SEED), index)
            for k in KS
        ]
        rows = [measure(selectors, pool, query, labels, index) for query in asked]
        name = "random" if strategy is Strategy.RANDOM else f"{strategy.value}, {by}"
        for number, k in enumerate(KS):
            print(f"| {name} | {k} | {cells([row[number] for row in rows], asked)} |", flush=True)


def measure(
    selectors: Sequence[Selector], pool: Pool, query: Query, labels: LabelSet, index: MentionIndex
) -> list[Figures]:
    """The figures of a query with each k."""
    text = query.example.text
    # The largest looks furthest ahead, and the others find what it found.
    (near,) = selectors[-1].near(query.document.id, query.document.text, [text])
    wish = Wish(labels.names, (*query.proposed, *index.standing_in(text)))
    chosen = (selector.choose(near, wish).chosen for selector in selectors)
    return [overlap(query.example, [pool[c.index] for c in shown]) for shown in chosen]


def cells(rows: Sequence[Figures], asked: Sequence[Query]) -> str:
    """Each mean with its interval over documents."""
    ids = {id: number for number, id in enumerate(dict.fromkeys(q.document.id for q in asked))}
    of = np.array([ids[q.document.id] for q in asked])
    drawn = np.random.default_rng(SEED).integers(0, len(ids), (RESAMPLES, len(ids)))
    times = np.stack([np.bincount(draw, minlength=len(ids)) for draw in drawn])
    shown = []
    for column in np.array(rows).T:
        known = ~np.isnan(column)
        sums = np.bincount(of[known], column[known], len(ids))
        counts = np.bincount(of[known], minlength=len(ids))
        means = (times @ sums) / np.maximum(times @ counts, 1)
        low, high = np.quantile(means, [0.025, 0.975])
        shown.append(f"{_point(sums.sum() / counts.sum())} ({_point(low)} to {_point(high)})")
    return " | ".join(shown)


def _point(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["quality"])
    parser.add_argument("--pool", type=Path, help="a pool, or annotated documents")
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--labels", default="disease")
    parser.add_argument("--map", action="append", default=[])
    parser.add_argument("--by", nargs="+", default=["lexical"])
    args = parser.parse_args()
    names = dict(item.split("=", 1) for item in args.map)
    quality(args, LabelSet.load(args.labels), names)


if __name__ == "__main__":
    main()
