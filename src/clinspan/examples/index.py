"""Search among vectors: exact where they are few, in a graph where they are many.

The graph is an HNSW of faiss (Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
Hierarchical Navigable Small World graphs", 2018) over vectors in half precision, which also gives the vectors back:
beside it there is no other copy of them. docs/decisions/examples.md has the measurements behind the settings.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from clinspan.errors import MissingExtra
from clinspan.examples import store
from clinspan.examples.embed import Encoder
from clinspan.examples.retrieve import Allowed, Floats, Hit, best

EXACT = "exact"
GRAPH = "hnsw"
GRAPH_FROM = 50_000
"""Examples from which on a graph is built; below, exact search takes a few milliseconds."""

_LINKS = 32
_BUILD_WIDTH = 100
_SEARCH_WIDTH = 320
_MOST_WANTED = 4096
"""Neighbours from which on comparing with all is quicker than a walk through the graph."""
_STEP = 20_000
_RECENT = 1024
"""Texts whose vectors are kept, since one text is asked about several times."""
_PURPOSE = f"searching a pool of {GRAPH_FROM:,} examples or more"


class Vectors(Protocol):
    """The vectors of a pool's examples."""

    def search(self, query: Floats, k: int, allowed: Allowed | None) -> list[Hit]:
        """The `k` examples whose vectors are nearest to `query`, of shape `(dimension,)`, best first."""
        ...

    def rows(self, indices: Sequence[int]) -> Floats:
        """The vectors of these examples, `(n, dimension)`."""
        ...


class ExactVectors:
    """All vectors in a mapped file; each is compared."""

    def __init__(self, path: Path, dimension: int):
        self._matrix: Floats = np.memmap(path, np.float32, mode="r").reshape(-1, dimension)

    def search(self, query: Floats, k: int, allowed: Allowed | None) -> list[Hit]:
        """See `Vectors.search`."""
        return best(self._matrix @ query, k, allowed=allowed)

    def rows(self, indices: Sequence[int]) -> Floats:
        """See `Vectors.rows`."""
        return np.asarray(self._matrix[list(indices)])


class GraphVectors:
    """A mapped graph; most of the vectors are never looked at."""

    def __init__(self, path: Path):
        faiss = _faiss()
        self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        self._faiss = faiss

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, query: Floats, k: int, allowed: Allowed | None) -> list[Hit]:
        """See `Vectors.search`."""
        wanted = k if allowed is None else 2 * k + 16
        while k > 0 and wanted < min(_MOST_WANTED, len(self)):
            width = self._faiss.SearchParametersHNSW(efSearch=max(_SEARCH_WIDTH, 2 * wanted))
            distances, indices = self._index.search(query[None], wanted, params=width)
            # Of vectors of length 1, the squared distance d and the cosine c have d = 2 - 2 c.
            scores = 1 - distances[0] / 2
            order = np.lexsort((indices[0], -scores))
            found = [(int(indices[0][i]), float(scores[i])) for i in order if indices[0][i] >= 0]
            hits = [Hit(i, score) for i, score in found if allowed is None or allowed(i)]
            if len(hits) >= k:
                return hits[:k]
            wanted *= 8
        # So few are allowed, or so many asked for, that the graph would have to be walked from end to end.
        return best(self._scores(query), k, allowed=allowed) if k > 0 else []

    def rows(self, indices: Sequence[int]) -> Floats:
        """See `Vectors.rows`."""
        return np.asarray(self._index.reconstruct_batch(np.asarray(indices, np.int64)), np.float32)

    def _scores(self, query: Floats) -> Floats:
        scores = np.empty(len(self), np.float32)
        for start in range(0, len(self), _STEP):
            size = min(_STEP, len(self) - start)
            scores[start : start + size] = self._index.reconstruct_n(start, size) @ query
        return scores


def write_graph(vectors: Floats, path: Path, *, onto: Path | None = None) -> None:
    """Writes the graph of `vectors`.

    Args:
        vectors: `(n, dimension)`, of length 1.
        onto: a graph that has the first of them already.
    """
    faiss = _faiss()
    if onto is None:
        index = faiss.IndexHNSWSQ(vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, _LINKS)
        index.hnsw.efConstruction = _BUILD_WIDTH
        index.train(vectors[:1])  # half precision has nothing to learn
    else:
        index = faiss.read_index(str(onto))
    for start in range(index.ntotal, len(vectors), _STEP):
        index.add(np.ascontiguousarray(vectors[start : start + _STEP]))
    faiss.write_index(index, str(path))


def _faiss() -> Any:
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise MissingExtra("faiss-cpu", "encoders", purpose=_PURPOSE) from error
    return faiss


def open_vectors(generation: Path, dimension: int, kind: str) -> Vectors:
    """The vectors of a generation, mapped.

    Raises:
        MissingExtra: when faiss is needed and not installed.
    """
    if kind == EXACT:
        return ExactVectors(generation / store.VECTORS, dimension)
    return GraphVectors(generation / store.INDEX)


class EncoderRetriever:
    """Finds examples by the cosine of their vectors and the text's; see `Retriever`."""

    def __init__(self, encoder: Encoder, vectors: Vectors):
        self.name = encoder.name
        self._encoder = encoder
        self._vectors = vectors
        self._recent: OrderedDict[str, Floats] = OrderedDict()
        self._lock = threading.Lock()

    def nearest(self, texts: Sequence[str], k: int, *, allowed: Allowed | None = None) -> list[list[Hit]]:
        """See `Retriever.nearest`."""
        return [self._vectors.search(query, k, allowed) for query in self._encoded(texts)]

    def similarities(self, text: str, indices: Sequence[int]) -> Floats:
        """See `Retriever.similarities`."""
        return np.asarray(self._vectors.rows(indices) @ self._encoded([text])[0])

    def between(self, indices: Sequence[int]) -> Floats:
        """See `Retriever.between`."""
        rows = self._vectors.rows(indices)
        return np.asarray(rows @ rows.T)

    def _encoded(self, texts: Sequence[str]) -> list[Floats]:
        with self._lock:
            known = {text: self._recent[text] for text in texts if text in self._recent}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known |= zip(new, self._encoder.encode(new), strict=True)
            with self._lock:
                self._recent |= {text: known[text] for text in new}
                while len(self._recent) > _RECENT:
                    self._recent.popitem(last=False)
        return [known[text] for text in texts]
