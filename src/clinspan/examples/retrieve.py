"""What finds examples that resemble a text: the contract, search by words, and search among vectors.

Search by words is BM25, which needs no model. The weight of a term in an example does not depend on the query, so it is
computed when the index is written (the eager scoring of Lù, "BM25S", 2024); a query adds up a few slices of one mapped
array. Weights are those of Lucene (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond",
2009), each term of a query counting once. A score is given as a share of the most that the query could reach, which
makes queries comparable: 1 would be an endless repetition of all its terms.

Among vectors search is exact where they are few. Where they are many it goes by an HNSW graph of faiss (Malkov and
Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World graphs",
2018) over vectors in half precision, which also gives the vectors back: beside it there is no other copy of them.
docs/decisions/examples.md has the measurements behind the settings.
"""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import marisa_trie
import numpy as np
from numpy.typing import NDArray

from clinspan.dictionary.normalise import tokenise
from clinspan.errors import MissingExtra
from clinspan.examples import store
from clinspan.examples.embed import Encoder

Floats = NDArray[np.float32]
Allowed = Callable[[int], bool]
"""Whether an example, given by its index, may be taken."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An example of the pool by its index, and how much it resembles the text; 1 is the most there can be."""

    index: int
    similarity: float


class Retriever(Protocol):
    """Finds the examples of a pool that resemble a text. Any thread may ask.

    Attributes:
        name: `lexical`, or the encoder's.
    """

    name: str

    def nearest(self, texts: Sequence[str], k: int, *, allowed: Allowed | None = None) -> list[list[Hit]]:
        """For each text the `k` nearest examples, best first; of equals the one with the lower index comes first.

        There are fewer where fewer are allowed, or where fewer have anything in common with the text (lexical).
        """
        ...

    def similarities(self, text: str, indices: Sequence[int]) -> Floats:
        """How much the examples with these indices resemble a text, in their order, `(n,)`."""
        ...

    def between(self, indices: Sequence[int]) -> Floats:
        """How much the examples with these indices resemble one another, n x n, symmetric, the diagonal 1."""
        ...


def best(scores: Floats, k: int, *, allowed: Allowed | None = None, above: float = -np.inf) -> list[Hit]:
    """The `k` best of the scores that are over `above`, by falling score and then by index.

    Args:
        allowed: which examples may be taken; it is asked about the best alone, until there are enough.
    """
    wanted = min(len(scores), max(4 * k, 64))
    while wanted > 0 and k > 0:
        floor = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
        # All of those that equal the last one, so that the order among equals does not hang on the partition.
        chosen = np.flatnonzero((scores >= floor) & (scores > above))
        hits: list[Hit] = []
        for index in chosen[np.lexsort((chosen, -scores[chosen]))].tolist():
            if allowed is None or allowed(index):
                hits.append(Hit(index, float(scores[index])))
                if len(hits) == k:
                    return hits
        if wanted == len(scores) or floor <= above:
            return hits
        wanted = min(len(scores), 8 * wanted)
    return []


K1 = 1.2
B = 0.75


def terms(text: str) -> list[str]:
    """The normal forms of a text's words, without punctuation."""
    return [form for form in tokenise(text).forms if any(map(str.isalnum, form))]


def write_lexical(texts: Iterable[str], folder: Path) -> None:
    """Writes the index that `LexicalRetriever` reads, of `texts` in their order, into `folder`."""
    numbers: dict[str, int] = {}
    flat, lengths = array("I"), array("I")
    for text in texts:
        found = [numbers.setdefault(term, len(numbers)) for term in terms(text)]
        flat.extend(found)
        lengths.append(len(found))
    trie = marisa_trie.Trie(numbers)
    trie.save(str(folder / store.TERMS))
    order = np.empty(len(numbers), np.int64)
    for term, number in numbers.items():
        order[number] = trie[term]
    size = np.asarray(lengths, np.int64)
    example = np.repeat(np.arange(len(size)), size)
    # One number for each pair of term and example, so that a sort brings a term's examples together in order.
    pairs = order[np.asarray(flat, np.int64)] * max(1, len(size)) + example
    pairs, counts = np.unique(pairs, return_counts=True)
    of_term, of_example = np.divmod(pairs, max(1, len(size)))
    frequencies = np.bincount(of_term, minlength=len(numbers))
    length = size / max(1.0, size.mean() if len(size) else 1.0)
    scale = K1 * (1 - B + B * length)[of_example]
    weights = _idf(frequencies, len(size))[of_term] * counts / (counts + scale)
    np.concatenate([[0], np.cumsum(frequencies)]).astype("<u8").tofile(folder / store.TERM_STARTS)
    of_example.astype("<u4").tofile(folder / store.TERM_EXAMPLES)
    weights.astype("<f4").tofile(folder / store.TERM_WEIGHTS)


def _idf(frequencies: NDArray[np.int64], examples: int) -> NDArray[np.float64]:
    return np.asarray(np.log1p((examples - frequencies + 0.5) / (frequencies + 0.5)))


def mapped(path: Path, kind: str) -> NDArray[Any]:
    """The file as an array that the system reads where it is touched; an empty file cannot be mapped."""
    return np.memmap(path, kind, mode="r") if path.stat().st_size else np.empty(0, kind)


class LexicalRetriever:
    """Finds examples by the words they share with a text, the rare ones counting most."""

    name = "lexical"

    def __init__(self, folder: Path, examples: int, text_of: Callable[[int], str]):
        self._trie = marisa_trie.Trie()
        self._trie.mmap(str(folder / store.TERMS))
        self._starts = mapped(folder / store.TERM_STARTS, "<u8")
        self._examples = mapped(folder / store.TERM_EXAMPLES, "<u4")
        self._weights = mapped(folder / store.TERM_WEIGHTS, "<f4")
        self._size = examples
        self._text_of = text_of

    def nearest(self, texts: Sequence[str], k: int, *, allowed: Allowed | None = None) -> list[list[Hit]]:
        """See `Retriever.nearest`; an example that shares no word with the text is not among them."""
        return [best(self._scores(text), k, allowed=allowed, above=0.0) for text in texts]

    def similarities(self, text: str, indices: Sequence[int]) -> Floats:
        """See `Retriever.similarities`."""
        return np.asarray(self._scores(text)[list(indices)])

    def between(self, indices: Sequence[int]) -> Floats:
        """See `Retriever.between`: the score of the one as a query for the other, each relative to itself, averaged."""
        chosen = list(indices)
        scores = np.stack([self._scores(self._text_of(i))[chosen] for i in chosen]) if chosen else np.empty((0, 0))
        own: Floats = np.diagonal(scores).astype(np.float32)
        relative = scores / np.where(own > 0, own, 1)[:, None]
        result = np.minimum((relative + relative.T) / 2, 1).astype(np.float32)
        np.fill_diagonal(result, 1)
        return result

    def _scores(self, text: str) -> Floats:
        scores = np.zeros(self._size, np.float32)
        most = 0.0
        for term in dict.fromkeys(terms(text)):
            number = self._trie.get(term)
            if number is None:
                most += float(_idf(np.zeros(1, np.int64), self._size)[0])
                continue
            start, end = int(self._starts[number]), int(self._starts[number + 1])
            most += float(_idf(np.array([end - start]), self._size)[0])
            # An example stands at most once in a term's slice, so plain indexing adds right.
            scores[self._examples[start:end]] += self._weights[start:end]
        return scores / most if most else scores


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
