"""What requests and answers look like: checked on the way in, and described by the OpenAPI on both ways.

What is wrong with a request is said in words that do not repeat it: it may hold a note's text.
"""

import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from clinspan.dictionary.match import TermMatch
from clinspan.dictionary.store import Dictionary
from clinspan.document import Document, MatchKind, WindowState
from clinspan.tagging.tagger import Tagger

_SAID = {
    "missing": "is missing",
    "extra_forbidden": "has a key that is not known",
    "string_type": "is not a string",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "string_unicode": "holds half of a character",
    "value_error": "holds half of a character",
    "too_short": "has too few members",
    "too_long": "has too many members",
    "list_type": "is not a list",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_parsing_size": "is too large",
    "bool_type": "is neither true nor false",
    "dict_type": "is not an object",
    "model_type": "is not an object",
    "model_attributes_type": "is not an object",
    "literal_error": "is none of the words that can stand there",
    "enum": "is none of the words that can stand there",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
}
"""Faults of a body in words, by pydantic's names for them. Its own messages are not used: some repeat the input."""
_NAMES = frozenset(
    {
        *("documents", "id", "text", "term", "k", "key", "version", "hash", "by", "state", "entities", "start", "end"),
        *("label", "attributes", "fragments", "pool", "gold", "q", "offset", "limit", "after", "concepts"),
    }
)


def fault_words(kind: str) -> str:
    """The fault in one clause.

    Args:
        kind: pydantic's name for it.
    """
    return _SAID.get(kind, "is not as it should be")


def fault_place(kind: str, parts: Sequence[str | int]) -> str:
    """Where a fault is. A key that the client made up is not repeated.

    Args:
        kind: pydantic's name for the fault.
        parts: its place, as pydantic gives it.
    """
    shown = str(parts[0]) if parts[:1] in (("query",), ("path",)) else "body"
    for part in parts[1:-1] if kind == "extra_forbidden" else parts[1:]:
        if isinstance(part, int):
            shown += f"[{part}]"
        elif part in _NAMES:
            shown += f".{part}"
    return shown


def place_of(error: BaseException) -> str:
    """The kind of an error and the line that raised it, without its message, which may hold a note's text."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
    return f"{type(error).__name__} at {at}"


MOST_TOGETHER = 1000
"""Documents of one request to tag many; a job takes more."""
_MOST_OF_A_JOB = 1_000_000


def _whole(text: str) -> str:
    """The text, if it could be written to a file: JSON can name half of a character (a surrogate)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError from None
    return text


Text = Annotated[str, AfterValidator(_whole)]


class Given(BaseModel):
    """What a client sends: of the very types that are asked for, and nothing besides."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Said(BaseModel):
    """What the service answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GivenDocument(Given):
    """A text to tag."""

    text: Text = Field(description="The note. Its length is limited by --max-text.")
    id: Annotated[Text, Field(min_length=1, max_length=1000)] | None = Field(
        None, description="Comes back with the result."
    )

    def document(self, number: int = 0) -> Document:
        """The document; one without an id is named by its number."""
        return Document(self.id if self.id is not None else f"text-{number}", self.text)


class GivenDocuments(Given):
    """Texts that are tagged and answered together."""

    documents: Annotated[list[GivenDocument], Field(min_length=1, max_length=MOST_TOGETHER)]


class GivenJob(Given):
    """Texts that are tagged in the background."""

    documents: Annotated[list[GivenDocument], Field(min_length=1, max_length=_MOST_OF_A_JOB)]


class Term(Given):
    """A term to look up."""

    term: Text = Field(min_length=1, max_length=1000)


class Wanted(Given):
    """A text whose like is looked for among the examples."""

    text: Text = Field(min_length=1, max_length=10_000)
    k: int = Field(5, ge=1, le=100, description="At most so many examples.")


class FaultDetail(Said):
    """Why a request was not done. It never repeats what was sent."""

    what: str
    where: str | None
    fix: str | None


class Fault(Said):
    """The answer to a request that was not done."""

    error: FaultDetail


class SaidConcept(Said):
    """A concept that an entity may stand for."""

    id: str
    name: str
    source: str
    types: list[str]
    score: float | None
    reason: str | None = None
    equivalents: list[str] = []


class SaidEntity(Said):
    """A verified entity. Offsets count Unicode code points; `end` is one past the last."""

    id: str | None = None
    start: int
    end: int
    text: str
    label: str
    score: float | None
    match: MatchKind
    concepts: list[SaidConcept]
    fragments: list[list[int]] = []
    rules: list[str] = []
    attributes: dict[str, str] = {}
    attribute_scores: dict[str, float] = {}


class SaidWindow(Said):
    """What became of one window. Where it was not read, `detail` says why."""

    start: int
    end: int
    state: WindowState
    asked: bool = True
    detail: str | None = None
    unread: list[str] = []
    repairs: list[str] = []
    unlisted: str | None = None


class SaidWindows(Said):
    """All windows of a document."""

    counts: dict[WindowState, int]
    not_read: list[SaidWindow]
    read: list[SaidWindow]


class SaidDocument(Said):
    """A tagged document, as a line of the JSONL that `clinspan tag` writes."""

    id: str
    text: str
    entities: list[SaidEntity]
    windows: SaidWindows | None = None
    metadata: dict[str, object] = {}


class SaidDocuments(Said):
    """Tagged documents, in the order in which they were given."""

    documents: list[SaidDocument]


class SaidAttribute(Said):
    """What is asked of each entity of a label."""

    name: str
    values: dict[str, str]
    default: str


class SaidLabel(Said):
    """A label that is looked for, and what can find it."""

    name: str
    definition: str
    guideline: str
    of: str | None
    attributes: list[SaidAttribute]
    found_by: list[str]


class SaidLabels(Said):
    """The labels of the service."""

    name: str
    labels: list[SaidLabel]


def said_labels(tagger: Tagger) -> dict[str, object]:
    """The labels of a tagger, as `SaidLabels` describes them."""
    found_by = tagger.answerers()
    said = [{**label.to_dict(), "found_by": list(found_by[label.name])} for label in tagger.labels.labels]
    return {"name": tagger.labels.name, "labels": said}


class SaidSense(Said):
    """A concept that a term may stand for, best first."""

    concept: str
    name: str
    source: str
    term: str
    types: list[str]
    definition: str
    score: float
    match: TermMatch
    preferred: bool


class SaidSenses(Said):
    """What the dictionary has for a term; `kind` is null where it has nothing."""

    kind: TermMatch | None
    senses: list[SaidSense]


def said_senses(dictionary: Dictionary, term: str) -> dict[str, object]:
    """What a dictionary has for a term, as `SaidSenses` describes it."""
    match = dictionary.match(term)
    if match is None:
        return {"kind": None, "senses": []}
    told = SaidSense.model_fields
    said = [{name: value for name, value in asdict(sense).items() if name in told} for sense in match.senses]
    return {"kind": match.kind.value, "senses": said}


class SaidExample(Said):
    """An example of the pool that resembles the text."""

    document: str
    start: int
    text: str
    entities: list[SaidEntity]
    similarity: float
    why: str


class SaidExamples(Said):
    """The examples that resemble the text most, and how many were left out for which reason."""

    examples: list[SaidExample]
    refused: dict[str, int]


class SaidHealth(Said):
    """Whether the service takes work."""

    status: Literal["ok", "ending"]
