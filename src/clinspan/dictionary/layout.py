"""The files of an index and what is in them. `build` writes them and `index` reads them.

A dictionary's folder holds `manifest.json` and one folder with the files it names. A build writes a new folder and then
replaces the manifest, so that a reader sees the old index or the new one and never a mixture.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

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
