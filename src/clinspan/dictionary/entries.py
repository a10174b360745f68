"""What every source yields: concepts with their names, types and definitions, and where they come from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


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
        terms: every name, at least one.
        types: names of UMLS semantic types.
        definitions: as the source words them.
    """

    id: str
    terms: tuple[Term, ...]
    types: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()


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
    """Base of the sources that are held in memory and define no types."""

    grouped = False

    def type_definitions(self) -> Mapping[str, str]:
        """None."""
        return {}
