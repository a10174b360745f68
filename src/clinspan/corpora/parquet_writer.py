"""Results as Parquet, with the care of the writer of JSON lines."""

import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from clinspan.corpora import parquet
from clinspan.corpora.writer import cannot_write, refuse_existing
from clinspan.document import Document

ENDING = ".parquet"


class ParquetWriter:
    """Writes documents as rows, some hundreds at a time, to a file beside the output that takes its name at the end.

    What was written stays when an error or Ctrl-C ends the block. After kill -9 nothing can be read: a Parquet file has
    its table of contents at its end.

    Args:
        path: the output.
        force: replace an output that exists.
        owner: names the file beside the output; one of that name is replaced.

    Raises:
        OutputError: when the output exists and `force` is not set, or cannot be written to.
        MissingExtra: when pyarrow is not installed.
    """

    def __init__(self, path: str | Path, *, force: bool = False, owner: str | None = None):
        self.path = Path(path)
        self.force = force
        refuse_existing(self.path, force=force)
        self._part = self.path.with_name(f"{self.path.name}.{owner or secrets.token_hex(4)}.part")
        try:
            self._rows = parquet.Rows(self._part)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def write(self, document: Document) -> None:
        """Writes one document.

        Raises:
            OutputError: when the disk is full, say.
        """
        try:
            self._rows.add(document)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def close(self) -> None:
        """Puts the output in its place.

        Raises:
            OutputError: when that cannot be done.
        """
        try:
            self._rows.close()
            refuse_existing(self.path, force=self.force)
            self._part.replace(self.path)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
