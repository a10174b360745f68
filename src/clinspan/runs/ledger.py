"""A run's ledger: what became of every window, and every request that was made for it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import regex

from clinspan.document import READ_STATES, Document, WindowState
from clinspan.errors import LLMError
from clinspan.files import Closing
from clinspan.messages import Completion, Place
from clinspan.runs.answers import SCHEMA, Answers, TokenCounts, change_of
from clinspan.runs.database import Change, Database

_VERSION = 2
_NUMBER = regex.compile(r"\d+(?:[.,]\d+)*")
_SCHEMA = f"""
{SCHEMA};
CREATE TABLE IF NOT EXISTS windows (
  number INTEGER NOT NULL,  -- of the document among the run's documents, from 0
  document TEXT NOT NULL,   -- its id
  start INTEGER NOT NULL, end INTEGER NOT NULL,
  state TEXT NOT NULL,
  asked INTEGER NOT NULL,   -- 0 where no entity was possible, so that no LLM was asked
  detail TEXT,
  PRIMARY KEY (number, start)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked (
  document TEXT NOT NULL, start INTEGER NOT NULL,
  key BLOB NOT NULL,        -- of a request about the window that begins there
  PRIMARY KEY (document, start, key)
) WITHOUT ROWID
"""
_READ = ", ".join(f"'{state.value}'" for state in sorted(READ_STATES))
_REQUESTS_OF = """
SELECT asked.key FROM asked JOIN windows
ON asked.document = windows.document AND asked.start >= windows.start AND asked.start < windows.end
"""


class Ledger(Closing):
    """One SQLite file, for one process at a time.

    Args:
        path: the file; it is made where it is not there.

    Raises:
        OutputError: when it cannot be used.
    """

    def __init__(self, path: Path):
        self._db = Database(path, _SCHEMA, version=_VERSION, fix="Begin another run: --run with another folder.")
        self.answers = Answers(self._db)
        (last,) = self._db.rows("SELECT max(number) FROM windows")
        self._before = int(last[0]) + 1 if last[0] is not None else 0
        """Documents whose windows an earlier session noted."""

    def ask(self, place: Place | None, key: bytes) -> None:
        """Notes that a request is about a window."""
        self._db.write_all(_asked(place, key))

    def keep(self, place: Place | None, key: bytes, result: Completion | LLMError) -> None:
        """Notes the result of a request that was made, and which window it is about."""
        self._db.write_all([*_asked(place, key), change_of(key, result)])

    def finish(self, number: int, document: Document) -> None:
        """Notes the states of a document's windows, in place of those that it had."""
        id = _storable(document.id)
        rows: list[Change] = []
        if number < self._before:
            rows.append(("DELETE FROM windows WHERE number = ?", (number,)))
        for window in document.windows:
            detail = None if window.detail is None else _storable(window.detail)
            span = window.span
            row = (number, id, span.start, span.end, window.state.value, int(window.asked), detail)
            rows.append(("INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?, ?)", row))
        self._db.write_all(rows)

    def end(self, documents: int) -> None:
        """Records the number of documents and deletes what an earlier pass said of later ones."""
        self._db.write("DELETE FROM windows WHERE number >= ?", (documents,))
        self._db.commit()

    def ask_again(self) -> int:
        """Marks what was asked about windows that were not read, to be asked again.

        Returns:
            How many windows those are.
        """
        self._db.write(
            f"UPDATE requests SET again = 1 WHERE error IS NOT NULL OR key IN ({_REQUESTS_OF} "
            f"WHERE windows.state NOT IN ({_READ}))"
        )
        self._db.commit()
        (row,) = self._db.rows(f"SELECT count(*) FROM windows WHERE state NOT IN ({_READ})")
        return int(row[0] or 0)

    def states(self) -> Mapping[WindowState, int]:
        """How many windows are in each state."""
        found = self._db.rows("SELECT state, count(*) FROM windows GROUP BY state")
        return {WindowState(str(state)): int(count or 0) for state, count in found}

    def documents(self) -> int:
        """How many documents have their windows noted."""
        (row,) = self._db.rows("SELECT count(DISTINCT number) FROM windows")
        return int(row[0] or 0)

    def requests(self) -> Mapping[str, int]:
        """How many requests were `answered`, `known` from the cache, `failed`, and how often they were sent in all."""
        (row,) = self._db.rows(
            "SELECT total(paid AND error IS NULL), total(NOT paid), total(error IS NOT NULL), total(attempts) "
            "FROM requests"
        )
        return dict(zip(("answered", "known", "failed", "attempts"), (int(n or 0) for n in row), strict=True))

    def failures(self) -> Counter[str]:
        """Why windows were not read: how many for each reason, without what differs from one to the next."""
        said: Counter[str] = Counter()
        for what, count in self._db.rows("SELECT what, count(*) FROM requests WHERE error IS NOT NULL GROUP BY what"):
            said[f"failed: {reason(str(what))}"] += int(count or 0)
        others = f"SELECT state, detail, count(*) FROM windows WHERE state NOT IN ({_READ}, 'failed') GROUP BY 1, 2"
        for state, detail, count in self._db.rows(others):
            said[f"{state!s}: {reason(str(detail or 'no reason given'))}"] += int(count or 0)
        return said

    def spent(self) -> TokenCounts:
        """Tokens of all attempts."""
        return self.answers.spent()

    def close(self) -> None:
        """Puts all that was noted on disk.

        Raises:
            OutputError: when that cannot be done.
        """
        self._db.close()


def reason(said: str) -> str:
    """The kind of a failure: its first clause, without numbers but a status, and so without a server's own words."""
    clause = said.partition(":")[0]
    return clause if clause.startswith("HTTP ") else _NUMBER.sub("N", clause)


def _asked(place: Place | None, key: bytes) -> list[Change]:
    if place is None:
        return []
    return [("INSERT OR IGNORE INTO asked VALUES (?, ?, ?)", (_storable(place.document), place.core.start, key))]


def _storable(text: str) -> str:
    """SQLite keeps text as UTF-8, which has no halves of surrogate pairs."""
    return text.encode("utf-8", "backslashreplace").decode()
