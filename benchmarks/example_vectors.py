"""Vectors to measure pools with, as many as are wanted, made out of those that MiniLM gives for real sentences.

    python benchmarks/example_vectors.py TRAIN... --vectors real.npy      # encodes the sentences, once
    python benchmarks/example_vectors.py --vectors real.npy               # how like them the made ones are

A made vector lies between that of a sentence and that of one of its 16 nearest (by a quarter of the way at most), moved
by what lies between two other neighbours (times .2 to .7), and has length 1. So it varies in the directions in
which real sentences vary, densely where they are dense. The sentences of the queries are made nothing of.

What makes search hard is shown for both at one number of vectors: the cosine of two drawn at random and that of the
nearest neighbour, and the local intrinsic dimension (Levina and Bickel, "Maximum likelihood estimation of intrinsic
dimension", 2004, over 32 neighbours).
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clinspan.corpora import catalogue
from clinspan.document import Document
from clinspan.examples.embed import MINILM, open_encoder
from clinspan.examples.store import cut

Matrix = NDArray[np.float32]

QUERIES = 500
NEIGHBOURS = 16
BETWEEN = 0.25
MOVED = (0.2, 0.7)
SAMPLED = 500
BATCH = 50_000


def encode(corpora: list[Path], file: Path) -> None:
    """Writes the vectors of all sentences of the corpora, each text once."""
    found = (document for path in corpora for document in catalogue.read(path, lenient=True))
    documents = [document for document in found if isinstance(document, Document)]
    texts = list(dict.fromkeys(example.text for document in documents for example in cut(document)))
    encoder = open_encoder(MINILM)
    parts = [encoder.encode(texts[at : at + 256]) for at in track(range(0, len(texts), 256), "encoding")]
    np.save(file, np.concatenate(parts))


def split(file: Path) -> tuple[Matrix, Matrix]:
    """The real vectors, and those among them that are queries."""
    real = np.load(file)
    order = np.random.default_rng(0).permutation(len(real))
    return real[np.sort(order[QUERIES:])], real[order[:QUERIES]]


def neighbours(real: Matrix) -> NDArray[np.int64]:
    """The nearest 16 of each vector but itself."""
    near = []
    for start in range(0, len(real), 1000):
        scores = real[start : start + 1000] @ real.T
        near.append(np.argpartition(-scores, NEIGHBOURS + 1, axis=1)[:, : NEIGHBOURS + 1].copy())
    found = np.concatenate(near)
    own = found == np.arange(len(real))[:, None]
    own[~own.any(axis=1), -1] = True  # one that stands there twice need not find itself
    nearest: NDArray[np.int64] = found[~own].reshape(len(real), NEIGHBOURS)
    return nearest


def make(count: int, real: Matrix, file: Path) -> Matrix:
    """`count` vectors in a mapped file; see the docstring above. A file that was written to its end is kept."""
    shape = (count, real.shape[1])
    done = file.with_suffix(".done")
    if done.is_file():
        return np.memmap(file, np.float32, mode="r", shape=shape)
    near = neighbours(real)
    draw = np.random.default_rng(1)
    made = np.memmap(file, np.float32, mode="w+", shape=shape)
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        one, other = draw.integers(len(real), size=(2, size))
        nearby, beside = draw.integers(NEIGHBOURS, size=(2, size))
        between = draw.uniform(0, BETWEEN, (size, 1)).astype(np.float32)
        moved = draw.uniform(*MOVED, (size, 1)).astype(np.float32)
        part = real[one] + between * (real[near[one, nearby]] - real[one])
        part += moved * (real[near[other, beside]] - real[other])
        made[start : start + size] = part / np.linalg.norm(part, axis=1, keepdims=True)
    made.flush()
    done.touch()
    return made


def hardness(vectors: Matrix, queries: Matrix, *, own: bool) -> list[str]:
    """Cosine of two, of the nearest (10, 50, 90 %), and the local intrinsic dimension, as text."""
    scores = queries @ vectors.T
    best = -np.sort(-scores, axis=1)[:, own : 33 + own]
    distances = np.sqrt(np.maximum(2 - 2 * best[:, :32], 1e-6))
    dimension = 1 / np.mean(np.log(distances[:, -1:] / distances[:, :-1]), axis=1)
    nearest = np.quantile(best[:, 0], [0.1, 0.5, 0.9])
    return [f"{scores.mean():.2f}", ", ".join(f"{value:.2f}" for value in nearest), f"{np.median(dimension):.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path, nargs="*", help="whose sentences are encoded; none: show what was made")
    parser.add_argument("--vectors", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.corpora:
        encode(arguments.corpora, arguments.vectors)
    real, queries = split(arguments.vectors)
    print(f"{len(real):,} vectors of real sentences, {len(queries)} queries")
    made = make(len(real), real, arguments.vectors.with_suffix(".made"))
    chosen = np.random.default_rng(2).choice(len(real), SAMPLED, replace=False)
    table = Table("vectors", "asked by", "cosine of two", "of the nearest: 10, 50, 90 %", "local dimension")
    table.add_row("real", "themselves", *hardness(real, real[chosen], own=True))
    table.add_row("made", "themselves", *hardness(made, np.array(made[chosen]), own=True))
    table.add_row("real", "queries", *hardness(real, queries, own=False))
    table.add_row("made", "queries", *hardness(made, queries, own=False))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
