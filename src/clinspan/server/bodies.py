"""What requests and answers look like: checked on the way in, and described by the OpenAPI on both ways."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from clinspan.dictionary.match import TermMatch
from clinspan.document import Document, MatchKind, WindowState
from clinspan.server.jobs import JobState

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


_Text = Annotated[str, AfterValidator(_whole)]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GivenDocument(_Given):
    """A text to tag."""

    text: _Text = Field(description="The note. Its length is limited by --max-text.")
    id: Annotated[_Text, Field(min_length=1, max_length=1000)] | None = Field(
        None, description="Comes back with the result."
    )

    def document(self, number: int = 0) -> Document:
        """The document; one without an id is named by its number."""
        return Document(self.id if self.id is not None else f"text-{number}", self.text)


class GivenDocuments(_Given):
    """Texts that are tagged and answered together."""

    documents: Annotated[list[GivenDocument], Field(min_length=1, max_length=MOST_TOGETHER)]


class GivenJob(_Given):
    """Texts that are tagged in the background."""

    documents: Annotated[list[GivenDocument], Field(min_length=1, max_length=_MOST_OF_A_JOB)]


class Term(_Given):
    """A term to look up."""

    term: _Text = Field(min_length=1, max_length=1000)


class Wanted(_Given):
    """A text whose like is looked for among the examples."""

    text: _Text = Field(min_length=1, max_length=10_000)
    k: int = Field(5, ge=1, le=100, description="At most so many examples.")


class FaultDetail(_Said):
    """Why a request was not done. It never repeats what was sent."""

    what: str
    where: str | None
    fix: str | None


class Fault(_Said):
    """The answer to a request that was not done."""

    error: FaultDetail


class SaidConcept(_Said):
    """A concept that an entity may stand for."""

    id: str
    name: str
    source: str
    types: list[str]
    score: float | None
    reason: str | None = None
    equivalents: list[str] = []


class SaidEntity(_Said):
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


class SaidWindow(_Said):
    """What became of one window. Where it was not read, `detail` says why."""

    start: int
    end: int
    state: WindowState
    asked: bool = True
    detail: str | None = None
    unread: list[str] = []
    repairs: list[str] = []
    unlisted: str | None = None


class SaidWindows(_Said):
    """All windows of a document."""

    counts: dict[WindowState, int]
    not_read: list[SaidWindow]
    read: list[SaidWindow]


class SaidDocument(_Said):
    """A tagged document, as a line of the JSONL that `clinspan tag` writes."""

    id: str
    text: str
    entities: list[SaidEntity]
    windows: SaidWindows | None = None
    metadata: dict[str, object] = {}


class SaidDocuments(_Said):
    """Tagged documents, in the order in which they were given."""

    documents: list[SaidDocument]


class SaidProgress(_Said):
    """How far a job has come: documents done `of` all, windows read and given up, entities found."""

    id: str
    state: JobState
    documents: int
    of: int
    windows: int
    not_read: int
    entities: int


class SaidAttribute(_Said):
    """What is asked of each entity of a label."""

    name: str
    values: dict[str, str]
    default: str


class SaidLabel(_Said):
    """A label that is looked for, and what can find it."""

    name: str
    definition: str
    guideline: str
    of: str | None
    attributes: list[SaidAttribute]
    found_by: list[str]


class SaidLabels(_Said):
    """The labels of the service."""

    name: str
    labels: list[SaidLabel]


class SaidSense(_Said):
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


class SaidSenses(_Said):
    """What the dictionary has for a term; `kind` is null where it has nothing."""

    kind: TermMatch | None
    senses: list[SaidSense]


class SaidExample(_Said):
    """An example of the pool that resembles the text."""

    document: str
    start: int
    text: str
    entities: list[SaidEntity]
    similarity: float
    why: str


class SaidExamples(_Said):
    """The examples that resemble the text most, and how many were left out for which reason."""

    examples: list[SaidExample]
    refused: dict[str, int]


class SaidHealth(_Said):
    """Whether the service takes work."""

    status: Literal["ok", "ending"]
