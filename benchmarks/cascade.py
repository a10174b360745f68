"""F1 against words a minute, from the dictionary alone to an LLM that is asked everywhere, beside a rival.

    python benchmarks/cascade.py GOLD --labels disease --encoder literature --llm embedded [--from pubtator]
        [--counts TRAIN] [--shares .05 .1 .15 .25] [--limit 30] [--keep FILE] [--json OUT] [--no-rival]

GOLD are documents on which no source was tuned. Each is tagged by the dictionary alone, by the encoder alone, and by
both (`--effort fast`), with links and assertions, and heard once more with the LLM in every window. What is decided
with the LLM in no window, in those where it is expected to gain most (`balanced`, for each share) and in all (`full`)
follows from that: each fifth of the documents is decided by a fused model that the other four taught. So the LLM reads
each window once, whatever is compared. `--keep` writes what was heard and what it took to a file, and reads it where it
is there; `--llm none` leaves the LLM out.

Words a minute are those of all cores: processor time, divided by `--cores`, which a busy machine disturbs less than the
clock does. What the LLM takes for a document is divided among its windows by their length. The rival is spaCy's entity
ruler with the names of the same vocabularies that have a type of a label, in small letters.
"""

import argparse
import importlib
import json
import pickle
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clinspan.cli.opening import annotated
from clinspan.dictionary.sources.packaged import packaged
from clinspan.document import Document, Entity, Span
from clinspan.evaluation.score import draws, interval
from clinspan.fuse import gain_of
from clinspan.fusion.features import Prior
from clinspan.fusion.fit import Case, Counted, Fitted, f1, fit
from clinspan.fusion.heard import Heard, Source
from clinspan.fusion.model import Asked, FusedModel, Judge
from clinspan.labels import LabelSet
from clinspan.tagging import open as parts
from clinspan.tagging.evidence import Fused
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import Window, windows

FOLDS = 5


@dataclass(frozen=True)
class Kept:
    """What one document is decided by.

    Attributes:
        seconds: of processor time, by who reads: `llm` is what the LLM takes for all windows.
        found: what each system without an LLM finds, as it is reported.
    """

    document: Document
    heard: Heard
    windows: tuple[Window, ...]
    seconds: dict[str, float]
    found: dict[str, tuple[Entity, ...]]


@dataclass(frozen=True)
class Row:
    """One system: F1, words a minute, the share of windows that the LLM read, and how much F1 it lacks to `full`."""

    system: str
    f1: float
    words_a_minute: float
    asked: float = 0.0
    below_full: float | None = None
    low: float | None = None
    high: float | None = None


def listen(documents: Sequence[Document], given: argparse.Namespace) -> list[Kept]:
    """Tags and hears all documents."""
    llm = given.llm != "none"
    options: dict[str, Any] = {"labels": given.labels, "encoder": given.encoder}
    kept: list[Kept] = []
    alone = Tagger.open("none", labels=given.labels, dictionary="open")
    encoder = Tagger.open("none", **options, fused="none")
    fast = Tagger.open("none", **options)
    hearing = Tagger.open(given.llm if llm else "none", **options, fused="none", threads=1 if llm else None)
    ruler = None if given.no_rival else entity_ruler(alone.labels)
    with alone, encoder, fast, hearing:
        counter = hearing.model
        assert counter is not None
        for number, document in enumerate(documents):
            bare = replace(document, entities=(), windows=())
            seconds: dict[str, float] = {}
            found: dict[str, tuple[Entity, ...]] = {}
            for name, tagger in {"dictionary": alone, "encoder": encoder, "fast": fast}.items():
                begun = time.process_time()
                found[name] = tagger.tag(bare).entities
                seconds[name] = time.process_time() - begun
            if ruler is not None:
                begun = time.process_time()
                found["spaCy's entity ruler"] = tuple(ruler(document.text))
                seconds["spaCy's entity ruler"] = time.process_time() - begun
            begun = time.process_time()
            heard = hearing.hear(bare)
            seconds["llm"] = max(0.0, time.process_time() - begun - seconds["encoder"]) if llm else 0.0
            cut = windows(document.text, hearing.settings.windows, count=counter.count_tokens)
            kept.append(Kept(document, heard, cut, seconds, found))
            print(f"\r{number + 1} of {len(documents)} documents", end="", flush=True)
    print()
    return kept


def entity_ruler(labels: LabelSet) -> Callable[[str], Iterator[Entity]]:
    """spaCy's entity ruler over the packaged vocabularies."""
    nlp = importlib.import_module("spacy").blank("en")
    nlp.max_length = 10**8
    wanted = {name: label.name for label in reversed(labels.labels) for name in label.semantic_types}
    names: dict[str, str] = {}
    for source in packaged():
        for entry in source.entries():
            label = next((wanted[one] for one in entry.types if one in wanted), None)
            if label is not None:
                names |= {term.text.casefold(): label for term in entry.terms if len(term.text) > 2}
    ruler = nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    with nlp.select_pipes(enable=[]):
        ruler.add_patterns([{"label": label, "pattern": name} for name, label in names.items()])

    def read(text: str) -> Iterator[Entity]:
        for one in nlp(text).ents:
            yield Entity(Span(one.start_char, one.end_char), one.label_, one.text)

    return read


def counted(kept: Kept, found: Sequence[Entity], labels: LabelSet) -> Counted:
    true = {(entity.span, entity.label) for entity in kept.document.entities if entity.label in labels}
    named = {(entity.span, entity.label) for entity in found if entity.label in labels}
    return Counted(len(named), len(true & named), len(true))


def taught(kept: Sequence[Kept], labels: LabelSet, prior: Prior, *, llm: bool) -> list[FusedModel]:
    """For each document the fused model that those of the other folds taught."""
    order = list(range(len(kept)))
    random.Random(0).shuffle(order)
    models: dict[int, FusedModel] = {}
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        others = [kept[number] for number in order if number not in set(held)]
        quiet = _fitted([replace(one, heard=one.heard.without_llm()) for one in others], labels, prior)
        tables: dict[Asked, Judge] = {"without llm": quiet[1].table}
        sources: dict[Source, str] = {"encoder": "encoder"}
        gain = None
        if llm:
            full = _fitted(others, labels, prior)
            tables["with llm"], sources["llm"] = full[1].table, "llm"
            gain = gain_of(quiet, full, [one.windows for one in others])
        model = FusedModel(labels.names, sources, tables, prior, gain=gain)
        models |= dict.fromkeys(held, model)
    return [models[number] for number in range(len(kept))]


def _fitted(kept: Sequence[Kept], labels: LabelSet, prior: Prior) -> tuple[list[Case], Fitted]:
    cases = [Case.of(one.document, one.heard, labels, prior) for one in kept]
    return cases, fit(cases, len(labels.names))


def curve(kept: Sequence[Kept], labels: LabelSet, prior: Prior, given: argparse.Namespace) -> list[Row]:
    """A row for each system."""
    words = sum(len(one.document.text.split()) for one in kept)
    llm = given.llm != "none"

    def row(system: str, counts: list[Counted], seconds: float, asked: float = 0.0) -> tuple[Row, list[Counted]]:
        return Row(system, f1(counts), 60 * words * given.cores / max(seconds, 1e-9), asked), counts

    rows = []
    for name in kept[0].found:
        if name != "fast":
            found = [counted(one, one.found[name], labels) for one in kept]
            rows.append(row(f"{name} alone" if name in ("dictionary", "encoder") else name, found, spent(kept, name)))
    models = taught(kept, labels, prior, llm=llm)
    for share in [0.0, *given.shares, 1.0] if llm else [0.0]:
        counts: list[Counted] = []
        took, asked = spent(kept, "fast"), 0
        for one, model in zip(kept, models, strict=True):
            fused = Fused(model, labels)
            chosen = frozenset(window.index for window in one.windows)
            if share < 1.0:
                chosen = fused.doubtful(one.heard.without_llm(), one.windows, share) if share else frozenset()
            cores = [window.core for window in one.windows if window.index in chosen]
            asked += len(cores)
            took += one.seconds["llm"] * sum(len(core) for core in cores) / max(1, len(one.document.text))
            counts.append(counted(one, fused.decide(one.heard.asked_in(cores)).entities, labels))
        name = {0.0: "fast", 1.0: "full"}.get(share, f"balanced, --ask-share {share:g}")
        rows.append(row(name, counts, took, asked / sum(len(one.windows) for one in kept)))
    best = rows[-1][1]
    return [beside(one, counts, best) for one, counts in rows]


def spent(kept: Sequence[Kept], name: str) -> float:
    return sum(one.seconds[name] for one in kept)


def beside(one: Row, counts: Sequence[Counted], best: Sequence[Counted]) -> Row:
    """The row with what it lacks to the last one, the documents drawn alike for both."""
    both = np.array([[(c.right, c.found + c.gold) for c in pair] for pair in zip(counts, best, strict=True)])
    drawn = np.concatenate(list(draws(both, 1000, 0)))
    rates = 2 * drawn[..., 0] / np.maximum(drawn[..., 1], 1)
    sure = interval(rates[:, 1] - rates[:, 0], 0.95)
    return replace(one, below_full=f1(best) - one.f1, low=sure.low, high=sure.high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gold", type=Path, nargs="+")
    parser.add_argument("--labels", required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--llm", default="none")
    parser.add_argument("--from", dest="format")
    parser.add_argument("--map", action="append", default=[])
    parser.add_argument("--counts", type=Path, nargs="+")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.1, 0.15, 0.25])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--no-rival", action="store_true")
    given = parser.parse_args()
    labels = parts.labels(given.labels)
    if given.keep is not None and given.keep.exists():
        with given.keep.open("rb") as file:
            kept: list[Kept] = pickle.load(file)[: given.limit]
    else:
        gold = annotated(given.gold, labels, format=given.format, renamed=given.map, lenient=True, limit=given.limit)
        kept = listen(gold, given)
        if given.keep is not None:
            with given.keep.open("wb") as file:
                pickle.dump(kept, file)
    strings: list[Document] = []
    if given.counts:
        read = annotated(given.counts, labels, format=given.format, renamed=given.map, lenient=True)
        strings = [replace(one, entities=tuple(e for e in one.entities if e.label in labels)) for one in read]
    rows = curve(kept, labels, Prior.of(strings), given)
    windows_ = sum(len(one.windows) for one in kept)
    print(f"{len(kept)} documents, {windows_} windows, {sum(len(one.document.text.split()) for one in kept)} words")
    for one in rows:
        print(
            f"{one.system:28} F1 {one.f1:.3f}  {one.words_a_minute:11,.0f} words/min  LLM in {one.asked:4.0%}  "
            f"below the last {one.below_full:+.3f} ({one.low:+.3f} to {one.high:+.3f})"
        )
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(one) for one in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
