"""Files that appear whole or not at all, databases that are the user's alone, and where cache and data are kept."""

import errno
import json
import os
import secrets
import shutil
import sqlite3
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Self

from filelock import FileLock
from platformdirs import user_cache_path

from clinspan.errors import ClinspanError, ConfigError, OutputError

CACHE_VARIABLE = "CLINSPAN_CACHE"
MANIFEST = "manifest.json"
"""In the folder of a dictionary or a pool: names the folder beside it that counts, and says what is in that."""
DRAFT = MANIFEST + ".draft"
LOCK = ".lock"


def cache_folder() -> Path:
    """The folder named by the environment variable CLINSPAN_CACHE, else the platform's cache folder for clinspan.

    It may not exist yet: who writes into it makes it.
    """
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else user_cache_path("clinspan", appauthor=False)


class Closing:
    """What is closed when its `with` block ends, whatever ends it."""

    def close(self) -> None:
        """Closes it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def whole_file(
    path: Path, *, errors: str = "strict", part: str | None = None, private: bool = False
) -> Iterator[TextIOWrapper]:
    """A text in UTF-8 that takes the place of `path`, on disk, when the block ends; an error leaves all as it was.

    Line ends are written as they are given. Bytes can be written to its `buffer`.

    Args:
        path: the file.
        errors: what becomes of characters that UTF-8 cannot hold.
        part: the name of the file beside it until then, where nobody else writes the same; None: one that nobody has.
        private: only the user may read it.

    Raises:
        OutputError: when it cannot be written.
    """
    beside = path.with_name(part or f".{path.name}.{secrets.token_hex(4)}.part")
    mode = 0o600 if private else 0o666
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), mode)
        with os.fdopen(handle, "w", encoding="utf-8", errors=errors, newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def next_generation(folder: Path, prefix: str) -> Iterator[tuple[Path, Callable[[Mapping[str, object]], None]]]:
    """An empty folder within `folder`, and the function that puts it and its manifest in the place of the one before.

    A reader sees the old generation or the new one, never a mixture. Writers wait for one another. What is not
    finished is removed, by this process or, if it is killed, by the next that writes.

    Args:
        folder: made where there is none.
        prefix: what the names of its generations begin with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):
        old = current_generation(folder)
        for stale in folder.glob(f"{prefix}*"):
            if stale.name != old:
                shutil.rmtree(stale, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
        new.chmod(0o755)

        def finish(manifest: Mapping[str, object]) -> None:
            for file in new.iterdir():
                with file.open("rb") as written:
                    os.fsync(written.fileno())
            with whole_file(folder / MANIFEST, part=DRAFT) as output:
                json.dump({"folder": new.name, **manifest}, output, ensure_ascii=False)

        try:
            yield new, finish
        finally:
            for other in {old, new.name} - {None, current_generation(folder)}:
                shutil.rmtree(folder / str(other), ignore_errors=True)


def current_generation(folder: Path) -> str | None:
    """The name of the generation that counts; None where no manifest can be read, so that there is none to keep."""
    try:
        return str(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def private_folder(path: Path) -> None:
    """Makes a folder that the user alone may look into; one that exists keeps its mode.

    Raises:
        OSError: when it cannot be made.
    """
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)


def private_database(path: Path, schema: str, *, version: int, fix: str, application: int = 0) -> sqlite3.Connection:
    """Opens a SQLite file that holds notes' text: in WAL mode, readable by the user alone, for any thread.

    Args:
        path: the file; it and its folder are made where they are not there.
        schema: SQL that makes its tables where they are not there.
        version: of the schema.
        fix: what the user can do about a file that cannot be used.
        application: a number that tells the file from those of other programs; 0 for none.

    Raises:
        OutputError: when the file cannot be opened, is no database, or one of another version or program.
    """
    try:
        private_folder(path.parent)
        # SQLite gives its side files the mode of the file itself.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        database = sqlite3.connect(path, timeout=60.0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise unusable(path, error, fix) from error
    try:
        _prepare(database, path, schema, version=version, fix=fix, application=application)
    except sqlite3.Error as error:
        database.close()
        raise unusable(path, error, fix) from error
    except OutputError:
        database.close()
        raise
    return database


def _prepare(
    database: sqlite3.Connection, path: Path, schema: str, *, version: int, fix: str, application: int
) -> None:
    (tables,) = database.execute("select count(*) from sqlite_master").fetchone()
    (owner,) = database.execute("pragma application_id").fetchone()
    (found,) = database.execute("pragma user_version").fetchone()
    if tables and owner != application:
        raise OutputError("is a database of another kind", where=str(path), fix=fix)
    if found not in (0, version):
        raise OutputError(
            f"was written by another version of clinspan (layout {found})",
            where=str(path),
            expected=f"layout {version}",
            fix=fix,
        )
    database.execute("pragma journal_mode = wal")
    # What is deleted is notes' text: its bytes shall not stay in the file.
    database.execute("pragma secure_delete = on")
    marks = f"pragma user_version = {version}; pragma application_id = {application}"
    database.executescript(f"begin immediate; {schema}; {marks}; commit")


def unusable(path: Path, error: OSError | sqlite3.Error, fix: str) -> OutputError:
    """Why a database cannot be used."""
    said = error.strerror if isinstance(error, OSError) else str(error)
    return OutputError(f"cannot be used: {said}", where=str(path), fix=fix)


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """A TOML file's text, and what it says.

    Raises:
        ConfigError: when it cannot be read, or is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"is not TOML: {error}", where=str(path)) from error


def refuse_existing(path: Path, *, force: bool) -> None:
    """Called before work begins, so that no hour is spent on what cannot be kept.

    Raises:
        OutputError: when the output exists and may not be replaced, or is a folder.
    """
    if path.is_dir():
        raise OutputError("is a folder", where=str(path), expected="the name of a file")
    if path.exists() and not path.is_file():
        raise OutputError("is not an ordinary file", where=str(path), fix="Write to standard output with -o -.")
    if path.exists() and not force:
        raise OutputError("exists already", where=str(path), fix="Name another output, or replace it with --force.")


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Why an output cannot be written."""
    if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
        return OutputError(f"there is no folder {path.parent}", where=str(path), fix=f"Make it: mkdir -p {path.parent}")
    return OutputError(f"cannot be written: {error.strerror}", where=str(path), fix=what_to_do(error))


def what_to_do(error: OSError) -> str | None:
    """What the user can do about a fault in writing, where that is known."""
    forbidden = isinstance(error, PermissionError | FileNotFoundError) or error.errno == errno.EROFS
    return "Choose a folder that you may write to." if forbidden else None


Value = str | bytes | int | float | None
Change = tuple[str, Sequence[Value]]
"""A statement and its values."""

_LAG = 0.05
"""Seconds that rows may wait for others to be committed with: what kill -9 can lose."""
_FLUSH = 1.0
"""Seconds between writes that reach the disk itself: what a power cut can lose."""
_PULSE = "CREATE TABLE IF NOT EXISTS pulse (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL)"


class Database(Closing):
    """A SQLite file written in groups: cheap for thousands of rows a second, on disk soon.

    Threads of this process write and read its rows; each sees at once what another wrote.

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
