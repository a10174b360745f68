"""What the review room holds: notes, the versions that were saved of them, and who saved them."""

from dataclasses import dataclass
from enum import StrEnum

from clinspan.document import Document
from clinspan.errors import ClinspanError
from clinspan.review.measures import Measures


class State(StrEnum):
    """How far a note has come."""

    NEW = "new"
    """As the tagger left it."""
    CHANGED = "changed"
    """Somebody works on it."""
    ACCEPTED = "accepted"
    """Somebody says that it is right."""


@dataclass(frozen=True, slots=True)
class Version:
    """One save of a note.

    Attributes:
        based_on: the version that was looked at when this one was made; 0 for the first.
        by: who saved it.
        at: when, as ISO 8601 in UTC.
        count: of its entities.
        aside: whether somebody else had saved first, so that it never was the note's.
    """

    number: int
    based_on: int
    by: str
    at: str
    state: State
    count: int
    aside: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A note as a list shows it: its current version, and the text's first characters as `title`."""

    key: int
    id: str
    title: str
    words: int
    doubt: float | None
    version: Version


@dataclass(frozen=True, slots=True)
class Note:
    """A note with the entities of its current version; `hash` is the SHA-256 of its text."""

    key: int
    hash: str
    version: Version
    document: Document


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a note for the choice of the next one."""

    key: int
    state: State
    measures: Measures


@dataclass(frozen=True, slots=True)
class Added:
    """What an import did: notes that are new, saves added to notes that were there, and notes left as they are."""

    new: int
    saved: int
    left: int


@dataclass(frozen=True, slots=True)
class Reviewer:
    """What one person did: notes with a version of theirs, and those whose current version they accepted."""

    by: str
    notes: int
    accepted: int


class Conflict(ClinspanError):
    """Somebody saved first. What was sent is kept in the history, aside.

    Attributes:
        newer: the note as it is now.
    """

    def __init__(self, newer: Note):
        super().__init__(f"{newer.version.by} saved version {newer.version.number} meanwhile")
        self.newer = newer
