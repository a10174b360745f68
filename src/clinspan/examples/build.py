"""Builds a pool and adds to it: each writes a new generation beside the old one and then replaces the manifest."""

import shutil
import sys
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from clinspan.document import Document
from clinspan.errors import ConfigError, InputError, OutputError
from clinspan.examples import retrieve, store
from clinspan.examples.embed import Encoder
from clinspan.examples.pool import Pool, check_encoder, read_manifest
from clinspan.examples.retrieve import Floats
from clinspan.examples.store import SENTENCE, EncoderInfo, cut
from clinspan.files import DRAFT, LOCK, MANIFEST, current_generation, next_generation
from clinspan.text.windows import WindowSettings

Labels = Sequence[str] | Callable[[], Sequence[str]]
"""What the documents were annotated for, or a function that tells it once they have all been read."""
_BATCH = 1024
"""Texts that are encoded at a time."""


class BuildProgress(Protocol):
    """Is told how far a step has come."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """`done` of `total`; a total of 0 means that it is not known."""
        ...


def _silent(step: str, done: int, total: int) -> None:
    """Shows no progress."""


def build(
    documents: Iterable[Document],
    folder: str | Path,
    *,
    labels: Labels,
    window: WindowSettings = SENTENCE,
    encoder: Encoder | None = None,
    progress: BuildProgress = _silent,
) -> None:
    """Builds the pool in `folder` from documents that have been checked.

    A pool that is already there stays in place, whole, until the new one is complete; vectors that it has of the same
    texts, by the same encoder, are taken over.

    Args:
        documents: with ids of their own.
        encoder: None: the pool can be searched by words alone.

    Raises:
        InputError: when there is no example in the documents, or no label.
        OutputError: when `folder` cannot be written.
        MissingExtra: when the pool is large, and the index for large pools is not installed.
    """
    folder = Path(folder).absolute()
    with _generation(folder) as (generation, finish):
        counts = _add_all(documents, generation, window, progress)
        counts["labels"] = list(labels() if callable(labels) else labels)
        if counts["documents"] and not counts["labels"]:
            raise InputError(
                "no document has an annotation, and nothing says what they were annotated for",
                expected="annotated documents",
                fix="Where there is truly nothing to mark, name the label set: --labels.",
            )
        counts["mentions"] = {**dict.fromkeys(counts["labels"], 0), **counts["mentions"]}
        finish(_index(generation, counts, window, encoder, before=_open(folder), grown=False, progress=progress))


def add(
    documents: Iterable[Document],
    folder: str | Path,
    *,
    labels: Labels = (),
    encoder: Encoder | None = None,
    progress: BuildProgress = _silent,
) -> None:
    """Adds documents that have been checked to the pool in `folder`; only what is new is encoded.

    Args:
        documents: with ids that the pool does not have.
        labels: further labels that the documents were annotated for.

    Raises:
        InputError: when there is no pool.
        ModelError: when the encoder is not the pool's.
        OutputError: when `folder` cannot be written.
    """
    folder = Path(folder).absolute()
    read_manifest(folder)
    with _generation(folder) as (generation, finish):
        before = Pool.open(folder)
        about = read_manifest(folder)
        if before.info.encoder is not None:
            check_encoder(encoder, before.info)
        window = WindowSettings(**about["window"])
        shutil.copyfile(folder / about["folder"] / store.STORE, generation / store.STORE)
        counts = _add_all(documents, generation, window, progress, onto=about)
        counts["labels"] = list(dict.fromkeys([*about["labels"], *(labels() if callable(labels) else labels)]))
        encoder = encoder if before.info.encoder else None
        finish(_index(generation, counts, window, encoder, before=before, grown=True, progress=progress))


@contextmanager
def _generation(folder: Path) -> Iterator[tuple[Path, Callable[[Mapping[str, object]], None]]]:
    """As `files.next_generation`; nothing but a pool is written over."""
    own = (MANIFEST, DRAFT, LOCK)
    try:
        others = sorted(file.name for file in folder.iterdir() if file.name not in own) if folder.exists() else []
        foreign = [name for name in others if not name.startswith(store.GENERATION)]
        if foreign and current_generation(folder) is None:
            raise OutputError(
                f"the folder holds other files ({foreign[0]})", where=str(folder), fix="Name a new folder."
            )
        with next_generation(folder, store.GENERATION) as new:
            yield new
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where=error.filename or str(folder)) from error


def _open(folder: Path) -> Pool | None:
    """The pool that is there, if it can be read; one that cannot is about to be replaced."""
    try:
        return Pool.open(folder)
    except InputError:
        return None


def _add_all(
    documents: Iterable[Document],
    generation: Path,
    window: WindowSettings,
    progress: BuildProgress,
    *,
    onto: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes the documents into a generation, and gives its counts; `onto` has those of what is there already."""
    counts: Mapping[str, Any] = onto or {"documents": 0, "empty": 0, "mentions": {}}
    mentions = Counter(counts["mentions"])
    empty, number = counts["empty"], 0
    writer = store.StoreWriter(generation / store.STORE)
    for number, document in enumerate(documents, 1):
        kept = writer.add(document, cut(document, window))
        mentions.update(entity.label for example in kept for entity in example.entities)
        empty += sum(not example.entities for example in kept)
        progress("reading documents", number, 0)
    writer.close()
    return {"documents": counts["documents"] + number, "empty": empty, "mentions": dict(mentions)}


def _index(
    generation: Path,
    counts: dict[str, Any],
    window: WindowSettings,
    encoder: Encoder | None,
    *,
    before: Pool | None,
    grown: bool,
    progress: BuildProgress,
) -> dict[str, Any]:
    """Writes the indexes of a generation's examples, and gives its manifest."""
    examples = store.Store(generation / store.STORE)
    ((number,),) = examples.rows("select count(*) from examples")
    if not number:
        raise InputError("there is no example in the documents", expected="annotated documents with text")
    progress("indexing words", 0, number)
    retrieve.write_lexical((text for (text,) in examples.each("select text from examples order by number")), generation)
    kind = retrieve.EXACT
    if encoder is not None:
        kind = write_vectors(examples, number, generation, encoder, before=before, grown=grown, progress=progress)
    examples.close()
    return {
        "format": store.FORMAT,
        "byteorder": sys.byteorder,
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        **counts,
        "examples": number,
        "window": asdict(window),
        "encoder": asdict(_about(encoder)) if encoder else None,
        "index": kind,
        "files": {file.name: file.stat().st_size for file in sorted(generation.iterdir())},
    }


def _about(encoder: Encoder) -> EncoderInfo:
    return EncoderInfo(encoder.name, encoder.source, encoder.pooling, encoder.identity, encoder.dimension)


def write_vectors(
    examples: store.Store,
    number: int,
    generation: Path,
    encoder: Encoder,
    *,
    before: Pool | None,
    grown: bool,
    progress: BuildProgress,
) -> str:
    """Writes the vectors of all examples, in their order, and the graph where they are many.

    Args:
        before: the generation before, whose vectors are used where it has the text and the encoder.
        grown: whether the examples of the generation before are the first of this one.

    Returns:
        The kind of index.
    """
    path = generation / store.VECTORS
    vectors = np.memmap(path, np.float32, mode="w+", shape=(number, encoder.dimension))
    known = before if before is not None and _same(before, encoder) else None
    for start in range(0, number, _BATCH):
        rows = examples.rows(
            "select text, hash from examples where number >= ? and number < ? order by number", start, start + _BATCH
        )
        vectors[start : start + len(rows)] = _encoded(rows, encoder, known)
        progress("encoding", start + len(rows), number)
    vectors.flush()
    if number < retrieve.GRAPH_FROM:
        return retrieve.EXACT
    progress("linking vectors", 0, number)
    onto = None
    if grown and known is not None and known.info.index == retrieve.GRAPH:
        onto = known.info.path / known.info.generation / store.INDEX
    retrieve.write_graph(vectors, generation / store.INDEX, onto=onto)
    del vectors
    path.unlink()
    return retrieve.GRAPH


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


def temporary(documents: Iterable[Document], *, labels: Sequence[str]) -> Pool:
    """A pool of documents in a folder of its own, which goes when the pool does.

    Of documents with one id or one text the first is taken.

    Raises:
        ConfigError: when none of their labels is among `labels`.
        InputError: when there is no example in them.
    """
    documents = list(documents)
    found = {entity.label for document in documents for entity in document.entities}
    if found and not found & set(labels):
        raise ConfigError(
            f"the examples have the labels {', '.join(sorted(found))} and none that is asked for",
            expected=", ".join(labels),
            fix="Rename them with --map FROM=TO.",
        )
    folder = Path(tempfile.mkdtemp(prefix="clinspan-pool-"))
    try:
        build(_once(documents), folder, labels=labels)
        pool = Pool.open(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(pool, shutil.rmtree, folder, ignore_errors=True)
    return pool


def _once(documents: Iterable[Document]) -> Iterator[Document]:
    ids: set[str] = set()
    texts: set[str] = set()
    for document in documents:
        if document.id not in ids and document.text not in texts:
            ids.add(document.id)
            texts.add(document.text)
            yield document
