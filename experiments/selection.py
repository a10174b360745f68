"""Do chosen examples help? Without an LLM, by what they show; with one, by what it then finds.

    python experiments/selection.py quality --pool TRAIN --queries DEVELOPMENT MAP [--by lexical minilm]
    python experiments/selection.py llm --pool TRAIN --train TRAIN --queries DEVELOPMENT MAP --out cells.jsonl
    python experiments/selection.py report --queries DEVELOPMENT MAP --out cells.jsonl

TRAIN and DEVELOPMENT are corpora that clinspan reads, in diseases unless `--labels` says else; the pool may also be
one made by `clinspan examples build`, which is needed for an encoder. MAP stands for any number of `--map FROM=TO`.
Queries must not be a test split.

`quality` prints, for each strategy and k, the mean over queries (sentences of DEVELOPMENT) of: how far the labels of an
example are those of the query (the Jaccard index of the two sets, "no entity" counting as a label), and the share of
the query's mentions, and of their words, that some example has annotated, case, plural and hyphens aside. Intervals are
95 %, percentile bootstrap over documents.

`llm` asks the embedded model about the same sentences, drawn with a fixed seed, in every cell (strategy and k), all
cells of a sentence before the next sentence, and appends each to a file; started again, it goes on where it stopped.
The model decodes under the copy constraint without the dictionary's proposals. Since it opens no bracket by itself, all
cells have one bias on opening, chosen before on sentences of TRAIN, with all strategies' prompts together.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clinspan.corpora import catalogue
from clinspan.dictionary.normalise import normal_form
from clinspan.document import Document, Entity, Span
from clinspan.evaluation.score import score
from clinspan.evaluation.significance import difference, intervals
from clinspan.examples import layout
from clinspan.examples.example import PoolExample, cut
from clinspan.examples.pool import Pool
from clinspan.examples.select.mentions import MentionIndex
from clinspan.examples.select.selector import Selector, Wish
from clinspan.examples.select.settings import SelectSettings, Strategy
from clinspan.examples.temporary import temporary
from clinspan.labels import LabelSet
from clinspan.llms.embedded import EmbeddedLLM, EmbeddedSettings
from clinspan.messages import Completion, Request
from clinspan.pipeline import parts
from clinspan.pipeline.knowledge import Lookup
from clinspan.pipeline.settings import NO_FACTS, TagSettings
from clinspan.pipeline.tagger import Tagger
from clinspan.text.windows import WindowSettings

KS = (4, 8, 16)
COMPARED = (Strategy.RANDOM, Strategy.KNN, Strategy.ENTITY)
SEED = 20240411
RESAMPLES = 2000


def gold(path: Path, labels: LabelSet, names: dict[str, str]) -> list[Document]:
    """The documents of a corpus that are as they should be, with the entities that are asked for."""
    found = [d for d in catalogue.read(path, labels=names) if isinstance(d, Document)]
    return [replace(d, entities=tuple(e for e in d.entities if e.label in labels)) for d in found]


def open_pool(path: Path, labels: LabelSet, names: dict[str, str]) -> Pool:
    """A pool, or annotated documents as one."""
    if (path / layout.MANIFEST).is_file():
        return Pool.open(path)
    return temporary(gold(path, labels, names), labels=labels.names)


# Without an LLM


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


# With an LLM


class Listener:
    """Keeps the requests that a tagger makes of an LLM, and answers with the text as it is."""

    constrains = True

    def __init__(self, llm: EmbeddedLLM):
        self.name = llm.name
        self.context = llm.context
        self.count_tokens: Callable[[str], int] = llm.count_tokens
        self.heard: list[Request] = []

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            self.heard.append(request)
            yield Completion(request.constraint.text if request.constraint else "")


def settings_of(strategy: Strategy, k: int, *, by: str, bias: float) -> TagSettings:
    return TagSettings(
        windows=WindowSettings(max_tokens=512, max_sentences=1, overlap_sentences=0),
        facts=NO_FACTS,
        open_bias=bias,
        examples=SelectSettings(strategy=strategy, k=k, retriever=by, seed=SEED, resembles=0.0),
    )


def sentences(documents: Sequence[Document], most: int) -> list[Document]:
    """Sentences in a random order, as documents whose id begins with that of their own."""
    found = [Document(f"{e.document}:{e.start}", e.text, e.entities) for d in documents for e in cut(d)]
    random.Random(SEED).shuffle(found)
    return found[:most]


def open_bias(llm: EmbeddedLLM, pool: Pool, labels: LabelSet, by: str, documents: Sequence[Document]) -> float:
    """The bias with the best F1 at the places where a mention may open, over all strategies' prompts, 8 examples."""
    judged: list[tuple[float, bool]] = []
    for strategy in COMPARED:
        listener = Listener(llm)
        tagger = Tagger(listener, labels=labels, settings=settings_of(strategy, 8, by=by, bias=0.0), examples=pool)
        for sentence in documents:
            listener.heard.clear()
            tagger.tag(replace(sentence, id=sentence.id.rpartition(":")[0], entities=()))
            if len(listener.heard) != 1:
                continue
            starts = {entity.start for entity in sentence.entities}
            for boundary in llm.open_log_odds(listener.heard[0], outermost(sentence.entities)):
                judged.append((boundary.log_odds, boundary.at in starts))
    thresholds = sorted({odds for odds, _ in judged})
    right = sum(opens for _, opens in judged)

    def f1(threshold: float) -> float:
        opened = [opens for odds, opens in judged if odds >= threshold]
        return 2 * sum(opened) / (len(opened) + right)

    best = max(thresholds, key=f1)
    bias = round(0.01 - best, 2)
    print(f"open bias {bias:g}: F1 {f1(best):.3f} at {len(judged)} places, of which {right} open", flush=True)
    return bias


def outermost(entities: Sequence[Entity]) -> tuple[Entity, ...]:
    return tuple(e for e in entities if not any(o is not e and o.span.contains(e.span) for o in entities))


def llm_cells(args: argparse.Namespace, labels: LabelSet, names: dict[str, str]) -> None:
    """Asks about every sentence in every cell that the file has not."""
    pool = open_pool(args.pool, labels, names)
    by = args.by[-1]
    done = {(line["cell"], line["id"]) for line in lines(args.out)}
    with EmbeddedLLM.pulled(settings=EmbeddedSettings(threads=args.threads)) as llm, args.out.open("a") as out:

        def write(**line: object) -> None:
            out.write(json.dumps(line) + "\n")
            out.flush()

        bias = next((line["bias"] for line in lines(args.out) if line["cell"] == "bias"), None)
        if bias is None:
            train = [sentence for sentence in sentences(gold(args.train, labels, names), 400) if sentence.entities]
            bias = open_bias(llm, pool, labels, by, train[: args.biased_on])
            write(cell="bias", id="", bias=bias, by=by)
        taggers = {
            f"{strategy.value}-{k}": Tagger(
                llm, labels=labels, settings=settings_of(strategy, k, by=by, bias=bias), examples=pool
            )
            for strategy in COMPARED
            for k in KS
        }
        for sentence in sentences(gold(args.queries, labels, names), args.sentences):
            for cell, tagger in taggers.items():
                if (cell, sentence.id) in done:
                    continue
                tagger.sharing.prompt_tokens = tagger.sharing.cached_tokens = 0
                found = tagger.tag(replace(sentence, entities=()))
                write(
                    cell=cell,
                    id=sentence.id,
                    entities=[[e.start, e.end, e.label] for e in found.entities],
                    states=[window.state.value for window in found.windows],
                    prompt_tokens=tagger.sharing.prompt_tokens,
                    cached_tokens=tagger.sharing.cached_tokens,
                )


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def report(args: argparse.Namespace, labels: LabelSet, names: dict[str, str]) -> None:
    """Prints F1 of each cell, on the sentences that all cells have, and each against random with the same k."""
    found = {(line["cell"], line["id"]): line for line in lines(args.out) if line["cell"] != "bias"}
    names_of = [f"{strategy.value}-{k}" for k in KS for strategy in COMPARED]
    shared = [
        s
        for s in sentences(gold(args.queries, labels, names), args.sentences)
        if all((c, s.id) in found for c in names_of)
    ]
    print(f"{len(shared)} sentences with {sum(len(s.entities) for s in shared)} mentions\n")
    print("| k | examples | P | R | F1 | 95 % | against random | 95 % | p |\n|---|---|---|---|---|---|---|---|---|")
    for k in KS:
        scores = {}
        for strategy in COMPARED:
            predicted = [
                replace(
                    s, entities=tuple(_entity(s.text, *e) for e in found[f"{strategy.value}-{k}", s.id]["entities"])
                )
                for s in shared
            ]
            scores[strategy] = score(shared, predicted, labels=labels.names)
            micro, interval = scores[strategy].micro, intervals(scores[strategy], resamples=RESAMPLES)[0].f1
            row = [f"{k}", strategy.value, *map(_point, (micro.precision, micro.recall, micro.f1))]
            row.append(f"{_point(interval.low)} to {_point(interval.high)}")
            if strategy is not Strategy.RANDOM:
                gap = difference(scores[Strategy.RANDOM], scores[strategy], resamples=RESAMPLES)
                row += [f"{gap.f1:+.3f}", f"{gap.interval.low:+.3f} to {gap.interval.high:+.3f}", f"{gap.p:.3f}"]
            else:
                row += [""] * 3
            print(f"| {' | '.join(row)} |")


def _entity(text: str, start: int, end: int, label: str) -> Entity:
    return Entity(Span(start, end), label, text[start:end])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["quality", "llm", "report"])
    parser.add_argument("--pool", type=Path, help="a pool, or annotated documents")
    parser.add_argument("--train", type=Path, help="annotated documents that the bias is chosen on; the pool's own")
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--labels", default="disease")
    parser.add_argument("--map", action="append", default=[])
    parser.add_argument("--by", nargs="+", default=["lexical"])
    parser.add_argument("--out", type=Path, default=Path("cells.jsonl"))
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--biased-on", type=int, default=12, help="sentences of --train that the bias is chosen on")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    names = dict(item.split("=", 1) for item in args.map)
    {"quality": quality, "llm": llm_cells, "report": report}[args.what](args, LabelSet.load(args.labels), names)


if __name__ == "__main__":
    main()
