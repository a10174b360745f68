"""A dictionary as its users see it: opened from a folder, shared by processes, asked for terms."""

from collections.abc import Mapping
from pathlib import Path

from clinspan.dictionary.index import Index, read_manifest
from clinspan.dictionary.layout import Info
from clinspan.dictionary.match import Match, Matcher
from clinspan.dictionary.senses import Sense
from clinspan.dictionary.written import Written
from clinspan.errors import DictionaryError


class Dictionary:
    """A read-only dictionary; pickles as its path, and is mapped, not read, into each process."""

    def __init__(self, index: Index):
        self._index = index
        self._matcher = Matcher(index)

    @classmethod
    def open(cls, path: str | Path) -> "Dictionary":
        """Opens the dictionary in folder `path`.

        Raises:
            DictionaryError: when there is none, a part of one, or one of another version.
        """
        path = Path(path)
        folder = read_manifest(path)["folder"]
        try:
            return cls(Index(path))
        except (DictionaryError, FileNotFoundError):
            if read_manifest(path)["folder"] == folder:
                raise
            return cls(Index(path))  # a build replaced it between the manifest and the files

    def __reduce__(self) -> tuple[object, ...]:
        return (Dictionary.open, (self.path,))

    @property
    def path(self) -> Path:
        """The folder it was opened from."""
        return self._index.path

    @property
    def info(self) -> Info:
        """Counts, sources, licences and age."""
        return self._index.info

    @property
    def type_definitions(self) -> Mapping[str, str]:
        """Definitions of semantic types by name, where a source had them (UMLS's SRDEF)."""
        return self._index.type_definitions

    def scan(self, text: str | Written, *, fuzzy: bool = True, overlapping: bool = False) -> tuple[Match, ...]:
        """The terms that stand in `text`, in text order, each with all its senses ranked.

        Abbreviations that the text defines are found wherever they stand, as what they are short for.

        Args:
            fuzzy: whether words that the dictionary does not have may be misspelt.
            overlapping: all matches; else, of those that overlap, the longest alone.
        """
        written = Written.of(text) if isinstance(text, str) else text
        return self._matcher.scan(written, fuzzy=fuzzy, overlapping=overlapping)

    def find(self, term: str, *, fuzzy: bool = True) -> tuple[Sense, ...]:
        """The senses of `term` taken as a whole, best first; empty when the dictionary has none."""
        match = self.match(term, fuzzy=fuzzy)
        return match.senses if match else ()

    def match(self, term: str, *, fuzzy: bool = True, reorder: bool = True) -> Match | None:
        """As `find`, with the kind of agreement; the span is that of the whole string.

        Args:
            fuzzy: whether its words may be misspelt.
            reorder: whether its words may stand in another order.
        """
        return self._matcher.find(term, fuzzy=fuzzy, reorder=reorder)
