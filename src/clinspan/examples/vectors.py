"""Writes the vectors of a generation: those that the one before it has are taken over, the others encoded."""

from pathlib import Path
from typing import Protocol

import numpy as np

from clinspan.examples import index, layout, store
from clinspan.examples.encoders import Encoder
from clinspan.examples.pool import Pool
from clinspan.examples.retrieve import Floats

_BATCH = 1024


class Progress(Protocol):
    """Is told how far a step has come."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """`done` of `total`; a total of 0 means that it is not known."""
        ...


def silent(step: str, done: int, total: int) -> None:
    """Shows no progress."""


def write_vectors(
    examples: store.Store,
    number: int,
    generation: Path,
    encoder: Encoder,
    *,
    before: Pool | None,
    grown: bool,
    progress: Progress,
) -> str:
    """Writes the vectors of all examples, in their order, and the graph where they are many.

    Args:
        examples: of the new generation.
        number: how many there are.
        generation: its folder.
        encoder: for those that are new.
        before: the generation before, whose vectors are used where it has the text and the encoder.
        grown: whether the examples of the generation before are the first of this one.
        progress: is told how far it has come.

    Returns:
        The kind of index.
    """
    path = generation / layout.VECTORS
    vectors = np.memmap(path, np.float32, mode="w+", shape=(number, encoder.dimension))
    known = before if before is not None and _same(before, encoder) else None
    for start in range(0, number, _BATCH):
        rows = examples.rows(
            "select text, hash from examples where number >= ? and number < ? order by number", start, start + _BATCH
        )
        vectors[start : start + len(rows)] = _encoded(rows, encoder, known)
        progress("encoding", start + len(rows), number)
    vectors.flush()
    if number < index.GRAPH_FROM:
        return index.EXACT
    progress("linking vectors", 0, number)
    onto = None
    if grown and known is not None and known.info.index == index.GRAPH:
        onto = known.info.path / known.info.generation / layout.INDEX
    index.write_graph(vectors, generation / layout.INDEX, onto=onto)
    del vectors
    path.unlink()
    return index.GRAPH


def _same(before: Pool, encoder: Encoder) -> bool:
    return before.info.encoder is not None and before.info.encoder.identity == encoder.identity


def _encoded(rows: list[tuple[str, bytes]], encoder: Encoder, known: Pool | None) -> Floats:
    """The vectors of a batch of texts with their hashes."""
    result = np.empty((len(rows), encoder.dimension), np.float32)
    found = known.numbers_of([hash for _, hash in rows]) if known is not None else {}
    old = [(place, found[hash]) for place, (_, hash) in enumerate(rows) if hash in found]
    if old and known is not None:
        result[[place for place, _ in old]] = known.vectors([number for _, number in old])
    new = [place for place, (_, hash) in enumerate(rows) if hash not in found]
    if new:
        result[new] = encoder.encode([rows[place][0] for place in new])
    return result
