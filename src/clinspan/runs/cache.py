"""The cache that runs share: answers by the content of their requests, in the user's cache folder."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from clinspan.folders import cache_folder
from clinspan.runs import answers
from clinspan.runs.answers import Answers
from clinspan.runs.database import Database

VARIABLE = "CLINSPAN_ANSWERS"
_VERSION = 1


def cache_path() -> Path:
    """The file named by the environment variable CLINSPAN_ANSWERS, else one in clinspan's cache folder."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else cache_folder() / "answers" / "answers.sqlite"


class Cache(Answers):
    """Answers of all runs of this user; several processes may use it at once.

    Args:
        path: of the file; None for the user's.

    Raises:
        OutputError: when it cannot be used.
    """

    def __init__(self, path: Path | None = None):
        self.path = path or cache_path()
        fix = f"Go on without it with --no-cache, or delete {self.path}."
        self._database = Database(self.path, answers.SCHEMA, version=_VERSION, fix=fix)
        super().__init__(self._database)

    def forget(self, keys: Iterable[bytes]) -> int:
        """Deletes the answers to these requests, and gives how many there were; no byte of them stays in the file."""
        before = len(self)
        for key in keys:
            self._database.write("DELETE FROM requests WHERE key = ?", (key,))
        gone = before - len(self)
        self._database.shrink()
        return gone

    def clear(self) -> int:
        """Deletes all answers, and gives how many there were."""
        gone = len(self)
        self._database.write("DELETE FROM requests")
        self._database.shrink()
        return gone

    def close(self) -> None:
        """Puts all that was kept on disk.

        Raises:
            OutputError: when that cannot be done.
        """
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
