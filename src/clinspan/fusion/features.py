"""What is weighed of each candidate, as rows of numbers.

Log-odds are natural logarithms, held within those of 1 % and 99.99 %, so that what a source does not name is as if it
gave it 1 %. A pool of documents adds how often strings are annotated in it, and how often they stand there and are not.
"""

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinspan.dictionary.link import LabelTypes
from clinspan.dictionary.match import Match, TermMatch
from clinspan.dictionary.normalise import is_acronym, tokenise
from clinspan.dictionary.tag import in_heading
from clinspan.document import Document, Span
from clinspan.fusion.heard import Candidate, Heard
from clinspan.labels import LabelSet

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
            found, marked = _strings_counted(document, strings)
            seen.update(found)
            for (string, label), times in marked.items():
                annotated.setdefault(string, Counter())[label] += times
        return cls(dict(sorted(seen.items())), {string: dict(annotated[string]) for string in sorted(annotated)})

    def without(self, document: Document) -> "Prior":
        """The counts as if a document that they were made of had not been there."""
        found, marked = _strings_counted(document, self.seen.keys())
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


def _strings_counted(document: Document, strings: Collection[str]) -> tuple[Counter[str], Counter[tuple[str, str]]]:
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


Floats = NDArray[np.float64]

GROUPS: Mapping[str, tuple[str, ...]] = {
    "encoder": ("encoder", "encoder silent"),
    "rivals": (
        "best rival",
        "longer rival",
        "shorter rival",
        "other label",
        "begins here",
        "ends here",
        "any label",
    ),
    "llm": ("llm", "llm names it", "llm names a rival"),
    "dictionary": (
        "proposed",
        "proposed otherwise",
        "a term",
        "letter for letter",
        "preferred name",
        "short form of a term",
        "types fit",
        "types fit another label",
        "meanings",
        "within a longer term",
        "holds a term",
    ),
    "notes": ("share annotated", "times seen"),
    "form": (
        "words",
        "one word",
        "acronym",
        "short",
        "begins a line",
        "in a heading",
        "before a colon",
        "begins with a capital",
        "beside a hyphen",
    ),
}
"""What a candidate is judged by without regard to the rest of its document, by who says it."""
NAMES: tuple[str, ...] = tuple(name for names in GROUPS.values() for name in names)
ELSEWHERE: tuple[str, ...] = ("times elsewhere", "likeliest elsewhere", "mean elsewhere")
"""What decisions elsewhere in the document say of the same string; asked in a second pass."""

_LEAST, _MOST = 0.01, 0.9999
_REACH = 400
"""Characters before a place in which what overlaps it is looked for."""


def log_odds(probability: float) -> float:
    """The log-odds of a probability, held within those of 1 % and 99.99 %."""
    held = min(max(probability, _LEAST), _MOST)
    return math.log(held / (1.0 - held))


def rows(heard: Heard, labels: LabelSet, prior: Prior) -> Floats:
    """A row for each candidate, a column for each of `NAMES`."""
    around = _Around(heard, labels)
    made = np.zeros((len(heard.candidates), len(NAMES)))
    for number, one in enumerate(heard.candidates):
        features = around.encoder(one) | around.llm(one) | around.dictionary(one)
        features |= _counted(one, prior) | _form(one, heard.text)
        made[number] = [float(features[name]) for name in NAMES]
    return made


def elsewhere(heard: Heard, probabilities: Floats) -> Floats:
    """A row for each candidate, a column for each of `ELSEWHERE`, by what is thought of the same string elsewhere.

    A short form that the text defines is one string with its long form.
    """
    long_forms = {pair.short: key(pair.long) for pair in heard.defined}
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, one in enumerate(heard.candidates):
        places[long_forms.get(one.entity.text, key(one.entity.text)), one.label].append(number)
    made = np.zeros((len(heard.candidates), len(ELSEWHERE)))
    for numbers in places.values():
        for number in numbers:
            others = [float(probabilities[other]) for other in numbers if other != number]
            if others:
                made[number] = math.log1p(len(others)), log_odds(max(others)), log_odds(sum(others) / len(others))
    return made


class _Around:
    """What stands around the candidates of a document, found quickly by place."""

    def __init__(self, heard: Heard, labels: LabelSet):
        self._types = LabelTypes(labels)
        self._scored = _Places((one.span, one) for one in heard.candidates)
        self._matches = _Places((match.span, match) for match in heard.matches)
        self._begins: dict[int, float] = defaultdict(float)
        self._ends: dict[int, float] = defaultdict(float)
        self._whole: dict[Span, float] = defaultdict(float)
        self._proposed: dict[Span, set[str]] = defaultdict(set)
        for one in heard.candidates:
            probability = one.said.get("encoder") or 0.0
            self._begins[one.span.start] += probability
            self._ends[one.span.end] += probability
            self._whole[one.span] += probability
            if "dictionary" in one.said:
                self._proposed[one.span].add(one.label)

    def encoder(self, one: Candidate) -> dict[str, float]:
        best = {"best rival": 0.0, "longer rival": 0.0, "shorter rival": 0.0, "other label": 0.0}
        for span, other in self._scored.overlapping(one.span):
            probability = other.said.get("encoder") or 0.0
            if other is one:
                continue
            kind = "best rival"
            if span == one.span:
                kind = "other label"
            elif span.contains(one.span):
                kind = "longer rival"
            elif one.span.contains(span):
                kind = "shorter rival"
            best[kind] = max(best[kind], probability)
            best["best rival"] = max(best["best rival"], probability)
        named = {
            "encoder": one.said.get("encoder") or 0.0,
            "begins here": self._begins[one.span.start],
            "ends here": self._ends[one.span.end],
            "any label": self._whole[one.span],
        }
        return {name: log_odds(value) for name, value in (best | named).items()} | {
            "encoder silent": "encoder" not in one.said
        }

    def llm(self, one: Candidate) -> dict[str, float]:
        score = one.said.get("llm")
        rivals = (other for _, other in self._scored.overlapping(one.span) if other is not one)
        return {
            "llm": log_odds(score) if score is not None else 0.0,
            "llm names it": "llm" in one.said,
            "llm names a rival": any("llm" in other.said for other in rivals),
        }

    def dictionary(self, one: Candidate) -> dict[str, float]:
        near = list(self._matches.overlapping(one.span))
        match = next((match for span, match in near if span == one.span), None)
        fitting = {self._types.label_of(sense) for sense in match.senses} if match is not None else set()
        proposed = self._proposed.get(one.span, set())
        return {
            "proposed": one.label in proposed,
            "proposed otherwise": bool(proposed - {one.label}),
            "a term": match is not None,
            "letter for letter": match is not None and match.kind is TermMatch.EXACT,
            "preferred name": match is not None and match.senses[0].preferred,
            "short form of a term": match is not None and match.kind is TermMatch.ABBREVIATION,
            "types fit": one.label in fitting,
            "types fit another label": one.label not in fitting and bool(fitting - {None}),
            "meanings": math.log(len(match.senses)) if match is not None else 0.0,
            "within a longer term": any(span != one.span and span.contains(one.span) for span, _ in near),
            "holds a term": any(
                span != one.span and one.span.contains(span) and self._fits(term, one.label) for span, term in near
            ),
        }

    def _fits(self, match: Match, label: str) -> bool:
        return any(self._types.label_of(sense) == label for sense in match.senses)


class _Places:
    """Items by their spans."""

    def __init__(self, items: Any):
        self._items: list[tuple[Span, Any]] = sorted(items, key=lambda item: item[0])
        self._starts = [span.start for span, _ in self._items]

    def overlapping(self, span: Span) -> Any:
        """Those that overlap a span and begin not too far before it."""
        for at in range(bisect_left(self._starts, span.start - _REACH), len(self._items)):
            other, item = self._items[at]
            if other.start >= span.end:
                return
            if other.overlaps(span):
                yield other, item


def _counted(one: Candidate, prior: Prior) -> dict[str, float]:
    annotated, seen = prior.of_string(one.entity.text, one.label)
    share = math.log((annotated + 0.5) / (seen - annotated + 0.5)) if seen else 0.0
    return {"share annotated": share, "times seen": math.log1p(seen)}


def _form(one: Candidate, text: str) -> dict[str, float]:
    mention, span = one.entity.text, one.span
    before = text[text.rfind("\n", 0, span.start) + 1 : span.start].strip()
    number = len(mention.split())
    return {
        "words": math.log1p(number),
        "one word": number == 1,
        "acronym": is_acronym(mention),
        "short": len(mention) <= 3,
        "begins a line": before in ("", "-", "*", "•") or before.rstrip(".)").isdigit(),
        "in a heading": in_heading(text, span),
        "before a colon": text[span.end : span.end + 1] == ":",
        "begins with a capital": mention[:1].isupper(),
        "beside a hyphen": text[max(0, span.start - 1) : span.start] in ("-", "/")
        or text[span.end : span.end + 1] in ("-", "/"),
    }


def by_label(candidates: Sequence[Candidate], names: Sequence[str]) -> NDArray[np.intp]:
    """For each candidate the number of its label."""
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[one.label] for one in candidates], dtype=np.intp)
