"""The review room's file: notes in SQLite, with every version of their entities that a tagger or a person saved.

A save names the version that it was made on. Where somebody saved since, it changes nothing and is kept aside, as a
version of its own that is never the note's.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from clinspan.document import Document, Entity
from clinspan.errors import InputError
from clinspan.files import private_database, unusable
from clinspan.labels import Label
from clinspan.review.note import (
    APPLICATION,
    CURRENT,
    OF_VERSION,
    SCHEMA,
    VERSION,
    Added,
    Conflict,
    Listed,
    Mark,
    Measured,
    Measures,
    Note,
    Reviewer,
    State,
    Version,
    about_of,
    corrected,
    document_of,
    dumped,
    entities_of,
    is_name,
    label_of,
    measured,
    text_hash,
    version_of,
)

TAGGER = "clinspan"
"""Who made the versions that no person did."""
_FIX = "Name another file, or make one with: clinspan review import RESULTS -o reviews.sqlite"
_TITLE = 80


def _check_name(by: str) -> None:
    if not is_name(by) or by == TAGGER:
        raise InputError("is not a person's name", where="by", expected="letters, without control characters")


class Store:
    """A review file that is open. Any thread, and any other process, may use the file at the same time.

    Args:
        path: the file.
        create: whether it is made where there is none.

    Raises:
        InputError: when there is no such file.
        OutputError: when it cannot be used, or is no review file.
    """

    def __init__(self, path: str | Path, *, create: bool = False):
        self.path = Path(path)
        if not create and not self.path.is_file():
            raise InputError("there is no such review file", where=str(path), fix=_FIX)
        self._lock = threading.RLock()
        self._measures: dict[int, Measures] = {}
        self._db = private_database(self.path, SCHEMA, version=VERSION, fix=_FIX, application=APPLICATION)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _change(self) -> Iterator[None]:
        """A change that is on disk, whole, when the block ends; an error leaves all as it was."""
        with self._lock:
            try:
                self._db.execute("begin immediate")
                try:
                    yield
                    self._db.execute("commit")
                finally:
                    if self._db.in_transaction:
                        self._db.execute("rollback")
            except sqlite3.Error as error:
                raise unusable(self.path, error, _FIX) from error

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise unusable(self.path, error, _FIX) from error

    def labels(self) -> tuple[Label, ...]:
        """The labels that entities may have."""
        return tuple(label_of(json.loads(said)) for (said,) in self._rows("select said from labels order by place"))

    def add(
        self,
        documents: Iterable[Document],
        *,
        labels: Sequence[Label] = (),
        by: str | None = None,
        state: State = State.ACCEPTED,
    ) -> Added:
        """Takes documents in, all or, where one is at fault, none.

        Of a note that is there already, by its id, nothing is lost: what a tagger found is a new version where nobody
        looked at the note yet, and else left out; what a person marked is saved as that person's version where it says
        something else than their last.

        Args:
            documents: with the entities that a tagger found, or a person marked.
            labels: that entities may have; those of the documents are added where none are given.
            by: the person; None for a tagger.
            state: of what the person marked.

        Raises:
            ClinspanError: what `documents` raises.
            InputError: when an id is that of another text, there is no label at all, or `by` is no name.
        """
        if by is not None:
            _check_name(by)
        counts = {"new": 0, "saved": 0, "left": 0}
        with self._change():
            self._declare(labels)
            for document in documents:
                self._declare_names(entity.label for entity in document.entities)
                counts[self._take_in(document, by, state)] += 1
            if not self._rows("select 1 from labels limit 1"):
                raise InputError(
                    "no document has an entity, and nothing says which labels they may have",
                    fix="Name the label set: --labels.",
                )
        return Added(**counts)

    def _declare(self, labels: Iterable[Label]) -> None:
        statement = (
            "insert into labels (name, said) values (?, ?) on conflict (name) do update set said = excluded.said"
        )
        self._db.executemany(statement, [(label.name, json.dumps(label.to_dict())) for label in labels])

    def _declare_names(self, names: Iterable[str]) -> None:
        for name in dict.fromkeys(names):
            label = Label(name, name)
            self._db.execute(
                "insert or ignore into labels (name, said) values (?, ?)", (name, json.dumps(label.to_dict()))
            )

    def _take_in(self, document: Document, by: str | None, state: State) -> str:
        found = self._rows("select key, hash, version, state from notes where id = ?", document.id)
        if not found:
            self._insert(document, by, state)
            return "new"
        ((key, hash, version, state_now),) = found
        if hash != text_hash(document.text):
            raise InputError(
                f"the id {document.id!r} is that of another text",
                where=document.place,
                fix="Give each text an id of its own, or import it into another file.",
            )
        if by is None and state_now != State.NEW:
            return "left"
        who = by or TAGGER
        mine = self._rows("select entities from versions where note = ? and who = ? order by version", key, who)
        said = dumped(document.entities)
        if mine and mine[-1] == (said,):
            return "left"
        if by is None:
            doubt = measured(document).doubt
            self._db.execute("update notes set about = ?, doubt = ? where key = ?", (about_of(document), doubt, key))
        self._append(key, version, who, State.NEW if by is None else state, said, len(document.entities), aside=False)
        return "saved"

    def _insert(self, document: Document, by: str | None, state: State) -> None:
        state, known = (State.NEW if by is None else state), measured(document)
        cursor = self._db.execute(
            "insert into notes (id, text, hash, about, title, words, doubt, same, runs, version, state)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
            (
                *(document.id, document.text, text_hash(document.text), about_of(document)),
                *(" ".join(document.text.split())[:_TITLE], known.words, known.doubt, known.same),
                *(known.runs.tobytes(), state),
            ),
        )
        key = int(cursor.lastrowid or 0)
        self._append(key, 0, by or TAGGER, state, dumped(document.entities), len(document.entities), aside=False)

    def _append(
        self, key: int, based_on: int, by: str, state: State, entities: str, count: int, *, aside: bool
    ) -> Version:
        ((last,),) = self._rows("select coalesce(max(version), 0) from versions where note = ?", key)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        made = Version(last + 1, based_on, by, at, state, count, aside)
        row = (key, made.number, based_on, by, at, state, count, aside, entities)
        self._db.execute("insert into versions values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        if not aside:
            self._db.execute("update notes set version = ?, state = ? where key = ?", (made.number, state, key))
        return made

    def save(
        self, key: int, marks: Sequence[Mark], *, version: int, hash: str, by: str, state: State = State.CHANGED
    ) -> Version:
        """Saves a note as a person corrected it, and gives the new version; it is on disk then.

        What was saved already, by the same person on the same version, is not saved again: a client that never saw
        the answer may ask once more.

        Args:
            key: the note's.
            marks: all its entities.
            version: that the person saw.
            hash: of the text that the offsets are of; see `Note`.
            by: the person.
            state: what they say of the note.

        Raises:
            Conflict: when somebody saved since that version.
            InputError: when there is no such note or version, the text is another, or an entity cannot be.
        """
        _check_name(by)
        with self._change():
            note = self.note(key)
            if note is None:
                raise InputError("there is no such note")
            if hash != note.hash:
                raise InputError("the entities are of another text than this note's", where="hash")
            seen = self.version(key, version)
            if seen is None:
                raise InputError("the note has no such version", where="version")
            known, accepted = self._known(key, seen[1]), state is State.ACCEPTED
            entities = corrected(marks, note.document.text, known, self.labels(), accepted=accepted)
            said, current = dumped(entities), note.version
            same = (current.by, current.state, dumped(note.document.entities)) == (by, state, said)
            if current.number == version and same:
                return current
            if current.number == version:
                return self._append(key, version, by, state, said, len(entities), aside=False)
            again = self._rows(
                f"select {OF_VERSION} from versions v where note = ? and based_on = ? and who = ? and state = ?"
                " and entities = ? order by aside, version desc limit 1",
                *(key, version, by, state, said),
            )
            kept = version_of(again[0]) if again else None
            if kept is not None and kept.number == current.number:
                return kept
            if kept is None:
                self._append(key, version, by, state, said, len(entities), aside=True)
        raise Conflict(note)

    def _known(self, key: int, seen: tuple[Entity, ...]) -> tuple[Entity, ...]:
        """The entities that a person saw, and those of the tagger, or else of the first version, that were deleted: who
        takes a deletion back sends the place and label alone."""
        ((number,),) = self._rows(
            "select coalesce(max(case when who = ? then version end), 1) from versions where note = ?", TAGGER, key
        )
        first = self.version(key, number)
        places = {(entity.span, entity.label) for entity in seen}
        deleted = (entity for entity in (first[1] if first else ()) if (entity.span, entity.label) not in places)
        return (*seen, *deleted)

    def note(self, key: int) -> Note | None:
        """The note with that key."""
        found = self._rows(
            f"select n.id, n.text, n.hash, n.about, v.entities, {OF_VERSION} from {CURRENT} where n.key = ?", key
        )
        if not found:
            return None
        id, text, hash, about, entities, *version = found[0]
        return Note(key, hash, version_of(version), document_of(id, text, entities, json.loads(about)))

    def version(self, key: int, number: int) -> tuple[Version, tuple[Entity, ...]] | None:
        """One version of a note, with its entities."""
        found = self._rows(
            f"select n.text, v.entities, {OF_VERSION} from notes n join versions v on v.note = n.key"
            " where n.key = ? and v.version = ?",
            *(key, number),
        )
        if not found:
            return None
        text, entities, *version = found[0]
        return version_of(version), entities_of(entities, text)

    def history(self, key: int) -> tuple[Version, ...]:
        """All versions of a note, in the order in which they were saved."""
        rows = self._rows(f"select {OF_VERSION} from versions v where note = ? order by version", key)
        return tuple(map(version_of, rows))

    def listed(
        self, *, state: State | None = None, containing: str = "", offset: int = 0, limit: int = 50
    ) -> tuple[int, tuple[Listed, ...]]:
        """How many notes there are, and a part of them, the most doubtful first.

        Args:
            state: only those in it.
            containing: only those whose id or text has this; the case of ASCII letters does not count.
            offset: how many are passed over.
            limit: how many at most.
        """
        wanted = " where (? is null or n.state = ?)"
        values: tuple[object, ...] = (state, state)
        if containing:
            escaped = "".join(f"\\{one}" if one in "%_\\" else one for one in containing)
            wanted += " and (n.id like ? escape '\\' or n.text like ? escape '\\')"
            values += (f"%{escaped}%",) * 2
        ((total,),) = self._rows(f"select count(*) from notes n{wanted}", *values)
        rows = self._rows(
            f"select n.key, n.id, n.title, n.words, n.doubt, {OF_VERSION} from {CURRENT}{wanted}"
            " order by n.doubt is null, n.doubt desc, n.key limit ? offset ?",
            *(*values, limit, offset),
        )
        return total, tuple(
            Listed(key, id, title, words, doubt, version_of(version)) for key, id, title, words, doubt, *version in rows
        )

    def documents(self, states: Iterable[State] = (State.ACCEPTED,), *, by: str | None = None) -> Iterator[Document]:
        """The notes in some states, each with its entities, and in its metadata who saved them and when.

        Args:
            states: which.
            by: takes this person's last version of each note in place of the current one.
        """
        marks = [state.value for state in states]
        chosen = (
            "n.version = v.version"
            if by is None
            else ("v.version = (select max(version) from versions where note = n.key and who = ?)")
        )
        rows = self._rows(
            f"select n.key from notes n join versions v on v.note = n.key and {chosen}"
            f" where v.state in ({', '.join('?' * len(marks))}) order by n.key",
            *(() if by is None else (by,)),
            *marks,
        )
        for (key,) in rows:
            values: tuple[object, ...] = () if by is None else (by,)
            ((id, text, entities, *version),) = self._rows(
                f"select n.id, n.text, v.entities, {OF_VERSION} from notes n join versions v on v.note = n.key"
                f" and {chosen} where n.key = ?",
                *(*values, key),
            )
            saved = version_of(version)
            metadata = {"reviewed_by": saved.by, "reviewed_at": saved.at}
            yield replace(document_of(id, text, entities, {}), metadata=metadata)

    def measured(self) -> tuple[Measured, ...]:
        """All notes, as `clinspan.review.loop` weighs them. A note's words never change, and are read once."""
        with self._lock:
            last = max(self._measures, default=0)
            for key, words, same, runs in self._rows("select key, words, same, runs from notes where key > ?", last):
                self._measures[key] = Measures(words, None, same, np.frombuffer(runs, np.uint32))
            found = []
            for key, state, doubt in self._rows("select key, state, doubt from notes order by key"):
                # Another process may have added a note meanwhile.
                if key in self._measures:
                    if self._measures[key].doubt != doubt:
                        self._measures[key] = replace(self._measures[key], doubt=doubt)
                    found.append(Measured(key, State(state), self._measures[key]))
            return tuple(found)

    def stamp(self) -> tuple[int, int]:
        """Another value after each change of the file, whoever made it."""
        with self._lock:
            ((others,),) = self._rows("pragma data_version")
            return others, self._db.total_changes

    def states(self) -> Mapping[State, int]:
        """How many notes are in each state."""
        found = dict(self._rows("select state, count(*) from notes group by state"))
        return {state: found.get(state.value, 0) for state in State}

    def reviewers(self) -> tuple[Reviewer, ...]:
        """The people who saved notes, by name."""
        rows = self._rows(
            "select v.who, count(distinct v.note), count(distinct case when v.version = n.version and"
            " v.state = 'accepted' then v.note end) from versions v join notes n on n.key = v.note"
            " where v.who <> ? group by v.who order by v.who",
            TAGGER,
        )
        return tuple(Reviewer(*row) for row in rows)
