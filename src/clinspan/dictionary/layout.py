"""The files of a dictionary and what is in them: `build` writes them, and an `Index` reads them.

A dictionary's folder holds `manifest.json` and one folder with the files it names. A build writes a new folder and then
replaces the manifest, so that a reader sees the old index or the new one and never a mixture. The tries are mapped and
the rest is read where asked: numbers in, terms and concepts out.
"""

import json
import mmap
import os
import re
import struct
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import marisa_trie

from clinspan.errors import DictionaryError
from clinspan.files import MANIFEST

FORMAT = 4
"""Raised whenever the files, the normal forms or the packaged vocabularies' reading change."""
MANIFEST_KEYS = frozenset(
    {"folder", "format", "byteorder", "built", "concepts", "names", "definitions", "keys"}
    | {"sources", "source_names", "typesets", "type_definitions", "files", "crosswalks"}
)

KEYS = "keys.marisa"
"""Trie of all normal forms, each followed by a space, so that a prefix of a text ends where a token ends."""
TOKENS = "tokens.marisa"
"""Trie of the tokens of letters in the normal forms: a word that is in it is not misspelt."""
DELETIONS = "deletions.marisa"
"""Trie of `token less one letter` + SEPARATOR + `token`, for misspellings."""
SEPARATOR = "\x1f"
POSTING_STARTS = "posting_starts.u32"
"""For key k, its names are POSTINGS[starts[k]:starts[k + 1]]."""
POSTINGS = "postings.u32"
NAMES = "names.utf8"
NAME_STARTS = "name_starts.u64"
NAME_CONCEPTS = "name_concepts.u32"
NAME_SOURCES = "name_sources.u8"
NAME_FLAGS = "name_flags.u8"
PREFERRED = 1
CONCEPT_IDS = "concept_ids.utf8"
CONCEPT_ID_STARTS = "concept_id_starts.u64"
CONCEPT_NAMES = "concept_names.u32"
"""For each concept the number of its preferred name."""
CONCEPT_TYPES = "concept_types.u32"
"""For each concept the number of its tuple of types in the manifest's `typesets`."""
CONCEPT_DEFINITIONS = "concept_definitions.u32"
"""Concept c has the definitions [c, c + 1) of this list of starts."""
DEFINITIONS = "definitions.utf8"
DEFINITION_STARTS = "definition_starts.u64"
EQUIVALENTS = "equivalents.utf8"
EQUIVALENT_STARTS = "equivalent_starts.u64"
"""For each concept the ids that its source states for it in other vocabularies, parted by spaces."""
CODES = "codes.marisa"
"""Trie of all ids that any concept states, in small letters."""
CODE_STARTS = "code_starts.u32"
"""For id k, the concepts that have or state it are CODE_CONCEPTS[starts[k]:starts[k + 1]], its owner first."""
CODE_CONCEPTS = "code_concepts.u32"

LONGEST_KEY = 160
"""Characters of a normal form; longer names (chemical formulas, mostly) can be found by `find` alone."""
MISSPELT_FROM = 6
"""Letters of the shortest word that may be misspelt."""
_CUI = re.compile(r"C\d{7}")


@dataclass(frozen=True, slots=True)
class Term:
    """A name of a concept. `preferred` for the one its source shows; `source` is the vocabulary's short name."""

    text: str
    source: str
    preferred: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A concept as a source gives it.

    Attributes:
        id: the source's own identifier; entries of one id are one concept.
        terms: none in a source of equivalents alone, whose entries add to those of other sources.
        equivalents: ids of other vocabularies that the source states for the same, such as `MESH:D009203`.

    Raises:
        ValueError: when an equivalent is not `VOCABULARY:ID`, without a space.
    """

    id: str
    terms: tuple[Term, ...]
    types: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()
    equivalents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for code in self.equivalents:
            if not is_code(code):
                raise ValueError(f"an equivalent is VOCABULARY:ID without a space, not {code!r}")


def is_code(code: str) -> bool:
    """Whether it is an id with its vocabulary before it, as `MESH:D009203` is."""
    vocabulary, colon, identifier = code.partition(":")
    return bool(vocabulary and colon and identifier) and not any(c.isspace() for c in code)


def code_of(identifier: str) -> str:
    """An id as other vocabularies state it, in small letters: those of UMLS stand without their vocabulary."""
    return (f"UMLS:{identifier}" if _CUI.fullmatch(identifier) else identifier).casefold()


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A vocabulary: short name, version or date, licence, and the file it was read from."""

    name: str
    version: str
    licence: str
    origin: str


class Source(Protocol):
    """A vocabulary that can be read.

    Attributes:
        grouped: True when all terms of an id come in one entry and the source may be too large for memory.
    """

    grouped: bool

    def infos(self) -> tuple[SourceInfo, ...]:
        """The vocabularies in it; right after `entries` has been read to its end."""
        ...

    def entries(self) -> Iterator[Entry]:
        """The concepts.

        Raises:
            DictionaryError: naming file and line, where the source is not what it was said to be.
        """
        ...

    def type_definitions(self) -> Mapping[str, str]:
        """Definitions of semantic types, by name, where the source has them."""
        ...


class Small:
    """Base of sources that are held in memory and define no types."""

    grouped = False

    def type_definitions(self) -> Mapping[str, str]:
        """There are none."""
        return {}


@dataclass(frozen=True, slots=True)
class Info:
    """What a dictionary holds.

    Attributes:
        built: when, as an ISO 8601 time in UTC.
        concepts, names, definitions: counts; a name counts once for each concept and source that has it.
        keys: distinct normal forms.
        crosswalks: for each vocabulary how many of its ids sources state as equivalents.
    """

    built: str
    concepts: int
    names: int
    definitions: int
    keys: int
    bytes: int
    sources: tuple[SourceInfo, ...]
    crosswalks: Mapping[str, int] = field(default_factory=dict)


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
_NAMES = "Name open, none, or a folder made by: clinspan dictionary build SOURCE -o FOLDER"


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
        self.info = Info(
            bytes=sum(manifest["files"].values()),
            sources=tuple(SourceInfo(**source) for source in manifest["sources"]),
            **{name: manifest[name] for name in ("built", "concepts", "names", "definitions", "keys", "crosswalks")},
        )
        ranks = {source.name: rank for rank, source in enumerate(self.info.sources)}
        self.source_names: list[str] = manifest["source_names"]
        self.source_ranks = [ranks.get(name, len(ranks)) for name in self.source_names]
        self.typesets: list[tuple[str, ...]] = [tuple(types) for types in manifest["typesets"]]
        self.type_definitions: dict[str, str] = manifest["type_definitions"]
        self.keys = _trie(folder / KEYS)
        self.tokens = _trie(folder / TOKENS)
        self.deletions = _trie(folder / DELETIONS)
        self.posting_starts = Numbers(folder / POSTING_STARTS)
        self.postings = Numbers(folder / POSTINGS)
        self.name_concepts = Numbers(folder / NAME_CONCEPTS)
        self.name_sources = Bytes(folder / NAME_SOURCES)
        self.name_flags = Bytes(folder / NAME_FLAGS)
        self.names = Texts(folder / NAMES, folder / NAME_STARTS)
        self.concept_ids = Texts(folder / CONCEPT_IDS, folder / CONCEPT_ID_STARTS)
        self.concept_names = Numbers(folder / CONCEPT_NAMES)
        self._concept_types = Numbers(folder / CONCEPT_TYPES)
        self._concept_definitions = Numbers(folder / CONCEPT_DEFINITIONS)
        self._definitions = Texts(folder / DEFINITIONS, folder / DEFINITION_STARTS)
        self._stated = Texts(folder / EQUIVALENTS, folder / EQUIVALENT_STARTS)
        self._codes = _trie(folder / CODES)
        self._code_starts = Numbers(folder / CODE_STARTS)
        self._code_concepts = Numbers(folder / CODE_CONCEPTS)

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
        raise DictionaryError("there is no dictionary here", where=str(path), fix=_NAMES) from None
    except (OSError, ValueError) as error:
        raise DictionaryError(f"cannot be read: {error}", where=str(file), fix=_REBUILD) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else None
        raise DictionaryError(f"is of format {found}", where=str(file), expected=f"format {FORMAT}", fix=_REBUILD)
    missing = sorted(MANIFEST_KEYS - manifest.keys())
    if missing:
        raise DictionaryError(f"lacks {', '.join(missing)}", where=str(file), fix=_REBUILD)
    if manifest["byteorder"] != sys.byteorder:
        raise DictionaryError("was built on a machine of the other byte order", where=str(file), fix=_REBUILD)
    return manifest


def _trie(file: Path) -> marisa_trie.Trie:
    trie = marisa_trie.Trie()
    trie.mmap(str(file))
    return trie
