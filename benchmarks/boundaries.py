"""Whether boundary conventions learned from gold help, on MTSamples: rules from the training part, scored on valid.

Run: `python benchmarks/boundaries.py` (set CLINSPAN_SHARED to the folder that holds data/mtsamples).

Four kinds of input, each before and after the rules: the gold itself (which can only lose), the gold without the
determiner or possessive before it (the fault most often seen in answers of large models), the training part's
mentions looked up as a dictionary, and the same looked up without determiners. Strict F1 over spans and labels, with
the 95 % interval of the difference over documents (paired bootstrap).
"""

import os
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from clinspan.corpora.tokens import read
from clinspan.document import Document, Entity, Span
from clinspan.grounding.boundaries import BoundaryRules

SHARED = Path(os.environ.get("CLINSPAN_SHARED", Path(__file__).parent.parent.parent / "shared"))
DETERMINER = re.compile(r"(?:a|an|the|any|some|her|his|their|my|your|its|this|these) ", re.I)
Counts = tuple[int, int, int]


def part(name: str) -> list[Document]:
    files = sorted((SHARED / "data" / "mtsamples" / name).iterdir())
    return [document for file in files for document in read(file) if isinstance(document, Document)]


def without_determiner(entity: Entity, text: str) -> Entity:
    found = DETERMINER.match(entity.text)
    span = Span(entity.start + (found.end() if found else 0), entity.end)
    return replace(entity, span=span, text=span.of(text))


def look_up(terms: dict[str, Counter[str]], document: Document) -> list[Entity]:
    """The longest terms in the text, left to right, each with its most frequent label."""
    found: list[Entity] = []
    for term in sorted(terms, key=len, reverse=True):
        for place in re.finditer(rf"(?<!\w){re.escape(term)}(?!\w)", document.text, re.I):
            span = Span(place.start(), place.end())
            if not any(span.overlaps(other.span) for other in found):
                found.append(Entity(span, terms[term].most_common(1)[0][0], place.group()))
    return found


def dictionary(documents: list[Document], *, bare: bool) -> dict[str, Counter[str]]:
    terms: dict[str, Counter[str]] = {}
    for document in documents:
        for entity in document.entities:
            term = DETERMINER.sub("", entity.text) if bare else entity.text
            if term:
                terms.setdefault(term.lower(), Counter())[entity.label] += 1
    return terms


def counts(gold: Document, said: list[Entity]) -> Counts:
    want = {(entity.span, entity.label) for entity in gold.entities}
    got = {(entity.span, entity.label) for entity in said}
    return len(want & got), len(got - want), len(want - got)


def f1(rows: list[Counts]) -> float:
    right, wrong, missed = (int(sum(column)) for column in zip(*rows, strict=True))
    return 2 * right / max(1, 2 * right + wrong + missed)


def interval(before: list[Counts], after: list[Counts]) -> tuple[float, float]:
    choose = random.Random(0)
    differences = []
    for _ in range(1000):
        drawn = choose.choices(range(len(before)), k=len(before))
        differences.append(f1([after[i] for i in drawn]) - f1([before[i] for i in drawn]))
    differences.sort()
    return differences[25], differences[974]


def main() -> None:
    train, valid = part("train"), part("valid")
    rules = BoundaryRules.learn(train)
    taking = sum(rule.extends for rule in rules.rules)
    print(f"{len(train)} training and {len(valid)} valid documents; {len(rules.rules)} rules, {taking} take a word in")
    whole, bare = dictionary(train, bare=False), dictionary(train, bare=True)
    inputs = {
        "gold": [list(document.entities) for document in valid],
        "gold, no determiners": [[without_determiner(e, d.text) for e in d.entities] for d in valid],
        "dictionary": [look_up(whole, document) for document in valid],
        "dictionary, no determiners": [look_up(bare, document) for document in valid],
    }
    print(f"{'input':<28}{'before':>8}{'after':>8}{'difference (95 %)':>28}")
    for name, said in inputs.items():
        moved = [[rules.apply(e, d.text) for e in entities] for d, entities in zip(valid, said, strict=True)]
        before = [counts(d, entities) for d, entities in zip(valid, said, strict=True)]
        after = [counts(d, entities) for d, entities in zip(valid, moved, strict=True)]
        low, high = interval(before, after)
        change = f"{f1(after) - f1(before):+.3f} ({low:+.3f} to {high:+.3f})"
        print(f"{name:<28}{f1(before):>8.3f}{f1(after):>8.3f}{change:>28}")


if __name__ == "__main__":
    main()
