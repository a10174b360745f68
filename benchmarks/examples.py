"""What a pool of examples costs at growing sizes: building, opening, memory, and time and recall of a query.

    pip install 'usearch==2.25.3'      # the rival, by hand; 2.26.6 crashes where onnxruntime is imported after it
    OMP_NUM_THREADS=1 python benchmarks/examples.py 200000 --usearch
    OMP_NUM_THREADS=1 python benchmarks/examples.py 1000000
    python benchmarks/examples.py --gold train.pubtator       # building with MiniLM, and with an int8 index

The vectors are generated, 384 dimensions, to resemble those that MiniLM gives for the sentences of the NCBI-disease
training split in what makes search hard: mean cosine of two .21, of the nearest neighbour .59 to .88 (10 to 90 %; here
.67 to .87), half of the variance in some 40 directions. They lie around as many centres as there are fifty examples,
some centres far more often than others, some examples near to theirs and some far. Queries are drawn alike.

Building is the whole of it, from documents of ten sentences; the encoder only looks vectors up. Opening is timed in a
fresh process, queries on one thread. The first rival is the exact product with the same vectors in memory.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from clinspan.corpora import catalogue
from clinspan.document import Document, Entity, Span
from clinspan.examples.build import build
from clinspan.examples.embed import MINILM, open_encoder
from clinspan.examples.encoders import Pooling
from clinspan.examples.pool import Pool

DIMENSION = 384
QUERIES = 500
K = 16
A_CENTRE = 50
A_DOCUMENT = 10
SYLLABLES = str.split("car dio my neph ro hep at it is os te ar thr gas tr en ter al gi em ia der mat ne ur pul mon ic")
Matrix = NDArray[np.float32]


def vectors(count: int, file: Path) -> Matrix:
    """`count` vectors of length 1 in a mapped file; see the docstring above."""
    draw = np.random.default_rng(0)
    centres = max(50, count // A_CENTRE)
    spread = (np.arange(1, DIMENSION + 1) + 10.0) ** -0.8
    spread = np.sqrt(spread / spread.sum()).astype(np.float32)
    turn = np.linalg.qr(draw.standard_normal((DIMENSION, DIMENSION)))[0].astype(np.float32)
    centre = draw.standard_normal((centres, DIMENSION)).astype(np.float32) * spread
    common = draw.standard_normal(DIMENSION).astype(np.float32)
    common /= 2 * np.linalg.norm(common)
    weights = 1 / np.sqrt(np.arange(1, centres + 1))
    made = np.memmap(file, np.float32, mode="w+", shape=(count, DIMENSION))
    for start in range(0, count, 50_000):
        size = min(50_000, count - start)
        chosen = draw.choice(centres, size, p=weights / weights.sum())
        far = draw.uniform(0.4, 1.4, (size, 1)).astype(np.float32)
        part = centre[chosen] + far * draw.standard_normal((size, DIMENSION)).astype(np.float32) * spread
        part = (part / np.linalg.norm(part, axis=1, keepdims=True)) @ turn + common
        made[start : start + size] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return made


class LookUp:
    """An encoder that knows the vector of each generated sentence by the number it begins with."""

    name = "look-up"
    source = "look-up"
    pooling: Pooling = "mean"
    dimension = DIMENSION

    def __init__(self, made: Matrix):
        self.identity = f"look-up {len(made)}"
        self._made = made

    def encode(self, texts: Sequence[str]) -> Matrix:
        return self._made[[int(text.split()[1]) for text in texts]]


def documents(count: int) -> Iterator[Document]:
    """Documents of ten sentences of 12 to 30 words drawn by rank, one mention in every other sentence."""
    draw = np.random.default_rng(1)
    vocabulary = sorted({"".join(draw.choice(SYLLABLES, draw.integers(2, 5))) for _ in range(max(5_000, count // 25))})
    weights = 1 / (np.arange(len(vocabulary)) + 10.0)
    weights /= weights.sum()
    for start in range(0, count, A_DOCUMENT):
        text, entities = "", []
        for number in range(start, min(count, start + A_DOCUMENT)):
            words = [vocabulary[i] for i in draw.choice(len(vocabulary), draw.integers(12, 30), p=weights)]
            head = f"Sentence {number} "
            if number % 2:
                at = len(text) + len(head)
                entities.append(Entity(Span(at, at + len(words[0])), "disease", words[0]))
            text += f"{head}{' '.join(words)}.\n\n"
        yield Document(f"document-{start}", text, tuple(entities))


OPENING = """
import json, os, sys, time
started = time.perf_counter()
from clinspan.examples.pool import Pool
imported = time.perf_counter()
import faiss  # the library's own start is not the pool's
loaded = time.perf_counter()
pool = Pool.open(sys.argv[1])
pool[len(pool) - 1]
opened = time.perf_counter()
resident = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
print(json.dumps([opened - loaded, loaded - started, resident]))
"""


def median_ms(search: Callable[[int], object], count: int) -> float:
    times = []
    for number in range(count):
        started = time.perf_counter()
        search(number)
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1e3


def exact(made: Matrix, queries: Matrix) -> NDArray[np.int64]:
    """The indices of the nearest to each query, by comparing with all."""
    best = []
    for start in range(0, len(queries), 20):
        scores = queries[start : start + 20] @ made.T
        best.append(np.argsort(-scores, axis=1)[:, :K])
    return np.concatenate(best)


def recall(found: Sequence[Sequence[int]], truth: NDArray[np.int64]) -> float:
    return float(np.mean([len(set(a) & set(b.tolist())) / K for a, b in zip(found, truth, strict=True)]))


def measure(count: int, table: Table, *, usearch: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        every = vectors(count + QUERIES, Path(scratch, "vectors"))
        made, queries = every[:count], np.array(every[count:])
        started, cpu = time.perf_counter(), time.process_time()
        build(documents(count), Path(scratch, "pool"), labels=["disease"], encoder=LookUp(every))
        built = f"{time.perf_counter() - started:.0f} ({time.process_time() - cpu:.0f} cpu)"
        output = subprocess.run([sys.executable, "-c", OPENING, f"{scratch}/pool"], capture_output=True, check=True)
        opening, importing, resident = json.loads(output.stdout)
        pool = Pool.open(Path(scratch, "pool"))
        assert len(pool) == count
        sizes = {file.name: file.stat().st_size / 1e6 for file in Path(scratch, "pool", pool.info.generation).iterdir()}
        vector_mb = sum(size for name, size in sizes.items() if name.startswith("vectors"))
        print(f"{count:,}: " + ", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items()), flush=True)
        print(f"importing {importing:.2f} s, resident after opening {resident:.0f} MB", flush=True)
        retriever = pool.retriever(encoder=LookUp(every))
        texts = [f"Sentence {count + number}" for number in range(QUERIES)]
        truth = exact(made, queries)
        found = [[hit.index for hit in retriever.nearest([text], K)[0]] for text in texts]
        ours = median_ms(lambda i: retriever.nearest([texts[i]], K), QUERIES)
        rival = median_ms(lambda i: np.argpartition(-(made @ queries[i]), K)[:K], 20)
        words = median_ms(lambda i: pool.retriever("lexical").nearest([pool[i].text], K), 50)
        row = [f"{count:,}", built, f"{vector_mb:.0f}", f"{opening * 1e3:.0f}", f"{recall(found, truth):.4f}"]
        table.add_row(f"clinspan ({pool.info.index})", *row, f"{ours:.2f}", "1")
        table.add_row("numpy, exact", f"{count:,}", "", f"{made.nbytes / 1e6:.0f}", "", "1", *ratio(rival, ours))
        table.add_row("clinspan, lexical", f"{count:,}", "", "", "", "", *ratio(words, ours))
        if usearch:
            rival_graph(count, made, queries, truth, table, ours)


def ratio(milliseconds: float, ours: float) -> tuple[str, str]:
    return f"{milliseconds:.2f}", f"{milliseconds / ours:.1f}"


def rival_graph(count: int, made: Matrix, queries: Matrix, truth: NDArray[np.int64], table: Table, ours: float) -> None:
    from usearch.index import Index

    started, cpu = time.perf_counter(), time.process_time()
    index = Index(ndim=DIMENSION, metric="cos", dtype="f16", connectivity=16, expansion_add=128, expansion_search=192)
    index.add(np.arange(count), made, threads=1)
    built = f"{time.perf_counter() - started:.0f} ({time.process_time() - cpu:.0f} cpu)"
    found = [index.search(query, K, threads=1).keys.tolist() for query in queries]
    theirs = median_ms(lambda i: index.search(queries[i], K, threads=1), QUERIES)
    row = [f"{count:,}", built, f"{index.serialized_length / 1e6:.0f}", "", f"{recall(found, truth):.4f}"]
    table.add_row("usearch, vectors only", *row, *ratio(theirs, ours))


def measure_gold(path: Path) -> None:
    found = [document for document in catalogue.read(path, lenient=True) if isinstance(document, Document)]
    distinct = list({document.id: document for document in found}.values())
    labels = sorted({entity.label for document in distinct for entity in document.entities})
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        build(distinct, Path(scratch), labels=labels, encoder=open_encoder(MINILM))
        first = time.perf_counter() - started
        started = time.perf_counter()
        build(distinct, Path(scratch), labels=labels, encoder=open_encoder(MINILM))
        again = time.perf_counter() - started
        pool = Pool.open(Path(scratch))
        texts = [pool[i].text for i in range(50)]
        retriever = pool.retriever()
        retriever.nearest(texts[:1], K)
        asked = median_ms(lambda i: retriever.nearest([texts[i]], K), len(texts))
        print(f"{path.name}: {len(distinct)} documents, {len(pool)} examples with {MINILM}: {first:.1f} s; again, with")
        print(f"its vectors taken over: {again:.1f} s; a query with its encoding {asked:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="*", help="numbers of examples")
    parser.add_argument("--usearch", action="store_true", help="also the rival's graph")
    parser.add_argument("--gold", type=Path, help="a corpus to build a pool of, with MiniLM")
    arguments = parser.parse_args()
    if arguments.gold:
        measure_gold(arguments.gold)
    table = Table("index", "examples", "build s", "vectors MB", "open ms", "recall@16", "median ms", "time / clinspan")
    for size in arguments.sizes:
        measure(size, table, usearch=arguments.usearch)
    if arguments.sizes:
        Console(width=140).print(table)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
