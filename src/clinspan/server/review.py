"""Notes under review: what requests and answers look like, and the paths.

These are the list, a note with its history, saving, what comes next, and the way back. They run in threads of their
own. Those that look at all notes (`WHOLE`) take a place as work does; the others SQLite answers within milliseconds.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from clinspan.document import READ_STATES, Entity
from clinspan.errors import InputError
from clinspan.labels import Label
from clinspan.review import loop
from clinspan.review.loop import Reviews
from clinspan.review.note import Conflict, Mark, State, Version
from clinspan.review.store import Store
from clinspan.server.bodies import Given, Said, SaidEntity, SaidWindow, Text
from clinspan.server.guard import fault
from clinspan.server.routes import POSTED, ServiceOf, faults
from clinspan.server.service import Service

MOST_ENTITIES = 100_000
WHOLE = ("/review/notes", "/review/next", "/review/summary")
"""Paths whose GET looks at all notes."""
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


router = APIRouter()
_Key = Annotated[int, Path(ge=1, le=LARGEST, description="A note's key, as GET /review/notes gave it.")]
_Number = Annotated[int, Path(ge=1, le=LARGEST)]


@router.get("/review/notes", responses={200: {"model": SaidNotes}, **faults(422, 429)})
def get_notes(
    service: ServiceOf,
    state: Annotated[State | None, Query(description="Only notes in this state.")] = None,
    q: Annotated[str, Query(max_length=200, description="Only notes whose id or text has this.")] = "",
    offset: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Response:
    """Lists notes, those first of which the tagger was least sure."""
    total, notes = _store(service).listed(state=state, containing=q, offset=offset, limit=limit)
    told = [
        {name: getattr(note, name) for name in ("key", "id", "title", "words", "doubt")} | _line(note.version)
        for note in notes
    ]
    return JSONResponse({"total": total, "notes": [_without(one, "based_on", "aside") for one in told]})


@router.get("/review/notes/{key}", responses={200: {"model": SaidWholeNote}, **faults(404, 422)})
def get_note(key: _Key, service: ServiceOf) -> Response:
    """Gives a note with its entities, what was not read of it, and the labels that it may have."""
    store = _store(service)
    note = store.note(key)
    if note is None:
        return _no_note()
    about, document = note.version, note.document
    return JSONResponse(
        {
            **{"key": key, "id": document.id, "text": document.text, "hash": note.hash},
            **{"version": about.number, "state": about.state, "by": about.by, "at": about.at},
            "entities": _plain(document.entities),
            "windows_not_read": [one.to_dict() for one in document.windows if one.state not in READ_STATES],
            "labels": [_label(label) for label in store.labels()],
        }
    )


@router.put(
    "/review/notes/{key}",
    responses={
        200: {"model": SaidSaved},
        **POSTED,
        **faults(404),
        409: {"model": SaidConflict, "description": "Somebody saved first."},
    },
)
def put_note(key: _Key, given: GivenVersion, service: ServiceOf) -> Response:
    """Saves a note as a person corrected it. The answer comes when the version is on disk.

    A save of the same by the same person on the same version is answered as the first was.
    """
    store = _store(service)
    if not store.history(key):
        return _no_note()
    try:
        made = store.save(
            key,
            [one.mark() for one in given.entities],
            version=given.version,
            hash=given.hash,
            by=given.by,
            state=State(given.state),
        )
    except Conflict as conflict:
        about = conflict.newer.version
        said = {"version": about.number, "by": about.by, "at": about.at, "state": about.state}
        return JSONResponse({**said, "entities": _plain(conflict.newer.document.entities)}, 409)
    except InputError as error:
        where = f"body.{error.where}" if error.where is not None else "body"
        return fault(422, error.what, where=where, fix=error.expected and f"Expected: {error.expected}.")
    return JSONResponse({"version": made.number, "state": made.state, "at": made.at})


@router.get("/review/notes/{key}/history", responses={200: {"model": SaidHistory}, **faults(404, 422)})
def get_history(key: _Key, service: ServiceOf) -> Response:
    """Lists the versions of a note: who saved how many entities, and when."""
    versions = _store(service).history(key)
    return JSONResponse({"versions": [_line(one) for one in versions]}) if versions else _no_note()


@router.get("/review/notes/{key}/history/{version}", responses={200: {"model": SaidConflict}, **faults(404, 422)})
def get_version(key: _Key, version: _Number, service: ServiceOf) -> Response:
    """Gives the entities of one version."""
    found = _store(service).version(key, version)
    if found is None:
        return fault(404, "there is no such version")
    about, entities = found
    said = _without(_line(about), "based_on", "aside")
    return JSONResponse({**said, "entities": _plain(entities)})


@router.get("/review/next", responses={200: {"model": SaidNext}, **faults(422, 429)})
def get_next(
    service: ServiceOf,
    after: Annotated[
        list[_Number],
        Query(max_length=1000, description="Notes that were looked at: neither they nor their like are said again."),
    ] = [],  # noqa: B006
) -> Response:
    """Says which note is worth most: the tagger was unsure of it, and no reviewed note says the same."""
    assert service.chooser is not None
    found = service.chooser.next(after)
    return JSONResponse({"key": found.key if found is not None else None})


@router.get("/review/summary", responses={200: {"model": SaidSummary}, **faults(429)})
def get_summary(service: ServiceOf) -> Response:
    """Counts notes by state, and what each person did."""
    store = _store(service)
    states = store.states()
    people = [asdict(one) for one in store.reviewers()]
    return JSONResponse({"total": sum(states.values()), "states": states, "reviewers": people})


@router.post("/review/loop", responses={200: {"model": SaidLoop}, **POSTED, **faults(409)})
async def post_loop(given: GivenLoop, service: ServiceOf) -> Response:
    """Writes a pool of examples and gold from the accepted notes, in place of earlier ones.

    Where the service shows examples of that pool, the next prompts have the new ones.
    """
    room = _reviews(service)
    try:
        made = await service.work(lambda: loop.write(room.store, room.output, pool=given.pool, gold=given.gold))
    except InputError as error:
        return fault(409, error.what, fix=error.fix)
    if given.pool:
        await service.examples_changed(room.output / loop.POOL)
    names = {"pool_name": loop.POOL if given.pool else None, "gold_name": loop.GOLD if given.gold else None}
    return JSONResponse({**asdict(made), **names})


def _reviews(service: Service) -> Reviews:
    assert service.reviews is not None
    return service.reviews


def _store(service: Service) -> Store:
    return _reviews(service).store


def _no_note() -> Response:
    return fault(404, "there is no such note")


def _line(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "based_on": version.based_on,
        "by": version.by,
        "at": version.at,
        "state": version.state,
        "entities": version.count,
        "aside": version.aside,
    }


def _without(said: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in names}


def _plain(entities: Sequence[Entity]) -> list[dict[str, object]]:
    return [entity.to_dict() for entity in entities]


def _label(label: Label) -> dict[str, object]:
    choices = [
        {"name": one.name, "values": list(one.value_names), "definitions": dict(one.values), "default": one.default}
        for one in label.attributes
    ]
    return {**label.to_dict(), "attributes": choices}
