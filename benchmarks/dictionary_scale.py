"""What a dictionary costs at the size of UMLS: building, opening, memory, and time for a note, at growing sizes.

    pip install pyahocorasick spacy             # the rivals, by hand; each runs up to the size given
    python benchmarks/dictionary_scale.py                          # 15k and 150k names
    python benchmarks/dictionary_scale.py 15000 150000 1500000 10000000 --rivals-up-to 150000

Writes an RRF release of each size (2.5 names a concept, names of 1 to 9 words of a Zipf distribution, one concept in
fifteen with a definition), builds it in a fresh process, and opens and scans it in another. A note has 300 words, among
them the names of ten concepts. Peak memory is the process's own; resident memory after scanning counts the mapped
pages that were touched.
"""

import argparse
import importlib
import itertools
import json
import multiprocessing
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

NAMES_A_CONCEPT = 2.5
AMBIGUOUS = 0.05
BATCH = 100_000
WORDS_IN_NAME = ((1, 10), (2, 25), (3, 25), (4, 15), (5, 10), (6, 7), (7, 4), (8, 2), (9, 2))
PASSES = 3
NOTES = 200
SYLLABLES = str.split(
    "car di o my neph ro hep at it is os te ar thr gas tr en ter al gi em ia der mat ne ur pul mon ic to xi ple "
    "gly co lip id pro tein fib rin hyp er tens ion sten ist ul cer po ly cys tu mor ad lym pho blas ma scle"
)
FILLER = str.split(
    "the patient was seen in clinic today and reports that she has been doing well since her last visit with no new "
    "complaints he denies any change of appetite or weight we will continue current treatment follow up in two weeks"
)


def words(count: int) -> tuple[list[str], list[float]]:
    """Words of two to five syllables, and how often each is drawn: by the inverse of its rank."""
    draw = random.Random(1)
    made = {"".join(draw.choices(SYLLABLES, k=draw.randint(2, 5))) for _ in range(count)}
    return sorted(made), list(itertools.accumulate(1 / (rank + 10) for rank in range(len(made))))


def names(size: int) -> Iterator[str]:
    """`size` names, the same ones each time; one in twenty of those that come again is given to another concept too.

    The others that come again get further words: no string of UMLS has thousands of meanings.
    """
    vocabulary, weights = words(max(5_000, size // 25))
    draw = random.Random(2)
    lengths, shares = zip(*WORDS_IN_NAME, strict=True)
    given: set[int] = set()
    for done in range(0, size, BATCH):
        counts = draw.choices(lengths, shares, k=min(BATCH, size - done))
        drawn = iter(draw.choices(vocabulary, cum_weights=weights, k=sum(counts)))
        for count in counts:
            name = " ".join(itertools.islice(drawn, count))
            while hash(name) in given and draw.random() > AMBIGUOUS:
                name += " " + draw.choice(vocabulary)
            given.add(hash(name))
            yield name


def write_release(folder: Path, size: int) -> None:
    concept = 0
    with (
        (folder / "MRCONSO.RRF").open("w") as conso,
        (folder / "MRSTY.RRF").open("w") as sty,
        (folder / "MRDEF.RRF").open("w") as definitions,
    ):
        for number, name in enumerate(names(size)):
            new = int(number / NAMES_A_CONCEPT) + 1
            first = new != concept
            concept = new
            term = f"C{concept:07}|ENG|{'P' if first else 'S'}|L{number:08}|PF|S{number:08}|Y|A{number:08}"
            conso.write(f"{term}||||SRC{number % 50}|{'PT' if first else 'SY'}|X{number}|{name}|0|N||\n")
            if first:
                kind = number % 127
                sty.write(f"C{concept:07}|T{kind:03}|A1|Type {kind}|AT{number:08}||\n")
                if not concept % 15:
                    said = f"{name} is a thing of many words that stand for a definition of the usual length. " * 2
                    definitions.write(f"C{concept:07}|A{number:08}|AT{number:08}||SRC0|{said}|N||\n")


def notes(size: int) -> list[list[str]]:
    """For each pass other notes, so that nothing that is remembered of one pass helps the next."""
    draw = random.Random(3)
    known = list(itertools.islice(names(size), 50_000))
    made = []
    for _ in range(PASSES * NOTES):
        parts = [*draw.choices(FILLER, k=270), *(name for name in draw.sample(known, 10))]
        draw.shuffle(parts)
        made.append(" ".join(" ".join(parts).split()[:300]))
    return [made[at : at + NOTES] for at in range(0, len(made), NOTES)]


def apart(work: Callable[..., dict[str, Any]], *arguments: object) -> dict[str, Any]:
    """Runs `work` in a fresh process, so that its memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def built(folder: str, out: str) -> dict[str, Any]:
    from clinspan.dictionary.build import build, resolve

    start = time.perf_counter()
    build(resolve(folder), Path(out))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}


def scanned(out: str, size: int) -> dict[str, Any]:
    from clinspan.dictionary.store import Dictionary

    texts = notes(size)
    before = resident()
    start = time.perf_counter()
    dictionary = Dictionary.open(out)
    opening = time.perf_counter() - start
    each = best_pass(dictionary.scan, texts)
    after = resident()
    size_on_disk = dictionary.info.bytes / 1e6
    found = sum(len(dictionary.scan(text)) for text in texts[0]) / NOTES
    return {"open": opening, "ms": each, "rss": after, "grown": after - before, "disk": size_on_disk, "found": found}


def ahocorasick(size: int) -> dict[str, Any]:
    before = resident()
    automaton = importlib.import_module("ahocorasick").Automaton()
    for name in names(size):
        automaton.add_word(name, len(name))
    automaton.make_automaton()
    return {"ms": best_pass(lambda text: list(automaton.iter(text)), notes(size)), "grown": resident() - before}


def phrase_matcher(size: int) -> dict[str, Any]:
    before = resident()
    nlp = importlib.import_module("spacy").blank("en")
    matcher = importlib.import_module("spacy.matcher").PhraseMatcher(nlp.vocab, attr="LOWER")
    matcher.add("T", list(nlp.pipe(names(size))))
    return {"ms": best_pass(lambda text: matcher(nlp(text)), notes(size)), "grown": resident() - before}


def best_pass(call: Callable[[str], object], passes: list[list[str]]) -> float:
    """Milliseconds of the processor for a text, in the best of the passes."""
    best = float("inf")
    for texts in passes:
        start = time.process_time()
        for text in texts:
            call(text)
        best = min(best, (time.process_time() - start) / len(texts))
    return best * 1000


def resident() -> float:
    """Megabytes of this process in memory, mapped pages included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[15_000, 150_000], help="how many names")
    parser.add_argument("--rivals-up-to", type=int, default=150_000, help="largest size at which rivals run")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    table = Table("names", "matcher", "build s", "build GB", "disk MB", "open ms", "RSS MB", "ms a note", "ratio")
    figures = []
    for size in arguments.sizes:
        folder = Path(tempfile.mkdtemp())
        try:
            write_release(folder, size)
            making = apart(built, str(folder), str(folder / "d"))
            using = apart(scanned, str(folder / "d"), size)
        finally:
            shutil.rmtree(folder)
        figures.append({"names": size, "build": making, "scan": using})
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=1))
        row = (f"{making['seconds']:.0f}", f"{making['peak']:.2f}", f"{using['disk']:.0f}")
        last = (f"{using['open'] * 1000:.1f}", f"{using['rss']:.0f}", f"{using['ms']:.3f}", "1")
        table.add_row(f"{size:,}", "clinspan", *row, *last)
        rivals = (("pyahocorasick", ahocorasick), ("spaCy PhraseMatcher", phrase_matcher))
        for name, rival in rivals if size <= arguments.rivals_up_to else ():
            try:
                found = apart(rival, size)
            except ImportError as error:
                table.add_row("", name, f"not installed ({error.name})")
                continue
            figures.append({"names": size, name: found})
            each = found["ms"]
            grown = f"{found['grown']:.0f}"
            table.add_row("", name, "", "", "", "", grown, f"{each:.3f}", f"{each / using['ms']:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
