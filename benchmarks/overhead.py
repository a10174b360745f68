"""Where the time of a note goes: each stage beside the LLM's own time, in one run.

    python benchmarks/overhead.py --gold DEVELOPMENT --pool TRAIN MAP [--notes 10]

DEVELOPMENT and TRAIN are corpora that clinspan reads, in diseases; MAP stands for any number of `--map FROM=TO`. Three
ways are timed on the first notes of DEVELOPMENT: the dictionary alone, the embedded model as it is by default, and the
embedded model without an adapter with the four nearest sentences of TRAIN in each prompt. What is opened and built
before the first note (model, dictionary, pool) is in no row: one note more is tagged first and not counted.

The times of the stages and of the LLM's requests add up in these, for one request is under way at a time; what is left
to the clock is the streaming between them.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import astuple, fields
from itertools import islice
from pathlib import Path

from clinspan.corpora import catalogue
from clinspan.document import Document
from clinspan.labels import LabelSet
from clinspan.runs.folder import TaggerRecipe
from clinspan.tagging.read import Times

LABELS = LabelSet.load("disease")
STAGES = [stage.name for stage in fields(Times)]


def documents(path: Path, names: Mapping[str, str]) -> Iterator[Document]:
    """Those that are as they should be, and the others without their wrong annotations."""
    found = catalogue.read(path, labels=names, lenient=True)
    return (document for document in found if isinstance(document, Document))


def recipes(pool: tuple[Document, ...]) -> dict[str, TaggerRecipe]:
    nearest = {"select": "knn", "k": 4, "examples_by": "lexical"}
    return {
        "dictionary alone": TaggerRecipe(llm="none", labels=LABELS),
        "embedded, the default": TaggerRecipe(llm="embedded", labels=LABELS),
        "embedded, no adapter, 4 nearest examples": TaggerRecipe(
            llm="embedded", labels=LABELS, adapter="none", pool=pool, teach=False, options=nearest
        ),
    }


def measure(recipe: TaggerRecipe, notes: list[Document]) -> tuple[Times, float, float]:
    """Seconds by stage, by the clock, and of the processor, for all notes together."""
    tagger = recipe.make()
    tagger.tag(notes[0])
    each: dict[str, Times] = {}
    clock, processor = time.perf_counter(), time.process_time()
    for _ in tagger.tag_many(notes[1:], timed=each.__setitem__):
        pass
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    return Times(*(sum(column) for column in zip(*map(astuple, each.values()), strict=True))), clock, processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", type=Path, required=True)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--map", action="append", default=[])
    parser.add_argument("--notes", type=int, default=10)
    args = parser.parse_args()
    names = dict(item.split("=", 1) for item in args.map)
    # The last is tagged first, to warm up.
    counted = list(islice(documents(args.gold, names), args.notes + 1))
    notes = [counted[-1], *counted[:-1]]
    words = sum(len(note.text.split()) for note in notes[1:])
    print(f"milliseconds a note, mean of {len(notes) - 1} notes of {words / (len(notes) - 1):.0f} words\n")
    print(f"| | {' | '.join(STAGES)} | rest | clock | processor | outside the LLM |\n|---|{'---|' * (len(STAGES) + 4)}")
    for name, recipe in recipes(tuple(documents(args.pool, names))).items():
        times, clock, processor = measure(recipe, notes)
        spent = astuple(times)
        row = [*spent, clock - sum(spent), clock, processor]
        outside = f"{(clock - times.llm) / clock:.1%}"
        shown = " | ".join(f"{seconds * 1000 / (len(notes) - 1):.2f}" for seconds in row)
        print(f"| {name} | {shown} | {outside} |", flush=True)


if __name__ == "__main__":
    main()
