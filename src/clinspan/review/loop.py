"""The way back: accepted notes become examples for prompts, and gold to calibrate and tune with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clinspan.corpora.writer import JsonlWriter
from clinspan.document import Document
from clinspan.errors import InputError, OutputError
from clinspan.examples import build
from clinspan.examples.check import Gate, Rules
from clinspan.examples.pool import Pool
from clinspan.files import private_folder
from clinspan.formats.catalogue import by_name
from clinspan.review.store import Store

POOL = "pool"
GOLD = "gold.jsonl"
_FORM = "tanl"
"""The format that must be able to show an example; the others show all that it does."""


@dataclass(frozen=True, slots=True)
class Reviews:
    """Notes under review.

    Attributes:
        store: where they are; the caller closes it.
        output: the folder that pool and gold of the accepted ones are written to.
    """

    store: Store
    output: Path


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the accepted notes.

    Attributes:
        accepted: how many there are.
        pooled: documents in the pool; None where it was not built.
        examples: of the pool.
        left_out: documents that the pool did not take, by reason.
        gold: documents in the gold file; None where it was not written.
    """

    accepted: int
    pooled: int | None = None
    examples: int | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    gold: int | None = None


def write(store: Store, folder: Path, *, pool: bool = True, gold: bool = True) -> Written:
    """Writes the accepted notes as they now are to `pool` and `gold.jsonl` in a folder, in place of earlier ones.

    Both are made anew from all accepted notes: one that was corrected again or taken back leaves nothing behind.

    Raises:
        InputError: when no note was accepted, or none of them can be an example.
        OutputError: when the folder cannot be written.
    """
    documents = tuple(store.documents())
    if not documents:
        raise InputError("no note was accepted yet", fix="Accept a note first.")
    try:
        private_folder(folder)
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", where=str(folder)) from error
    if gold:
        with JsonlWriter(folder / GOLD, force=True) as writer:
            for document in documents:
                writer.write(document)
    pooled, examples, left_out = _pooled(store, documents, folder / POOL) if pool else (None, None, {})
    return Written(len(documents), pooled, examples, left_out, len(documents) if gold else None)


def _pooled(store: Store, documents: tuple[Document, ...], folder: Path) -> tuple[int, int, Mapping[str, int]]:
    labels = [label.name for label in store.labels()]
    gate = Gate(Rules(form=by_name(_FORM), skip_wrong=True))
    build.build(gate.admit(documents), folder, labels=labels)
    made = Pool.open(folder)
    try:
        return made.info.documents, len(made), dict(gate.left_out)
    finally:
        made.close()
