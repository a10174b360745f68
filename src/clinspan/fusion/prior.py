"""How often strings are annotated in a pool of documents, and how often they stand there and are not."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from clinspan.dictionary.normalise import tokenise
from clinspan.document import Document

_LONGEST = 6
"""Words of the longest string that is counted: longer ones hardly ever come back."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Counts of strings in small letters.

    Attributes:
        seen: how often each stands in the texts; not counted within a longer annotated mention, which decides.
        annotated: how often each is annotated, by label.
    """

    seen: Mapping[str, int] = field(default_factory=dict)
    annotated: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, documents: Sequence[Document]) -> "Prior":
        """Counts every string that is annotated in one of the documents."""
        strings = {key(entity.text) for document in documents for entity in document.entities}
        strings = {string for string in strings if len(string.split()) <= _LONGEST}
        seen: Counter[str] = Counter()
        annotated: dict[str, Counter[str]] = {}
        for document in documents:
            found, marked = _counted(document, strings)
            seen.update(found)
            for (string, label), times in marked.items():
                annotated.setdefault(string, Counter())[label] += times
        return cls(dict(sorted(seen.items())), {string: dict(annotated[string]) for string in sorted(annotated)})

    def without(self, document: Document) -> "Prior":
        """The counts as if a document that they were made of had not been there."""
        found, marked = _counted(document, self.seen.keys())
        seen = {string: times - found[string] for string, times in self.seen.items()}
        annotated = {
            string: {label: times - marked[string, label] for label, times in by_label.items()}
            for string, by_label in self.annotated.items()
        }
        return Prior(seen, annotated)

    def of_string(self, text: str, label: str) -> tuple[int, int]:
        """How often a string is annotated with the label, and how often it stands in the pool."""
        string = key(text)
        times = self.annotated.get(string, {}).get(label, 0)
        return times, max(times, self.seen.get(string, 0))

    def to_dict(self) -> dict[str, object]:
        """As plain values: for each string how often it was seen, and how often annotated by label."""
        return {string: [times, dict(self.annotated.get(string, {}))] for string, times in self.seen.items() if times}

    @classmethod
    def from_dict(cls, data: Mapping[str, Sequence[object]]) -> "Prior":
        """What `to_dict` gave.

        Raises:
            ValueError, TypeError: when the data are something else.
        """
        seen, annotated = {}, {}
        for string, (times, by_label) in data.items():
            if not isinstance(times, int) or not isinstance(by_label, dict):
                raise TypeError(f"the counts of {string!r} are {times!r} and {by_label!r}")
            seen[string], annotated[string] = times, by_label
        return cls(seen, annotated)


def key(text: str) -> str:
    """What makes two spellings one string: small letters, white space as single blanks."""
    return " ".join(text.casefold().split())


def _counted(document: Document, strings: Collection[str]) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """How often the strings stand in a document, and how often they are annotated there with a label."""
    marked = Counter((key(entity.text), entity.label) for entity in document.entities if key(entity.text) in strings)
    places = {(entity.start, entity.end) for entity in document.entities}
    covered = _covered(document.text, places)
    found: Counter[str] = Counter()
    tokens = tokenise(document.text)
    for first in range(len(tokens.starts)):
        for last in range(first, min(len(tokens.starts), first + 2 * _LONGEST)):
            start, end = tokens.starts[first], tokens.ends[last]
            string = key(document.text[start:end])
            if string in strings and ((start, end) in places or not covered[start]):
                found[string] += 1
    return found, marked


def _covered(text: str, places: Iterable[tuple[int, int]]) -> bytearray:
    """For each character whether a place covers it."""
    covered = bytearray(len(text) + 1)
    for start, end in places:
        covered[start:end] = b"\x01" * (end - start)
    return covered
