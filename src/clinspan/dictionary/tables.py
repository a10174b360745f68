"""The tables of concepts, names and definitions, written as the entries come."""

from array import array
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from clinspan.dictionary import layout
from clinspan.dictionary.entries import Entry, Term
from clinspan.dictionary.normalise import is_acronym, name_forms
from clinspan.errors import DictionaryError


class _Blob:
    """Texts one after the other in a file, and where each starts."""

    def __init__(self, file: Path, stack: ExitStack):
        self._file = stack.enter_context(file.open("wb"))
        self.starts = array("Q", [0])

    def add(self, text: str) -> None:
        data = text.encode("utf-8")
        self._file.write(data)
        self.starts.append(self.starts[-1] + len(data))


class Tables:
    """A context that writes into `folder`, and the line `form<TAB>name number` into `spool` for each form of a name."""

    def __init__(self, folder: Path, spool: TextIO):
        self._folder = folder
        self._spool = spool
        self._stack = ExitStack()
        self._names = _Blob(folder / layout.NAMES, self._stack)
        self._ids = _Blob(folder / layout.CONCEPT_IDS, self._stack)
        self._definitions = _Blob(folder / layout.DEFINITIONS, self._stack)
        self._name_concepts, self._name_sources, self._name_flags = array("I"), array("B"), array("B")
        self._preferred, self._types, self._definition_firsts = array("I"), array("I"), array("I", [0])
        self._sources: dict[str, int] = {}
        self._typesets: dict[tuple[str, ...], int] = {}
        self.acronyms = bytearray()
        """For each name, whether it must keep its case."""

    def __enter__(self) -> "Tables":
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @property
    def names(self) -> int:
        """Names so far."""
        return len(self._name_concepts)

    @property
    def concepts(self) -> int:
        """Concepts so far."""
        return len(self._types)

    @property
    def definitions(self) -> int:
        """Definitions so far."""
        return len(self._definitions.starts) - 1

    @property
    def typesets(self) -> list[list[str]]:
        """The tuples of types that concepts have, by number."""
        return [list(types) for types in self._typesets]

    @property
    def sources(self) -> list[str]:
        """Short names of the vocabularies that names come from, by number."""
        return list(self._sources)

    def add(self, entry: Entry) -> None:
        """Writes a concept."""
        first = self.names
        chosen = next((place for place, term in enumerate(entry.terms) if term.preferred), 0)
        for term in entry.terms:
            self._add_name(term)
        self._ids.add(entry.id)
        self._preferred.append(first + chosen)
        self._types.append(self._typesets.setdefault(entry.types, len(self._typesets)))
        for definition in entry.definitions:
            self._definitions.add(definition)
        self._definition_firsts.append(self.definitions)

    def _add_name(self, term: Term) -> None:
        number = self.names
        for form in name_forms(term.text):
            self._spool.write(f"{form}\t{number}\n")
        source = self._sources.setdefault(term.source, len(self._sources))
        if source > 255:
            raise DictionaryError("there are more than 256 vocabularies", fix="Name those you need with --source.")
        self._names.add(term.text)
        self._name_concepts.append(self.concepts)
        self._name_sources.append(source)
        self._name_flags.append(layout.PREFERRED if term.preferred else 0)
        self.acronyms.append(is_acronym(term.text))

    def finish(self) -> None:
        """Writes the numbers that stand beside the texts."""
        for name, numbers in (
            (layout.NAME_STARTS, self._names.starts),
            (layout.NAME_CONCEPTS, self._name_concepts),
            (layout.NAME_SOURCES, self._name_sources),
            (layout.NAME_FLAGS, self._name_flags),
            (layout.CONCEPT_ID_STARTS, self._ids.starts),
            (layout.CONCEPT_NAMES, self._preferred),
            (layout.CONCEPT_TYPES, self._types),
            (layout.CONCEPT_DEFINITIONS, self._definition_firsts),
            (layout.DEFINITION_STARTS, self._definitions.starts),
        ):
            (self._folder / name).write_bytes(numbers)
