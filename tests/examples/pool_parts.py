"""Documents and an encoder that tests of pools build from; also run as a program, in processes of their own."""

import hashlib
import os
import signal
import sys
from pathlib import Path

import numpy as np

from clinspan.document import Document, Entity, Span
from clinspan.examples.build import add, build
from clinspan.examples.pool import Pool


def marked(id: str, text: str, *mentions: tuple[str, str]) -> Document:
    """A document in which the first occurrence of each string is an entity."""
    entities = tuple(
        Entity(Span(text.index(mention), text.index(mention) + len(mention)), label, mention)
        for mention, label in mentions
    )
    return Document(id, text, entities)


def numbered(number: int) -> Document:
    """A document unlike any other."""
    return marked(
        f"n{number}", f"Case {number} has {number}-itis of organ {number * 7}.", (f"{number}-itis", "disease")
    )


class HashEncoder:
    """Gives each text a vector of its own, remembers what it was asked, and can be told to kill its process."""

    name = "hash"
    source = "hash"
    pooling = "mean"

    def __init__(self, dimension: int = 8, *, identity: str = "hash 1", deadly: bool = False):
        self.dimension = dimension
        self.identity = identity
        self.asked: list[str] = []
        self._deadly = deadly

    def encode(self, texts):
        if self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        self.asked.extend(texts)
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") for text in texts]
        rows = np.array([np.random.default_rng(seed).standard_normal(self.dimension) for seed in seeds])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32).reshape(-1, self.dimension)


def read_until(folder: Path, stop: Path) -> None:
    """Opens the pool again and again; prints what is not whole."""
    while True:
        last = stop.exists()
        pool = Pool.open(folder)
        found = [example.document for example in pool]
        if found != [f"n{i}" for i in range(len(pool))] or pool.info.documents != len(pool):
            print(f"{pool.info.generation}: {found}")
        (hits,) = pool.retriever("lexical").nearest(["Case 0"], 1)
        if hits[0].index != 0:
            print(f"{pool.info.generation}: {hits}")
        pool.vectors(range(len(pool)))
        pool.close()
        if last:
            print(f"saw {len(found)}")
            return


if __name__ == "__main__":
    task, folder, *more = sys.argv[1:]
    match task:
        case "read":
            read_until(Path(folder), Path(more[0]))
        case "build-and-die":
            build([numbered(9)], folder, labels=["disease"], encoder=HashEncoder(deadly=True))
        case "add-and-die":
            add([numbered(9)], folder, encoder=HashEncoder(deadly=True))
