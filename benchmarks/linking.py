"""Which concepts the default dictionary gives to the gold mentions of PubTator corpora, held against their gold ids.

    python benchmarks/linking.py DEVELOPMENT.txt --labels chemical-disease
    python benchmarks/linking.py TRAIN.txt OTHER.txt --labels chemical-disease --learn FILE.toml

An answer is right where the first concept, or an equivalent of it, has one of the mention's ids. *Known* are the
mentions with an id that a concept of the dictionary has or states as an equivalent; *answered* are those of them that
get a concept with an id of MeSH or OMIM, so that the answer can be held against gold. Calibration is over all such
answers. `--learn` counts how often an answer of each kind is right, for `src/clinspan/dictionary/probability.toml`.
"""

import argparse
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from clinspan.corpora.gold import Naming
from clinspan.corpora.gold import read as read_gold
from clinspan.dictionary.build import open_default
from clinspan.dictionary.index import Index
from clinspan.dictionary.link import Linker
from clinspan.dictionary.match import Sense
from clinspan.dictionary.probability import How, counted
from clinspan.dictionary.store import Dictionary
from clinspan.dictionary.written import Written
from clinspan.document import Document, Entity, Span
from clinspan.evaluation.reliability import curve, expected_error
from clinspan.labels import LabelSet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path, nargs="+")
    parser.add_argument("--labels", default="disease")
    parser.add_argument("--learn", type=Path)
    given = parser.parse_args()
    labels = LabelSet.builtin(given.labels)
    dictionary = open_default()
    naming = Naming(known=labels.names)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    table: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    judged: list[tuple[float, bool]] = []
    by_document: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
    known = known_codes(dictionary)
    begun = time.process_time()
    linker = Linker(dictionary, labels)
    for document in read_gold(given.corpora, naming, lenient=True):
        if not isinstance(document, Document):
            continue
        bare = tuple(Entity(e.span, e.label, e.text) for e in document.entities if e.label in labels.names)
        written = Written.of(document.text)
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
            if first is not None and answers:
                if first.score is not None:
                    judged.append((first.score, right))
                scanned = matches(dictionary, written).get(entity.span)
                reading = linker.reading(written, entity.span, entity.label, scanned)
                if reading.how is not How.LISTED:
                    name = counted(reading.how, reading.reason(reading.senses[0]), rival=reading.rival)
                    pair = table[first.source][name]
                    pair[0] += right
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
