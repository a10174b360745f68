"""A dictionary's files, the tries mapped and the rest read where asked: numbers in, terms and concepts out."""

import json
import mmap
import os
import struct
import sys
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import marisa_trie

from clinspan.dictionary import layout
from clinspan.dictionary.layout import SourceInfo
from clinspan.errors import DictionaryError
from clinspan.files import MANIFEST

Read = Callable[[int, int], bytes]
"""From an offset and a number of bytes to these bytes."""

_NUMBER = struct.Struct("=I")
_TWO_NUMBERS = struct.Struct("=II")
_TWO_PLACES = struct.Struct("=QQ")


def _reader(file: Path, owner: object) -> Read:
    """Reads `file` until `owner` is gone; any thread and any forked process may read at once."""
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    if hasattr(os, "pread"):
        weakref.finalize(owner, os.close, handle)
        return lambda offset, size: os.pread(handle, size, offset)
    try:  # where the system cannot read at a place (Windows), the file is mapped
        mapped = mmap.mmap(handle, 0, access=mmap.ACCESS_READ) if file.stat().st_size else b""
    finally:
        os.close(handle)
    return lambda offset, size: mapped[offset : offset + size]


class Numbers:
    """Unsigned numbers of 32 bits."""

    def __init__(self, file: Path):
        self._read = _reader(file, self)

    def __getitem__(self, place: int) -> int:
        number: int = _NUMBER.unpack(self._read(place * 4, 4))[0]
        return number

    def pair(self, place: int) -> tuple[int, int]:
        """The number at `place` and the next."""
        first, second = _TWO_NUMBERS.unpack(self._read(place * 4, 8))
        return first, second

    def slice(self, start: int, end: int) -> Sequence[int]:
        """The numbers from `start` up to `end`."""
        return memoryview(self._read(start * 4, (end - start) * 4)).cast("I")


class Bytes:
    """Unsigned numbers of 8 bits."""

    def __init__(self, file: Path):
        self._read = _reader(file, self)

    def __getitem__(self, place: int) -> int:
        return self._read(place, 1)[0]


class Texts:
    """Texts one after the other in UTF-8, and the file that says where each starts."""

    def __init__(self, texts: Path, starts: Path):
        self._read = _reader(texts, self)
        self._starts = _reader(starts, self)

    def __getitem__(self, place: int) -> str:
        start, end = _TWO_PLACES.unpack(self._starts(place * 8, 16))
        return self._read(start, end - start).decode("utf-8")


_REBUILD = "Build it again with: clinspan dictionary build"


class Index:
    """The files; read-only, so any number of processes share the memory. Reads nothing until asked.

    Raises:
        DictionaryError: when `path` holds no index, a part of one, or one of another version.
    """

    def __init__(self, path: Path):
        self.path = path
        manifest = read_manifest(path)
        folder = path / manifest["folder"]
        for name, size in manifest["files"].items():
            file = folder / name
            found = file.stat().st_size if file.exists() else None
            if found != size:
                problem = "is missing" if found is None else f"has {found} bytes"
                raise DictionaryError(problem, where=str(file), expected=f"{size} bytes", fix=_REBUILD)
        self.info = layout.Info(
            bytes=sum(manifest["files"].values()),
            sources=tuple(SourceInfo(**source) for source in manifest["sources"]),
            **{name: manifest[name] for name in ("built", "concepts", "names", "definitions", "keys", "crosswalks")},
        )
        ranks = {source.name: rank for rank, source in enumerate(self.info.sources)}
        self.source_names: list[str] = manifest["source_names"]
        self.source_ranks = [ranks.get(name, len(ranks)) for name in self.source_names]
        self.typesets: list[tuple[str, ...]] = [tuple(types) for types in manifest["typesets"]]
        self.type_definitions: dict[str, str] = manifest["type_definitions"]
        self.keys = _trie(folder / layout.KEYS)
        self.tokens = _trie(folder / layout.TOKENS)
        self.deletions = _trie(folder / layout.DELETIONS)
        self.posting_starts = Numbers(folder / layout.POSTING_STARTS)
        self.postings = Numbers(folder / layout.POSTINGS)
        self.name_concepts = Numbers(folder / layout.NAME_CONCEPTS)
        self.name_sources = Bytes(folder / layout.NAME_SOURCES)
        self.name_flags = Bytes(folder / layout.NAME_FLAGS)
        self.names = Texts(folder / layout.NAMES, folder / layout.NAME_STARTS)
        self.concept_ids = Texts(folder / layout.CONCEPT_IDS, folder / layout.CONCEPT_ID_STARTS)
        self.concept_names = Numbers(folder / layout.CONCEPT_NAMES)
        self._concept_types = Numbers(folder / layout.CONCEPT_TYPES)
        self._concept_definitions = Numbers(folder / layout.CONCEPT_DEFINITIONS)
        self._definitions = Texts(folder / layout.DEFINITIONS, folder / layout.DEFINITION_STARTS)
        self._stated = Texts(folder / layout.EQUIVALENTS, folder / layout.EQUIVALENT_STARTS)
        self._codes = _trie(folder / layout.CODES)
        self._code_starts = Numbers(folder / layout.CODE_STARTS)
        self._code_concepts = Numbers(folder / layout.CODE_CONCEPTS)

    def having(self, key: int) -> Sequence[int]:
        """The numbers of the names that have this key."""
        return self.postings.slice(*self.posting_starts.pair(key))

    def names_of(self, concept: int) -> range:
        """The numbers of a concept's names, which stand together."""
        first = last = self.concept_names[concept]
        while first and self.name_concepts[first - 1] == concept:
            first -= 1
        while last + 1 < self.info.names and self.name_concepts[last + 1] == concept:
            last += 1
        return range(first, last + 1)

    def types(self, concept: int) -> tuple[str, ...]:
        """Names of a concept's semantic types."""
        return self.typesets[self._concept_types[concept]]

    def definition(self, concept: int) -> str:
        """The first of a concept's definitions, empty when it has none."""
        first, end = self._concept_definitions.pair(concept)
        return self._definitions[first] if first < end else ""

    def stated(self, concept: int) -> Sequence[str]:
        """The ids that a concept's source states for it in other vocabularies."""
        return self._stated[concept].split()

    def coded(self, code: str) -> Sequence[int]:
        """The concepts that have an id or state it, its owner first; none where no concept states it."""
        place = self._codes.get(code)
        return () if place is None else self._code_concepts.slice(*self._code_starts.pair(place))


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the dictionary in folder `path`.

    Raises:
        DictionaryError: when there is none, it is damaged, or of another version or machine.
    """
    file = path / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise DictionaryError("there is no dictionary here", where=str(path), fix=_REBUILD) from None
    except (OSError, ValueError) as error:
        raise DictionaryError(f"cannot be read: {error}", where=str(file), fix=_REBUILD) from error
    if not isinstance(manifest, dict) or manifest.get("format") != layout.FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else None
        raise DictionaryError(
            f"is of format {found}", where=str(file), expected=f"format {layout.FORMAT}", fix=_REBUILD
        )
    missing = sorted(layout.MANIFEST_KEYS - manifest.keys())
    if missing:
        raise DictionaryError(f"lacks {', '.join(missing)}", where=str(file), fix=_REBUILD)
    if manifest["byteorder"] != sys.byteorder:
        raise DictionaryError("was built on a machine of the other byte order", where=str(file), fix=_REBUILD)
    return manifest


def _trie(file: Path) -> marisa_trie.Trie:
    trie = marisa_trie.Trie()
    trie.mmap(str(file))
    return trie
