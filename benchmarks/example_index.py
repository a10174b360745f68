"""Which index a pool's vectors are searched with: building, size, recall and time of each at one number of vectors.

    pip install 'usearch==2.25.3'      # a rival, by hand; 2.26.6 crashes where onnxruntime is imported after it
    OMP_NUM_THREADS=1 python benchmarks/example_index.py 60000 --vectors real.npy
    OMP_NUM_THREADS=1 python benchmarks/example_index.py 250000 --vectors real.npy --only hnsw16-100 hnsw32-100 flat

`real.npy` and the vectors made of it: see `example_vectors`. Queries are real sentences, one at a time on one thread.
Building counts seconds of the processor, and is on one thread too.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from example_vectors import Matrix, make, split
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

K = 16
Found = NDArray[np.int64]
HALF, BYTES = faiss.ScalarQuantizer.QT_fp16, faiss.ScalarQuantizer.QT_8bit


@dataclass(frozen=True)
class Built:
    """An index: its megabytes, and what searches it, by the width of the search."""

    megabytes: float
    searches: dict[str, Callable[[Matrix], Found]]


def exact(made: Matrix, queries: Matrix) -> Found:
    """The indices of the nearest 16 of each query, best first, by comparing with all."""
    best = []
    for start in range(0, len(queries), 20):
        scores = queries[start : start + 20] @ made.T
        top = np.argpartition(-scores, K, axis=1)[:, :K]
        order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1)
        best.append(np.take_along_axis(top, order, axis=1))
    return np.concatenate(best)


def recall(found: Iterator[Found] | list[Found], truth: Found) -> tuple[float, float, float]:
    """The share of the nearest 16 that were found, and its 95 % interval by bootstrap over the queries."""
    pairs = zip(found, truth, strict=True)
    shares = np.array([len(set(a.tolist()) & set(b.tolist())) / K for a, b in pairs])
    drawn = np.random.default_rng(0).choice(shares, (2000, len(shares))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(shares.mean()), float(low), float(high)


def median_ms(search: Callable[[int], object], count: int) -> float:
    """Of `count` calls, each with its number."""
    times = []
    for number in range(count):
        started = time.perf_counter()
        search(number)
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1e3


def _asked(search: Callable[[Matrix], object], queries: Matrix, number: int) -> object:
    return search(queries[number])


def hnsw(kind: int, links: int, width: int, made: Matrix) -> Built:
    index = faiss.IndexHNSWSQ(made.shape[1], kind, links)
    index.hnsw.efConstruction = width
    index.train(made[:20_000])
    index.add(made)
    return _faiss(index, {f"{w}": faiss.SearchParametersHNSW(efSearch=w) for w in (128, 192, 256)})


def inverted(kind: int, made: Matrix) -> Built:
    lists = int(4 * len(made) ** 0.5)
    index = faiss.index_factory(made.shape[1], f"IVF{lists},SQ{'fp16' if kind == HALF else '8'}")
    index.train(made[:: max(1, len(made) // 50_000)])
    index.add(made)
    return _faiss(index, {f"{n} of {lists}": faiss.SearchParametersIVF(nprobe=n) for n in (32, 64, 128)})


def flat(made: Matrix) -> Built:
    index = faiss.IndexFlatIP(made.shape[1])
    index.add(made)
    return _faiss(index, {"all": None})


def _faiss(index: Any, widths: dict[str, Any]) -> Built:
    with tempfile.NamedTemporaryFile() as file:
        faiss.write_index(index, file.name)
        size = Path(file.name).stat().st_size / 1e6
    return Built(
        size, {n: partial(lambda q, w: index.search(q[None], K, params=w)[1][0], w=w) for n, w in widths.items()}
    )


def numpy_all(made: Matrix) -> Built:
    return Built(made.nbytes / 1e6, {"all": lambda query: np.argpartition(-(made @ query), K)[:K]})


def usearch(made: Matrix) -> Built:
    from usearch.index import Index

    def searching(width: int) -> Callable[[Matrix], Found]:
        def search(query: Matrix) -> Found:
            index.expansion_search = width
            return np.asarray(index.search(query, K, threads=1).keys, np.int64)

        return search

    index = Index(ndim=made.shape[1], metric="cos", dtype="f16", connectivity=16, expansion_add=128)
    index.add(np.arange(len(made)), made, threads=1)
    return Built(index.serialized_length / 1e6, {f"{width}": searching(width) for width in (128, 192, 256)})


KINDS: dict[str, tuple[str, Callable[[Matrix], Built]]] = {
    **{
        f"hnsw{links}-{width}": (
            f"faiss HNSW, half precision, {links} links, width {width} to build",
            partial(hnsw, HALF, links, width),
        )
        for links, width in ((16, 64), (16, 100), (32, 100))
    },
    "hnsw32-8bit": ("faiss HNSW, 8 bits, 32 links, width 100 to build", partial(hnsw, BYTES, 32, 100)),
    "inverted": ("faiss inverted lists, half precision", partial(inverted, HALF)),
    "inverted-8bit": ("faiss inverted lists, 8 bits", partial(inverted, BYTES)),
    "usearch": ("usearch HNSW, half precision, 16 links, width 128 to build", usearch),
    "flat": ("faiss, all of them", flat),
    "numpy": ("numpy, all of them", numpy_all),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS))
    arguments = parser.parse_args()
    real, queries = split(arguments.vectors)
    table = Table(f"{arguments.count:,} vectors", "MB", "build s", "search width", "recall@16", "median ms")
    with tempfile.TemporaryDirectory() as scratch:
        made = np.array(make(arguments.count, real, Path(scratch, "made")))
        truth = exact(made, queries)
        for chosen in arguments.only:
            name, build = KINDS[chosen]
            started = time.process_time()
            built = build(made)
            seconds = time.process_time() - started
            for width, search in built.searches.items():
                count = len(queries) if width != "all" else 50
                share, low, high = recall([search(query) for query in queries[:count]], truth[:count])
                each = median_ms(partial(_asked, search, queries), count)
                row = [
                    f"{built.megabytes:.0f}",
                    f"{seconds:.1f}",
                    width,
                    f"{share:.4f} ({low:.4f} to {high:.4f})",
                    f"{each:.2f}",
                ]
                table.add_row(name, *row)
                print(name, *row, sep="; ", flush=True)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
