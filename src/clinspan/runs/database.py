"""A SQLite file that is the user's alone, written in groups: cheap for thousands of rows a second, on disk soon."""

import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from clinspan.errors import ClinspanError, OutputError
from clinspan.files import Closing, private_database, unusable

Value = str | bytes | int | float | None
Change = tuple[str, Sequence[Value]]
"""A statement and its values."""

_LAG = 0.05
"""Seconds that rows may wait for others to be committed with: what kill -9 can lose."""
_FLUSH = 1.0
"""Seconds between writes that reach the disk itself: what a power cut can lose."""
_PULSE = "CREATE TABLE IF NOT EXISTS pulse (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL)"


class Database(Closing):
    """Rows that threads of this process write and read; each sees at once what another wrote.

    A commit in WAL mode survives the end of the process at any point. That a power cut loses little, too, is seen to by
    one commit a second that waits for the disk; waiting at each would cost more than the rows.

    Args:
        path: the file; it and its folder are made, readable by the user alone, as they hold notes' text.
        schema: SQL that makes its tables where they are not there.
        version: of the schema.
        fix: what the user can do about a file that cannot be used.

    Raises:
        OutputError: when the file cannot be opened or written, is no database, or one of another version.
    """

    def __init__(self, path: Path, schema: str, *, version: int, fix: str):
        self.path = path
        self._fix = fix
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._closed = False
        self._fault: ClinspanError | None = None
        self._db = private_database(path, f"{schema}; {_PULSE}", version=version, fix=fix)
        self._db.execute("PRAGMA synchronous = NORMAL")
        # A daemon: it must not keep a program from ending that did not close the file.
        self._committer = threading.Thread(target=self._commit_groups, name="clinspan-ledger", daemon=True)
        self._committer.start()

    def write(self, sql: str, values: Sequence[Value] = ()) -> None:
        """Changes rows; see `write_all`."""
        self.write_all([(sql, values)])

    def write_all(self, changes: Iterable[Change]) -> None:
        """Changes rows; seen at once by every reader here, and committed together within a moment.

        Raises:
            OutputError: when this or an earlier change could not be kept, as on a full disk.
        """
        with self._lock:
            self._check()
            try:
                if not self._db.in_transaction:
                    self._db.execute("BEGIN IMMEDIATE")
                for sql, values in changes:
                    self._db.execute(sql, values)
            except sqlite3.Error as error:
                raise self._broken(error) from error
        if not self._wake.is_set():
            self._wake.set()

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        """What a query finds.

        Raises:
            OutputError: when the file cannot be read.
        """
        with self._lock:
            self._check()
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise self._broken(error) from error

    def commit(self) -> None:
        """Commits what was written and waits until the disk has it.

        Raises:
            OutputError: when it could not be kept.
        """
        with self._lock:
            self._check()
            try:
                self._to_disk()
            except sqlite3.Error as error:
                raise self._broken(error) from error

    def shrink(self) -> None:
        """Commits, and gives back the room of what was deleted, here and in the side file.

        Raises:
            OutputError: when that cannot be done.
        """
        with self._lock:
            self.commit()
            try:
                self._db.execute("VACUUM")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                raise self._broken(error) from error

    def close(self) -> None:
        """Commits and closes.

        Raises:
            OutputError: when what was written could not be kept.
        """
        with self._lock:
            if self._closed:
                return
            try:
                if self._fault is None:
                    self.commit()
            finally:
                self._closed = True
                self._db.close()
        self._wake.set()
        self._committer.join()

    def _commit_groups(self) -> None:
        rest = threading.Event()
        groups = 0
        while True:
            self._wake.wait()
            rest.wait(_LAG)
            with self._lock:
                if self._closed or self._fault is not None:
                    return
                self._wake.clear()
                groups += 1
                try:
                    if groups * _LAG >= _FLUSH:
                        groups = 0
                        self._to_disk()
                    elif self._db.in_transaction:
                        self._db.execute("COMMIT")
                except sqlite3.Error as error:
                    self._fault = self._broken(error)
                    return

    def _to_disk(self) -> None:
        if self._db.in_transaction:
            self._db.execute("COMMIT")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("INSERT OR REPLACE INTO pulse VALUES (1, ?)", (time.time(),))
        self._db.execute("PRAGMA synchronous = NORMAL")

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault
        if self._closed:
            raise ValueError(f"{self.path} was closed")

    def _broken(self, error: sqlite3.Error) -> OutputError:
        return unusable(self.path, error, self._fix)
