"""Builds a dictionary's index from its sources, in memory that grows with the names but stays far below their size."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from clinspan.dictionary import layout
from clinspan.dictionary.entries import Entry, Source, SourceInfo
from clinspan.dictionary.keys import Progress, index_keys
from clinspan.dictionary.tables import Tables
from clinspan.errors import DictionaryError


def build(sources: Sequence[Source], out: Path, *, progress: Progress | None = None, keep: bool = False) -> None:
    """Builds the dictionary in folder `out` from `sources`; of equal senses, those of earlier sources come first.

    An index that is already there stays in place, whole, until the new one is complete. Two builds of one folder wait
    for one another; with `keep`, the second finds the index of the first and is done.

    Raises:
        DictionaryError: when a source cannot be read, no source has a name, or `out` cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / layout.LOCK):
            if not (keep and _current(out)):
                _replace(sources, out, progress or _silent)
    except OSError as error:
        raise DictionaryError(f"cannot be written: {error.strerror}", where=error.filename or str(out)) from error


def _replace(sources: Sequence[Source], out: Path, progress: Progress) -> None:
    for stale in out.glob("index-*"):
        if stale.name != _current(out):
            shutil.rmtree(stale)
    folder = Path(tempfile.mkdtemp(prefix="index-", dir=out))
    try:
        folder.chmod(0o755)
        manifest = _write(sources, folder, progress)
        draft = out / (layout.MANIFEST + ".draft")
        draft.write_text(json.dumps({"folder": folder.name, **manifest}), encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    old = _current(out)
    draft.replace(out / layout.MANIFEST)
    if old:
        shutil.rmtree(out / old, ignore_errors=True)


def _current(out: Path) -> str | None:
    try:
        return str(json.loads((out / layout.MANIFEST).read_text(encoding="utf-8"))["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nothing that could be read, so nothing to keep


def _silent(_step: str, _done: int) -> None:
    """No progress is shown."""


def _write(sources: Sequence[Source], folder: Path, progress: Progress) -> dict[str, object]:
    with (folder / "spool").open("w+", encoding="utf-8", newline="\n") as spool:
        with Tables(folder, spool) as tables:
            for entry in merged(sources):
                tables.add(entry)
                if not tables.concepts % 1000:
                    progress("names", tables.names)
        if not tables.names:
            raise DictionaryError("there is no name in the sources")
        tables.finish()
        keys = index_keys(spool, folder, tables.acronyms, progress)
    (folder / "spool").unlink()
    return {
        "format": layout.FORMAT,
        "byteorder": sys.byteorder,
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        "concepts": tables.concepts,
        "names": tables.names,
        "definitions": tables.definitions,
        "keys": keys,
        "sources": [asdict(info) for info in _infos(sources)],
        "source_names": tables.sources,
        "typesets": tables.typesets,
        "type_definitions": {name: text for source in sources for name, text in source.type_definitions().items()},
        "files": {file.name: file.stat().st_size for file in sorted(folder.iterdir())},
    }


def _infos(sources: Sequence[Source]) -> list[SourceInfo]:
    infos: dict[str, SourceInfo] = {}
    for source in sources:
        for info in source.infos():
            infos.setdefault(info.name, info)
    return list(infos.values())


def merged(sources: Sequence[Source]) -> Iterator[Entry]:
    """The entries of all sources, those of one id made one; at most one grouped source is streamed."""
    streamed = next((source for source in sources if source.grouped), None)
    held: dict[str, list[Entry]] = {}
    for source in sources:
        if source is not streamed:
            for entry in source.entries():
                held.setdefault(entry.id, []).append(entry)
    if streamed:
        for entry in streamed.entries():
            yield _merge([entry, *held.pop(entry.id, ())])
    for entries in held.values():
        yield _merge(entries)


def _merge(entries: Sequence[Entry]) -> Entry:
    if len(entries) == 1:
        return entries[0]
    return Entry(
        entries[0].id,
        tuple(dict.fromkeys(term for entry in entries for term in entry.terms)),
        tuple(dict.fromkeys(kind for entry in entries for kind in entry.types)),
        tuple(dict.fromkeys(definition for entry in entries for definition in entry.definitions)),
    )
