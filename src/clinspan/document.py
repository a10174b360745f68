"""Documents and the entities found in them: frozen, with half-open code-point offsets checked when made."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from html import escape


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range of Unicode code points, `start <= i < end`; never empty, never negative.

    Raises:
        ValueError: when the range is empty, reversed or negative.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a span needs 0 <= start < end, not start={self.start}, end={self.end}")

    def __len__(self) -> int:
        return self.end - self.start

    def of(self, text: str) -> str:
        """The characters of `text` that the span covers."""
        return text[self.start : self.end]

    def shift(self, by: int) -> "Span":
        """The same span `by` code points further on."""
        return Span(self.start + by, self.end + by)

    def overlaps(self, other: "Span") -> bool:
        """True when the two share at least one code point."""
        return self.start < other.end and other.start < self.end

    def contains(self, other: "Span") -> bool:
        """True when every code point of `other` lies in this span."""
        return self.start <= other.start and other.end <= self.end


class MatchKind(StrEnum):
    """How a reported entity was verified against the text, strongest first."""

    EXACT = "exact"
    """The mention stands in the text letter for letter."""
    NORMALISED = "normalised"
    """It stands there but for case, Unicode form, quotes, dashes, white space or hyphens."""
    FUZZY = "fuzzy"
    """It stands there with a misspelling within the stated distance."""
    DICTIONARY = "dictionary"
    """The dictionary found it in the text; no LLM named it."""


@dataclass(frozen=True, slots=True)
class Concept:
    """A dictionary's entry that an entity may stand for; a list of them has the best first.

    Attributes:
        score: probability in [0, 1] that it is meant, or None where none is known.
        reason: why it was taken: the name agrees (`exact`), a synonym, the order of words, a misspelling, a short form.
        equivalents: ids that other vocabularies have for the same.
    """

    id: str
    name: str
    source: str
    types: tuple[str, ...] = ()
    score: float | None = None
    reason: str | None = None
    equivalents: tuple[str, ...] = ()

    @property
    def codes(self) -> frozenset[str]:
        """Its id and those of its equivalents, each with its vocabulary before a colon, in small letters."""
        own = self.id if ":" in self.id else f"{self.source}:{self.id}"
        return frozenset(code.casefold() for code in (own, *self.equivalents))

    @property
    def bare_id(self) -> str:
        """The id without the source that it may begin with, as `MESH:D001260` does."""
        prefix = f"{self.source}:"
        return self.id[len(prefix) :] if self.id.casefold().startswith(prefix.casefold()) else self.id

    def to_dict(self) -> dict[str, object]:
        """The concept as plain values."""
        data: dict[str, object] = {"id": self.id, "name": self.name, "source": self.source}
        data |= {"types": list(self.types), "score": self.score}
        if self.reason is not None:
            data["reason"] = self.reason
        if self.equivalents:
            data["equivalents"] = list(self.equivalents)
        return data


class Attributes(Mapping[str, str]):
    """What is said of an entity beside its label, such as `assertion: negated`: names and values, frozen and in order.

    Two are equal when they say the same, in whatever order.

    Raises:
        ValueError: when a name or a value is not a string or empty, or a name comes twice.
    """

    __slots__ = ("_pairs",)
    _pairs: tuple[tuple[str, str], ...]

    def __init__(self, said: Mapping[str, str] | Iterable[tuple[str, str]] = ()):
        pairs = tuple((name, value) for name, value in (said.items() if isinstance(said, Mapping) else said))
        for pair in pairs:
            if not all(isinstance(part, str) and part for part in pair):
                raise ValueError(f"an attribute is a name and a value, both non-empty strings, not {pair!r}")
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError(f"an attribute has one value, but a name comes twice in {pairs!r}")
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        for known, value in self._pairs:
            if known == name:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __hash__(self) -> int:
        return hash(frozenset(self._pairs))

    def __repr__(self) -> str:
        return f"Attributes({dict(self._pairs)!r})"


NO_ATTRIBUTES = Attributes()
OF = "of"
"""The attribute of a detail, such as a dose: the id of the entity that it belongs to, such as its drug."""


def check_attribute_scores(scores: Iterable[tuple[str, float]], attributes: Mapping[str, str]) -> None:
    """Makes sure that scores are probabilities of attributes that are there.

    Raises:
        ValueError: naming the one that is not.
    """
    for name, score in scores:
        if name not in attributes or not 0.0 <= score <= 1.0:
            raise ValueError(
                f"the attribute {name!r} has the score {score}: expected a probability of an attribute that is there"
            )


@dataclass(frozen=True, slots=True)
class Entity:
    """A verified entity: `text` is what stands at `span` of its document.

    Attributes:
        score: probability in [0, 1], or None where none is known.
        fragments: the parts of a discontinuous entity in text order, `span` being their hull; empty when continuous.
        rules: names of the learned rules that moved its boundaries, in the order they were applied.
        attributes: what else is said of it; a plain mapping may be given.
        id: its name within its document, by which others refer to it; no part of what makes two entities equal.
        attribute_scores: the model's probability of an attribute's value among those declared, by the attribute's name;
            only of values that the model chose and whose probability is known.
    """

    span: Span
    label: str
    text: str
    score: float | None = None
    match: MatchKind = MatchKind.EXACT
    concepts: tuple[Concept, ...] = ()
    fragments: tuple[Span, ...] = ()
    rules: tuple[str, ...] = ()
    attributes: Mapping[str, str] = NO_ATTRIBUTES
    id: str | None = field(default=None, compare=False)
    attribute_scores: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.attributes, Attributes):
            object.__setattr__(self, "attributes", Attributes(self.attributes))
        if self.id is not None and not (isinstance(self.id, str) and self.id):
            raise ValueError(f"an entity's id is a non-empty string, not {self.id!r}")
        check_attribute_scores(self.attribute_scores, self.attributes)
        if len(self.span) != len(self.text):
            raise ValueError(f"entity text of {len(self.text)} characters on a span of {len(self.span)}")
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise ValueError(f"a score is a probability in [0, 1], not {self.score}")
        if self.fragments:
            hull = (self.fragments[0].start, self.fragments[-1].end)
            apart = all(a.end <= b.start for a, b in zip(self.fragments, self.fragments[1:], strict=False))
            if len(self.fragments) < 2 or not apart or hull != (self.span.start, self.span.end):
                raise ValueError("fragments are two or more ordered spans that do not overlap and whose hull is `span`")

    @property
    def start(self) -> int:
        """First code point."""
        return self.span.start

    @property
    def end(self) -> int:
        """One past the last code point."""
        return self.span.end

    def attribute(self, name: str) -> str | None:
        """The value of an attribute; None when it is not set."""
        return self.attributes.get(name)

    def attribute_score(self, name: str) -> float | None:
        """The probability of an attribute's value; None where none is known."""
        return dict(self.attribute_scores).get(name)

    def shift(self, by: int) -> "Entity":
        """The same entity `by` code points further on."""
        return replace(self, span=self.span.shift(by), fragments=tuple(f.shift(by) for f in self.fragments))

    def to_dict(self, *, sparse: bool = False) -> dict[str, object]:
        """The entity as plain values. `sparse` leaves out a score that is not known and concepts where none are."""
        data: dict[str, object] = {} if self.id is None else {"id": self.id}
        data |= {"start": self.start, "end": self.end, "text": self.text, "label": self.label}
        if self.score is not None or not sparse:
            data["score"] = self.score
        data["match"] = self.match.value
        if self.concepts or not sparse:
            data["concepts"] = [concept.to_dict() for concept in self.concepts]
        if self.fragments:
            data["fragments"] = [[part.start, part.end] for part in self.fragments]
        if self.rules:
            data["rules"] = list(self.rules)
        if self.attributes:
            data["attributes"] = dict(self.attributes)
        if self.attribute_scores:
            data["attribute_scores"] = dict(self.attribute_scores)
        return data


class WindowState(StrEnum):
    """The named state in which every window of every note ends."""

    OK = "ok"
    """Read, with at least one entity."""
    EMPTY = "empty"
    """Read, and there is no entity in it."""
    UNREADABLE = "unreadable"
    """The answer, or a part of it that matters, could not be understood."""
    TRUNCATED = "truncated"
    """The answer stopped before the window's end."""
    REFUSED = "refused"
    """The model declined to answer."""
    OVER_BUDGET = "over-budget"
    """Not asked, since the budget was spent or the window does not fit the model's context."""
    FAILED = "failed"
    """The request failed."""


READ_STATES = frozenset({WindowState.OK, WindowState.EMPTY})


@dataclass(frozen=True, slots=True)
class WindowReport:
    """What became of one window.

    Attributes:
        asked: whether an LLM was asked; a window in which no entity is possible needs no call.
        detail: why, where the state is not ok or empty.
        unread: the parts of the answer that were not understood, and the mentions the text does not bear,
            each with its reason.
        repairs: what had to be mended in the answer to read it.
        unlisted: why the LLM was asked without the facts that a list of candidates would have given; None where they
            were there, or no list was wanted.
    """

    span: Span
    state: WindowState
    asked: bool = True
    detail: str | None = None
    unread: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    unlisted: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The window as plain values."""
        data: dict[str, object] = {"start": self.span.start, "end": self.span.end, "state": self.state.value}
        if not self.asked:
            data["asked"] = False
        if self.detail is not None:
            data["detail"] = self.detail
        if self.unread:
            data["unread"] = list(self.unread)
        if self.repairs:
            data["repairs"] = list(self.repairs)
        if self.unlisted is not None:
            data["unlisted"] = self.unlisted
        return data


@dataclass(frozen=True, slots=True)
class Document:
    """A text, the entities verified in it, and the state of each window it was read in.

    Attributes:
        place: the file, and the line where there is one, that it was read from; no part of what makes two documents
            equal, and not written.

    Raises:
        ValueError: when an entity's text is not what stands at its offsets.
    """

    id: str
    text: str
    entities: tuple[Entity, ...] = ()
    windows: tuple[WindowReport, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    place: str | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for entity in self.entities:
            if entity.span.of(self.text) != entity.text:
                raise ValueError(
                    f"document {self.id!r}: {entity.label} at {entity.start}-{entity.end} "
                    "does not say what stands in the text there"
                )
        for window in self.windows:
            if window.span.end > len(self.text):
                raise ValueError(f"document {self.id!r}: a window ends at {window.span.end}, past the text's end")

    def owners(self) -> Mapping[int, "Entity"]:
        """The entity that each detail belongs to, by the detail's place in `entities`; see `OF`."""
        by_id = {entity.id: entity for entity in reversed(self.entities) if entity.id is not None}
        said = ((number, entity.attribute(OF)) for number, entity in enumerate(self.entities))
        return {number: by_id[id] for number, id in said if id in by_id}

    @property
    def complete(self) -> bool:
        """True when every window was read."""
        return all(window.state in READ_STATES for window in self.windows)

    def to_dict(self) -> dict[str, object]:
        """The document as plain values, as a line of JSON has it; `codec.document_of` reads it back."""
        data: dict[str, object] = {
            "id": self.id,
            "text": self.text,
            "entities": [entity.to_dict() for entity in self.entities],
        }
        if self.windows:
            data["windows"] = {
                "counts": dict(Counter(report.state.value for report in self.windows)),
                "not_read": [w.to_dict() for w in self.windows if w.state not in READ_STATES],
                "read": [w.to_dict() for w in self.windows if w.state in READ_STATES],
            }
        if self.metadata:
            data["metadata"] = dict(self.metadata)
        return data

    def _repr_html_(self) -> str:
        """For notebooks: the text with its entities marked; of entities that overlap the first and longest is shown."""
        out, at = [], 0
        for one in sorted(self.entities, key=lambda entity: (entity.start, -entity.end)):
            if one.start < at:
                continue
            said = "".join(f"; {name}: {value}" for name, value in one.attributes.items())
            struck = ";text-decoration:line-through" if one.attribute("assertion") == "absent" else ""
            out.append(
                f"{escape(self.text[at : one.start])}"
                f'<mark title="{escape(one.label + said)}" style="padding:0 .2em{struck}">{escape(one.text)}</mark>'
                f'<sub style="opacity:.7">{escape(one.label)}</sub>'
            )
            at = one.end
        out.append(escape(self.text[at:]))
        unread = sum(window.state not in READ_STATES for window in self.windows)
        about = f"{self.id}: {len(self.entities)} entities" + (f", {unread} windows not read" if unread else "")
        return f'<div><b>{escape(about)}</b><div style="white-space:pre-wrap">{"".join(out)}</div></div>'
