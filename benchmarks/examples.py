"""What a pool of examples costs at growing sizes: building, opening, memory, and time and recall of a query.

    OMP_NUM_THREADS=1 python benchmarks/examples.py 60000 --vectors real.npy
    python benchmarks/examples.py 1000000 --vectors real.npy --folder kept --build-only   # can be cut off and taken up
    OMP_NUM_THREADS=1 python benchmarks/examples.py 1000000 --vectors real.npy --folder kept
    python benchmarks/examples.py --gold train.pubtator       # building with MiniLM

`real.npy` and the vectors that are made of it, 384 dimensions, are those of `example_vectors`; queries are real
sentences that nothing was made of. `example_index` compares the index with others.

Building is the whole of it, from documents of ten sentences, a quarter of a million examples at a time: the first by
`build`, each further one by `add`. So a pool that is cut off goes on with the part that it lacks. The encoder only
looks vectors up; it passes for MiniLM, so that `clinspan examples find`, which is timed as it stands, asks the pool
with the real one. Opening is timed in a fresh process, queries on one thread and one at a time. The rivals are the
exact products with the same vectors in memory.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import faiss
import numpy as np
from example_index import K, exact, median_ms, recall
from example_vectors import Matrix, make, split
from rich.console import Console
from rich.table import Table

from clinspan.corpora import catalogue
from clinspan.document import Document, Entity, Span
from clinspan.examples.build import add, build
from clinspan.examples.embed import MINILM, Pooling, open_encoder
from clinspan.examples.pool import Pool
from clinspan.files import MANIFEST

A_DOCUMENT = 10
A_PART = 250_000
SYLLABLES = str.split("car dio my neph ro hep at it is os te ar thr gas tr en ter al gi em ia der mat ne ur pul mon ic")
ASKED = "She was treated for gout and a deficiency of the enzyme was found in both of her brothers."


class LookUp:
    """Knows the vector of each generated sentence by the number that it begins with; passes for MiniLM."""

    def __init__(self, made: Matrix, queries: Matrix):
        real = open_encoder(MINILM)
        self.name = real.name
        self.source = real.source
        self.pooling: Pooling = real.pooling
        self.identity = real.identity
        self.dimension = real.dimension
        self._made = {"Sentence": made, "Query": queries}

    def encode(self, texts: Sequence[str]) -> Matrix:
        kinds, numbers = zip(*(text.split()[:2] for text in texts), strict=True)
        (kind,) = set(kinds)
        return np.array(self._made[kind][[int(number) for number in numbers]])


def documents(count: int) -> Iterator[Document]:
    """Documents of ten sentences of 12 to 30 words drawn by rank, one mention in every other sentence."""
    draw = np.random.default_rng(1)
    vocabulary = sorted({"".join(draw.choice(SYLLABLES, draw.integers(2, 5))) for _ in range(max(5_000, count // 25))})
    weights = 1 / (np.arange(len(vocabulary)) + 10.0)
    weights /= weights.sum()
    for start in range(0, count, A_DOCUMENT):
        text, entities = "", []
        drawn = iter(draw.choice(len(vocabulary), 30 * A_DOCUMENT, p=weights).tolist())
        for number in range(start, min(count, start + A_DOCUMENT)):
            words = [vocabulary[i] for i in islice(drawn, int(draw.integers(12, 30)))]
            head = f"Sentence {number} "
            if number % 2:
                at = len(text) + len(head)
                entities.append(Entity(Span(at, at + len(words[0])), "disease", words[0]))
            text += f"{head}{' '.join(words)}.\n\n"
        yield Document(f"document-{start}", text, tuple(entities))


def grow(count: int, pool: Path, encoder: LookUp) -> None:
    """Builds the pool, or what it lacks; seconds of clock and processor are kept beside it."""
    kept = pool.with_suffix(".json")
    there = len(Pool.open(pool)) if (pool / MANIFEST).is_file() else 0
    spent = json.loads(kept.read_text()) if there else {}
    stream = documents(count)
    for _ in range(0, there, A_DOCUMENT):
        next(stream)
    for start in range(there, count, A_PART):
        part = islice(stream, -(-min(A_PART, count - start) // A_DOCUMENT))
        started, cpu = time.perf_counter(), time.process_time()
        if start:
            add(part, pool, encoder=encoder)
        else:
            build(part, pool, labels=["disease"], encoder=encoder)
        spent[str(start)] = [time.perf_counter() - started, time.process_time() - cpu]
        kept.write_text(json.dumps(spent))
        print(f"{len(Pool.open(pool)):,} examples after {spent[str(start)][0]:.0f} s more", flush=True)


OPENING = """
import json, sys, time
started = time.perf_counter()
from clinspan.examples.pool import Pool
imported = time.perf_counter()
import faiss  # the library's own start is not the pool's
loaded = time.perf_counter()
pool = Pool.open(sys.argv[1])
pool[len(pool) - 1]
opened = time.perf_counter()
memory = dict(line.split(":") for line in open("/proc/self/status") if ":" in line)
mega = lambda name: int(memory[name].split()[0]) / 1e3
print(json.dumps([opened - loaded, loaded - started, mega("RssAnon"), mega("RssFile")]))
"""


def forget(folder: Path) -> None:
    """Lets the system drop its copy of the folder's files, so that they come from the disk."""
    for file in folder.iterdir():
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def clock(*command: str) -> tuple[float, str]:
    """Seconds that a command takes, and what it says."""
    started = time.perf_counter()
    output = subprocess.run([sys.executable, *command], capture_output=True, check=True, text=True).stdout
    return time.perf_counter() - started, output


def measure(count: int, folder: Path, vectors: Path, table: Table, *, build_only: bool) -> None:
    real, queries = split(vectors)
    made = make(count, real, folder / f"{count}.vectors")
    encoder = LookUp(made, queries)
    grow(count, folder / f"{count}", encoder)
    truth_file = folder / f"{count}.npy"
    if not truth_file.is_file():
        np.save(truth_file, exact(made, queries))
    if build_only:
        return
    truth = np.load(truth_file)
    pool = Pool.open(folder / f"{count}")
    assert len(pool) == count
    generation = folder / f"{count}" / pool.info.generation
    sizes = {file.name: file.stat().st_size / 1e6 for file in generation.iterdir()}
    print(f"{count:,}: " + ", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items()), flush=True)
    for state in ("from the disk", "from memory"):
        if state == "from the disk":
            forget(generation)
        opening, importing, own, mapped = json.loads(clock("-c", OPENING, str(folder / f"{count}"))[1])
        if state == "from the disk":
            forget(generation)
        whole, _ = clock("-m", "clinspan", "examples", "find", ASKED, "--examples", str(folder / f"{count}"))
        print(f"{state}: opened in {opening * 1e3:.0f} ms after {importing:.2f} s of imports, memory {own:.0f} MB and")
        print(f"{mapped:.0f} MB mapped; clinspan examples find, a whole command, {whole:.2f} s", flush=True)
    retriever = pool.retriever(encoder=encoder)
    texts = [f"Query {number}" for number in range(len(queries))]
    found = [np.array([hit.index for hit in retriever.nearest([text], K)[0]]) for text in texts]
    ours = median_ms(lambda i: retriever.nearest([texts[i]], K), len(texts))
    spent = np.array(list(json.loads((folder / f"{count}.json").read_text()).values())).sum(axis=0)
    size = sum(size for name, size in sizes.items() if name.startswith("vectors"))
    share = "{:.4f} ({:.4f} to {:.4f})".format(*recall(found, truth))
    row = [f"{spent[0]:.0f} ({spent[1]:.0f} of the processor)", f"{size:.0f}", share]
    table.add_row(f"clinspan ({pool.info.index})", f"{count:,}", *row, f"{ours:.2f}", "1")
    words = median_ms(lambda i: pool.retriever("lexical").nearest([pool[i].text], K), 50)
    table.add_row("clinspan, lexical", f"{count:,}", "", "", "", *ratio(words, ours))
    rivals(count, np.array(made), queries, table, ours)


def rivals(count: int, made: Matrix, queries: Matrix, table: Table, ours: float) -> None:
    """Exact search in memory; what it finds is the measure, so that its recall is 1."""
    by_product = median_ms(lambda i: np.argpartition(-(made @ queries[i]), K)[:K], 20)
    table.add_row("numpy, exact", f"{count:,}", "", f"{made.nbytes / 1e6:.0f}", "1", *ratio(by_product, ours))
    flat = faiss.IndexFlatIP(made.shape[1])
    flat.add(made)
    by_faiss = median_ms(lambda i: flat.search(queries[i][None], K), 20)
    table.add_row("faiss, exact", f"{count:,}", "", f"{made.nbytes / 1e6:.0f}", "1", *ratio(by_faiss, ours))


def ratio(milliseconds: float, ours: float) -> tuple[str, str]:
    return f"{milliseconds:.2f}", f"{milliseconds / ours:.1f}"


def measure_gold(path: Path) -> None:
    found = [document for document in catalogue.read(path, lenient=True) if isinstance(document, Document)]
    distinct = list({document.id: document for document in found}.values())
    labels = sorted({entity.label for document in distinct for entity in document.entities})
    with tempfile.TemporaryDirectory() as scratch:
        taken = []
        for _ in range(2):
            started, cpu = time.perf_counter(), time.process_time()
            build(distinct, scratch, labels=labels, encoder=open_encoder(MINILM))
            taken.append(f"{time.perf_counter() - started:.1f} s ({time.process_time() - cpu:.1f} of the processor)")
        pool = Pool.open(scratch)
        texts = [pool[i].text for i in range(50)]
        retriever = pool.retriever()
        retriever.nearest(texts[:1], K)
        asked = median_ms(lambda i: retriever.nearest([texts[i]], K), len(texts))
        print(f"{path.name}: {len(distinct)} documents, {len(pool)} examples with {MINILM}: {taken[0]}; again, with")
        print(f"its vectors taken over: {taken[1]}; a query with its encoding {asked:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="*", help="numbers of examples")
    parser.add_argument("--vectors", type=Path, help="those of real sentences, made by example_vectors.py")
    parser.add_argument("--folder", type=Path, help="keeps what is made, to be taken up and measured again")
    parser.add_argument("--build-only", action="store_true", help="measures nothing yet")
    parser.add_argument("--gold", type=Path, help="a corpus to build a pool of, with MiniLM")
    arguments = parser.parse_args()
    if arguments.gold:
        measure_gold(arguments.gold)
    table = Table("index", "examples", "build s", "vectors MB", "recall@16", "median ms", "time / clinspan")
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(exist_ok=True)
        for size in arguments.sizes:
            measure(size, folder, arguments.vectors, table, build_only=arguments.build_only)
    if table.row_count:
        Console(width=140).print(table)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
