"""Builds a pool and adds to it: each writes a new generation beside the old one and then replaces the manifest."""

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from clinspan.document import Document
from clinspan.errors import InputError, OutputError
from clinspan.examples import layout, lexical, store
from clinspan.examples.example import SENTENCE, cut
from clinspan.text.windows import WindowSettings


def build(
    documents: Iterable[Document], folder: str | Path, *, labels: Sequence[str], window: WindowSettings = SENTENCE
) -> None:
    """Builds the pool in `folder` from documents that have been checked.

    A pool that is already there stays in place, whole, until the new one is complete.

    Args:
        documents: with ids of their own.
        folder: the pool's.
        labels: what the documents were annotated for.
        window: how they are cut.

    Raises:
        InputError: when there is no example in the documents.
        OutputError: when `folder` cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / layout.LOCK):
            _replace(documents, folder, labels, window)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where=error.filename or str(folder)) from error


def _replace(documents: Iterable[Document], folder: Path, labels: Sequence[str], window: WindowSettings) -> None:
    current = _current(folder)
    for stale in folder.glob(layout.GENERATION + "*"):
        if stale.name != current:
            shutil.rmtree(stale, ignore_errors=True)
    generation = Path(tempfile.mkdtemp(prefix=layout.GENERATION, dir=folder))
    try:
        generation.chmod(0o755)
        manifest = _write(documents, generation, labels, window)
        draft = folder / (layout.MANIFEST + ".draft")
        with draft.open("w", encoding="utf-8") as file:
            json.dump({"folder": generation.name, **manifest}, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        shutil.rmtree(generation, ignore_errors=True)
        raise
    draft.replace(folder / layout.MANIFEST)
    if current:
        shutil.rmtree(folder / current, ignore_errors=True)


def _current(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / layout.MANIFEST).read_text(encoding="utf-8"))["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nothing that could be read, so nothing to keep


def _write(
    documents: Iterable[Document], generation: Path, labels: Sequence[str], window: WindowSettings
) -> dict[str, object]:
    writer = store.StoreWriter(generation / layout.STORE)
    texts: list[str] = []
    mentions = Counter(dict.fromkeys(labels, 0))
    empty = count = 0
    for document in documents:
        count += 1
        examples = list(cut(document, window))
        writer.add(document.id, store.hash_of(document.text), (), examples)
        texts.extend(example.text for example in examples)
        mentions.update(entity.label for example in examples for entity in example.entities)
        empty += sum(not example.entities for example in examples)
    writer.close()
    if not texts:
        raise InputError("there is no example in the documents", expected="annotated documents with text")
    lexical.write(texts, generation)
    return {
        "format": layout.FORMAT,
        "byteorder": sys.byteorder,
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        "labels": list(labels),
        "documents": count,
        "examples": len(texts),
        "empty": empty,
        "mentions": dict(mentions),
        "window": _in_words(window),
        "encoder": None,
        "index": "exact",
        "files": {file.name: file.stat().st_size for file in sorted(generation.iterdir())},
    }


def _in_words(window: WindowSettings) -> str:
    if window.max_sentences == 1:
        return "sentence"
    return f"{window.max_tokens} tokens" + (f", {window.max_sentences} sentences" if window.max_sentences else "")
