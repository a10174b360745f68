"""Which concepts the default dictionary gives to the gold mentions of PubTator corpora, held against their gold ids.

    python benchmarks/linking.py DEVELOPMENT.txt --labels chemical-disease
    python benchmarks/linking.py TRAIN.txt OTHER.txt --labels chemical-disease --learn FILE.toml
    python benchmarks/linking.py NOTES.jsonl --labels problem-treatment-test --time

An answer is right where the first concept, or an equivalent of it, has one of the mention's ids. *Known* are the
mentions with an id that a concept of the dictionary has or states as an equivalent; *answered* are those of them that
get a concept with an id of MeSH or OMIM, so that the answer can be held against gold. Calibration is over all such
answers. `--learn` counts how often an answer of each kind is right, for `src/clinspan/dictionary/probability.toml`.
`--time` tags the documents with what comes for the labels, and clocks the linker within the same run.
"""

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clinspan.corpora.gold import Naming
from clinspan.corpora.gold import read as read_gold
from clinspan.dictionary.build import open_default
from clinspan.dictionary.layout import Index
from clinspan.dictionary.link import LabelTypes, Linker, LinkSettings
from clinspan.dictionary.match import How, Sense, counted
from clinspan.dictionary.store import Dictionary
from clinspan.dictionary.written import Written
from clinspan.document import Document, Entity, Span
from clinspan.evaluation.probability import curve, expected_error
from clinspan.labels import LabelSet
from clinspan.tagging.tagger import Tagger


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path, nargs="+")
    parser.add_argument("--labels", default="disease")
    parser.add_argument("--learn", type=Path)
    parser.add_argument("--link-precision", type=float)
    parser.add_argument("--time", action="store_true", help="time documents instead, with and without linking")
    given = parser.parse_args()
    if given.time:
        time_documents(given.corpora, given.labels)
        return
    labels = LabelSet.builtin(given.labels)
    dictionary = open_default()
    naming = Naming(known=labels.names)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    table: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    judged: list[tuple[float, bool]] = []
    by_document: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
    known = known_codes(dictionary)
    begun = time.process_time()
    linker = Linker(dictionary, labels, LinkSettings(precision=given.link_precision))
    dictionary = LabelTypes(labels).seen(dictionary)
    for document in read_gold(given.corpora, naming, lenient=True):
        if not isinstance(document, Document):
            continue
        bare = tuple(Entity(e.span, e.label, e.text) for e in document.entities if e.label in labels.names)
        written = Written.of(document.text)
        found = matches(dictionary, written)
        linked = linker.link(Document(document.id, document.text, bare), written)
        gold = {(e.span, e.label): e for e in document.entities}
        before = {label: Counter(row) for label, row in counts.items()}
        for entity in linked.entities:
            ids = frozenset(code for c in gold[entity.span, entity.label].concepts for code in c.codes)
            first = entity.concepts[0] if entity.concepts else None
            right = first is not None and bool(ids & first.codes)
            answers = first is not None and any(code.startswith(("mesh:", "omim:")) for code in first.codes)
            row = counts[entity.label]
            row.update(
                mentions=1,
                known=bool(ids & known),
                linked=first is not None,
                right=right,
                answered=answers and bool(ids & known),
                known_right=right and answers and bool(ids & known),
            )
            if first is not None and answers and first.score is not None:
                judged.append((first.score, right))
            reading = linker.reading(written, entity.span, entity.label, found.get(entity.span))
            best = reading.senses[0] if reading.senses else None
            # What is left out as likely wrong is counted too.
            if best is not None and reading.how is not How.LISTED:
                codes = {best.concept.casefold(), *(same.id.casefold() for same in dictionary.equivalents(best))}
                if any(code.startswith(("mesh:", "omim:")) for code in codes):
                    pair = table[best.source][counted(reading.how, reading.reason(best), rival=reading.rival)]
                    pair[0] += not ids.isdisjoint(codes)
                    pair[1] += 1
        for label, row in counts.items():
            gained = row - before.get(label, Counter())
            told = (gained["known_right"], gained["answered"], gained["right"], gained["mentions"])
            by_document[label].append(told)
    for label, row in sorted(counts.items()):
        answered = row["answered"]
        of_answered, of_all = intervals(by_document[label])
        print(
            f"{label}: {row['mentions']} mentions, {row['known']} known; linked {row['linked']}, answered {answered}; "
            f"right {row['right'] / max(1, row['linked']):.3f} of linked, "
            f"{row['known_right'] / max(1, answered):.3f} ({of_answered}) of answered, "
            f"{row['right'] / max(1, row['mentions']):.3f} ({of_all}) of all"
        )
    points = curve(judged)
    print(
        f"calibration error {expected_error(points):.3f} over {len(judged)} scored; {time.process_time() - begun:.1f} s"
    )
    for point in points:
        print(f"  {point.low:.1f} to {point.high:.1f}: {point.count}, score {point.score:.3f}, right {point.right:.3f}")
    if given.learn:
        head = (
            "# How often the first concept was right, and how often there was one: by vocabulary and kind, counted on\n"
        )
        head += "# NCBI-disease and BC5CDR training (benchmarks/linking.py). Counts alone; no text of these corpora.\n"
        rows = [
            f"[{source}]\n" + "".join(f'"{k}" = [{r}, {n}]\n' for k, (r, n) in sorted(kinds.items()))
            for source, kinds in sorted(table.items())
        ]
        given.learn.write_text(head + "\n".join(rows), encoding="utf-8")


def time_documents(corpora: Sequence[Path], labels: str) -> None:
    """Tags the documents as `clinspan tag` does, and tells how much of the time of each is spent on linking."""
    texts = [one.text for one in read_gold(corpora, Naming(), lenient=True) if isinstance(one, Document)]
    clock = Clock()
    with clock, Tagger.open(labels=labels) as tagger:
        tagger.tag(texts[0])
        rows = []
        for text in texts:
            clock.spent = 0.0
            begun = time.perf_counter()
            tagger.tag(text)
            rows.append((time.perf_counter() - begun, clock.spent))
    whole, linking = np.array(rows).T
    ratios = whole / (whole - linking)
    drawn = np.random.default_rng(0).integers(len(rows), size=(2000, len(rows)))
    low, high = np.quantile(whole[drawn].sum(axis=1) / (whole - linking)[drawn].sum(axis=1), (0.025, 0.975))
    print(
        f"{len(rows)} documents, {1000 * whole.mean():.1f} ms each, of which linking {1000 * linking.mean():.2f} ms; "
        f"with linking {whole.sum() / (whole - linking).sum():.3f} ({low:.3f} to {high:.3f}) times the time without, "
        f"median document {np.median(ratios):.3f}, slowest {ratios.max():.3f}"
    )


class Clock:
    """A context in which `spent` grows by the seconds that the linker takes."""

    _TIMED = ("link", "concepts")

    def __init__(self) -> None:
        self.spent = 0.0
        self._within = False
        self._own = {name: getattr(Linker, name) for name in self._TIMED}

    def __enter__(self) -> "Clock":
        for name, own in self._own.items():
            setattr(Linker, name, self._timed(own))
        return self

    def __exit__(self, *_error: object) -> None:
        for name, own in self._own.items():
            setattr(Linker, name, own)

    def _timed(self, own: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **named: Any) -> Any:
            if self._within:
                return own(*args, **named)
            self._within, begun = True, time.perf_counter()
            try:
                return own(*args, **named)
            finally:
                self._within = False
                self.spent += time.perf_counter() - begun

        return timed


def intervals(rows: list[tuple[int, int, int, int]]) -> tuple[str, str]:
    """95 % intervals of right of answered and right of all: 2,000 draws of documents, seed 0."""
    table = np.array(rows)
    drawn = np.random.default_rng(0).integers(len(table), size=(2000, len(table)))
    sums = table[drawn].sum(axis=1)
    told = []
    for right, of in ((0, 1), (2, 3)):
        low, high = np.quantile(sums[:, right] / np.maximum(1, sums[:, of]), (0.025, 0.975))
        told.append(f"{low:.3f} to {high:.3f}")
    return told[0], told[1]


def matches(dictionary: Dictionary, written: Written) -> dict[Span, tuple[Sense, ...]]:
    return {match.span: match.senses for match in dictionary.scan(written, fuzzy=False, overlapping=True)}


def known_codes(dictionary: Dictionary) -> frozenset[str]:
    index = Index(dictionary.path)
    concepts = range(index.info.concepts)
    stated = (code.casefold() for number in concepts for code in index.stated(number))
    return frozenset(index.concept_ids[number].casefold() for number in concepts).union(stated)


if __name__ == "__main__":
    main()
