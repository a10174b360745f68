"""Passages that a tagger marked, to teach an encoder beside gold notes: `write` them bare, `merge` what was found.

python tools/silver.py write OUT
clinspan tag OUT/assertion.jsonl -o OUT/assertion.found.jsonl --labels problem-treatment-test --assertion rules
clinspan tag OUT/sets.jsonl -o OUT/sets.found.jsonl --labels problem-treatment-test --assertion rules
python tools/silver.py merge OUT

Two kinds of passages: those in `notes/assertion`, whose problems are marked and stay as they are, so that only their
treatments and tests are the tagger's; and those of our own label sets, of which all marks are the tagger's. Held-out
label sets are left out. `merge` writes `OUT/silver.jsonl`, which `clinspan tune-encoder --examples` takes.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
from asserted import passages as assertion_passages
from clinspan.codec import dump, parse
from clinspan.document import Document, Entity
from held_labels import HELD
from passages import SETS, SINGLE, Passage, own_set, single

SOME = 4000
"""Passages of label sets that are taken."""


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (("write", "the passages without their marks"), ("merge", "what was found, with our own marks")):
        commands.add_parser(name, help=told).add_argument("out", type=Path)
    asked = parser.parse_args()
    if asked.command == "write":
        asked.out.mkdir(parents=True, exist_ok=True)
        for name, documents in (("assertion", assertion_passages()), ("sets", of_label_sets(seed=3))):
            bare = (json.dumps({"id": one.id, "text": one.text}) for one in documents)
            (asked.out / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in bare), encoding="utf-8")
    else:
        merged = [
            *with_problems(read(asked.out, "assertion"), assertion_passages()),
            *map(bare_of, read(asked.out, "sets")),
        ]
        (asked.out / "silver.jsonl").write_text("".join(f"{dump(one)}\n" for one in merged), encoding="utf-8")
        print(f"{len(merged)} passages, {sum(len(one.entities) for one in merged)} entities")
    return 0


def of_label_sets(*, seed: int) -> list[Document]:
    """Some passages of the label sets that are taught, in a random order."""
    groups = [own_set(folder) for folder in sorted(SETS.iterdir()) if folder.name not in HELD]
    groups += [single(path) for path in sorted(SINGLE.glob("*.txt"))]
    found = [_document(group.name, number, one) for group in groups for number, one in enumerate(group.passages)]
    Random(seed).shuffle(found)
    return found[:SOME]


def _document(group: str, number: int, passage: Passage) -> Document:
    return Document(f"{group.replace(':', '-')}-{number}", passage.text)


def read(folder: Path, name: str) -> Iterator[Document]:
    """What was found in the passages of that name."""
    path = folder / f"{name}.found.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        yield parse(line, where=str(path))


def bare_of(document: Document) -> Document:
    """A document with the bounds and labels of its entities alone: what they say else was not learned from gold."""
    kept = tuple(Entity(one.span, one.label, one.text) for one in document.entities)
    return Document(document.id, document.text, kept)


def with_problems(found: Iterable[Document], marked: Sequence[Document]) -> Iterator[Document]:
    """What was found, with the problems that are marked in the place of those that were found."""
    gold = {one.id: one for one in marked}
    for document in map(bare_of, found):
        problems = gold[document.id].entities
        others = [
            one
            for one in document.entities
            if one.label != "problem" and not any(one.span.overlaps(problem.span) for problem in problems)
        ]
        yield replace(document, entities=tuple(sorted((*problems, *others), key=lambda one: (one.start, one.end))))


if __name__ == "__main__":
    sys.exit(main())
