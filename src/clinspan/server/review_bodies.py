"""What requests and answers about notes under review look like; see `clinspan.server.bodies`."""

from typing import Annotated, Literal

from pydantic import Field

from clinspan.review.correction import Mark
from clinspan.review.note import State
from clinspan.server.bodies import Given, Said, SaidEntity, SaidWindow, Text

MOST_ENTITIES = 100_000
LARGEST = 2**53
"""The largest whole number that JavaScript tells from the next."""
_Offset = Annotated[int, Field(ge=0, le=LARGEST)]
_Name = Annotated[Text, Field(min_length=1, max_length=1000)]


class GivenEntity(Given):
    """An entity as a person marked it. Offsets count Unicode code points; `end` is one past the last.

    What is known of an entity that is still at its place with its label is kept: it need not be sent.
    """

    start: _Offset
    end: _Offset
    label: _Name
    attributes: dict[_Name, _Name] = Field({}, max_length=100)
    fragments: list[Annotated[list[_Offset], Field(min_length=2, max_length=2)]] = Field([], max_length=100)
    id: _Name | None = None

    def mark(self) -> Mark:
        """What is saved."""
        parts = tuple((start, end) for start, end in self.fragments)
        return Mark(self.start, self.end, self.label, self.attributes, parts, self.id)


class GivenVersion(Given):
    """A note as a person corrected it."""

    version: int = Field(ge=1, le=LARGEST, description="The version that the person saw.")
    hash: Text = Field(max_length=64, description="The note's hash: which text the offsets are of.")
    by: Annotated[Text, Field(min_length=1, max_length=100)] = Field(description="Who the person is.")
    state: Literal["changed", "accepted"]
    entities: Annotated[list[GivenEntity], Field(max_length=MOST_ENTITIES)]


class GivenLoop(Given):
    """What is made of the accepted notes."""

    pool: bool = Field(True, description="A pool of examples.")
    gold: bool = Field(True, description="Gold, as JSON lines.")


class SaidNote(Said):
    """A note in the list. `doubt` is null where nothing says how sure the tagger was."""

    key: int
    id: str
    title: str
    words: int
    doubt: float | None
    version: int
    state: State
    entities: int
    by: str
    at: str


class SaidNotes(Said):
    """A part of the notes, and how many there are."""

    total: int
    notes: list[SaidNote]


class SaidChoice(Said):
    """An attribute that entities of a label have."""

    name: str
    values: list[str]
    definitions: dict[str, str]
    default: str


class SaidReviewLabel(Said):
    """A label that an entity may have."""

    name: str
    definition: str
    guideline: str
    of: str | None
    attributes: list[SaidChoice]


class SaidWholeNote(Said):
    """A note with its entities."""

    key: int
    id: str
    text: str
    hash: str
    version: int
    state: State
    by: str
    at: str
    entities: list[SaidEntity]
    windows_not_read: list[SaidWindow]
    labels: list[SaidReviewLabel]


class SaidSaved(Said):
    """A version that was saved, and is on disk."""

    version: int
    state: State
    at: str


class SaidConflict(Said):
    """The note as somebody saved it meanwhile. What was sent is kept in the history, aside."""

    version: int
    by: str
    at: str
    state: State
    entities: list[SaidEntity]


class SaidVersion(Said):
    """A line of a note's history; `aside`: somebody had saved first, so that it never was the note's."""

    version: int
    based_on: int
    by: str
    at: str
    state: State
    entities: int
    aside: bool


class SaidHistory(Said):
    """All versions of a note, in the order in which they were saved."""

    versions: list[SaidVersion]


class SaidNext(Said):
    """The note that is worth most; null where all are reviewed."""

    key: int | None


class SaidReviewer(Said):
    """The notes that a person saved, and those whose current version they accepted."""

    by: str
    notes: int
    accepted: int


class SaidSummary(Said):
    """How far the review is."""

    total: int
    states: dict[State, int]
    reviewers: list[SaidReviewer]


class SaidLoop(Said):
    """What was made of the accepted notes: documents in the pool and in the gold, and the names they have."""

    accepted: int
    pooled: int | None
    examples: int | None
    left_out: dict[str, int]
    gold: int | None
    pool_name: str | None
    gold_name: str | None
