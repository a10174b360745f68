"""Results to disk so that nothing is lost: not what was there before, and not what was done when a run breaks off."""

import os
import secrets
import sys
import tempfile
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO

from clinspan import codec
from clinspan.corpora import catalogue, jsonl
from clinspan.corpora.format import CorpusFormat
from clinspan.document import Document
from clinspan.errors import OutputError
from clinspan.files import Closing, cannot_write, refuse_existing, what_to_do


class _Output(Closing):
    """An output that is closed, whatever ends the block."""

    def __init__(self, path: str | Path, *, force: bool, owner: str | None):
        self.path = Path(path)
        self.force = force
        self.written = 0
        self._beside = self.path.with_name(f"{self.path.name}.{owner or secrets.token_hex(4)}.part")
        if str(path) != "-":
            self._check()

    def _check(self) -> None:
        refuse_existing(self.path, force=self.force)

    def close(self) -> None:
        """Puts the output in its place; one with nothing in it would stand in the way of the corrected command."""
        raise NotImplementedError


class JsonlWriter(_Output):
    """Writes documents as JSON lines, each on disk when `write` returns.

    The lines go to a file beside the output, which takes its name when the `with` block ends, also when an error or
    Ctrl-C ends it. Until then an older output stands as it was. After kill -9 the file beside it, `NAME.….part`, has
    every line that was written.

    Args:
        path: the output; `-` for standard output.
        force: replace an output that exists.
        owner: names the file beside it, and what an earlier writer of that name left is written over, which is for
            callers who see to it that there is only one; None takes a name that nobody else has.

    Raises:
        OutputError: when the output exists and `force` is not set, or cannot be written to; then what is saved is said.
    """

    def __init__(self, path: str | Path, *, force: bool = False, owner: str | None = None):
        super().__init__(path, force=force, owner=owner)
        self._size = 0
        self._part: Path | None = self._beside
        self._file: BinaryIO | RawIOBase
        if str(path) == "-":
            self._file, self._part = sys.stdout.buffer, None
            return
        try:
            self._file = self._beside.open("wb" if owner else "xb", buffering=0)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def write(self, document: Document) -> None:
        """Writes one document.

        Raises:
            OutputError: when the disk is full, say; the lines before this one are safe, and the error says where.
        """
        line = codec.dump(document).encode() + b"\n"
        try:
            self._write_all(line)
        except OSError as error:
            raise self._broken(error) from error
        self._size += len(line)
        self.written += 1

    def _write_all(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]
        if self._part is None:
            self._file.flush()

    def _broken(self, error: OSError) -> OutputError:
        """What to say after a failed write; half a line is taken away again."""
        if self._part is None:
            return OutputError(f"cannot be written: {error.strerror}", where="standard output")
        os.truncate(self._part, self._size)
        self._file.close()
        kept = f"{self.written} documents are saved in {self._part}" if self.written else "nothing was written"
        if not self.written:
            self._part.unlink()
        self._part = None
        return OutputError(f"cannot be written: {error.strerror}; {kept}", where=str(self.path), fix=what_to_do(error))

    def close(self) -> None:
        """Puts the output in its place.

        Raises:
            OutputError: when that cannot be done; what was written is then in the file that the error names.
        """
        if self._part is None:
            return
        if not self.written:
            self._file.close()
            self._part.unlink(missing_ok=True)
            self._part = None
            return
        try:
            # Ctrl-C may have come in the middle of a line.
            os.ftruncate(self._file.fileno(), self._size)
            os.fsync(self._file.fileno())
            self._file.close()
            refuse_existing(self.path, force=self.force)
            self._part.replace(self.path)
        except OSError as error:
            raise self._broken(error) from error
        except OutputError as error:
            raise OutputError(
                f"{error.what}; {self.written} documents are saved in {self._part}", where=error.where
            ) from None
        self._part = None


class ParquetWriter(_Output):
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
        super().__init__(path, force=force, owner=owner)
        try:
            self._rows = jsonl.Rows(self._beside)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def write(self, document: Document) -> None:
        """Writes one document.

        Raises:
            OutputError: when the disk is full, say.
        """
        try:
            self._rows.add_document(document)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self.written += 1

    def close(self) -> None:
        """Puts the output in its place.

        Raises:
            OutputError: when that cannot be done.
        """
        try:
            self._rows.close()
            if not self.written:
                self._beside.unlink()
                return
            refuse_existing(self.path, force=self.force)
            self._beside.replace(self.path)
        except OSError as error:
            raise cannot_write(self.path, error) from error


class ConvertedWriter(_Output):
    """Writes documents in a format that is made of all of them at once.

    They are kept as JSON lines beside the output, each on disk when `write` returns, and converted when the block ends,
    also when an error or Ctrl-C ends it. After kill -9, or where the format cannot say something, the lines are there.

    Args:
        path: the output: a file, or a new folder.
        format: what it is written in.
        force: replace a file that exists.
        owner: names the file beside it; one of that name is replaced.

    Raises:
        OutputError: when the output exists and may not be replaced, or cannot be written to.
    """

    def __init__(self, path: str | Path, format: CorpusFormat, *, force: bool = False, owner: str | None = None):
        self._format = format
        super().__init__(path, force=force, owner=owner)
        self._kept = self._beside.with_suffix(".jsonl")
        try:
            self._lines = JsonlWriter(self._kept, force=True, owner=owner)
        except OutputError as error:
            raise OutputError(error.what, where=str(self.path), fix=error.fix) from None

    def _check(self) -> None:
        check_place(self.path, self._format, force=self.force)

    def write(self, document: Document) -> None:
        """Writes one document.

        Raises:
            OutputError: as `JsonlWriter.write`.
        """
        self._lines.write(document)
        self.written += 1

    def close(self) -> None:
        """Converts the documents and puts the output in its place.

        Raises:
            OutputError: when that cannot be done; the error names the file that has the documents.
        """
        self._lines.close()
        if not self.written:
            return
        try:
            self._convert()
        except OSError as error:
            raise self._failed(cannot_write(self.path, error)) from error
        except OutputError as error:
            raise self._failed(error) from None
        self._kept.unlink()

    def _convert(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=f".{self.path.name}.") as folder:
            part = Path(folder) / self.path.name
            documents = (one for one in jsonl.read(self._kept) if isinstance(one, Document))
            catalogue.write(documents, part, format=self._format.name)
            self._check()
            if part.is_dir() and self.path.is_dir():
                self.path.rmdir()
            part.replace(self.path)

    def _failed(self, error: OutputError) -> OutputError:
        kept = f"{self.written} documents are saved as JSON lines in {self._kept}"
        return OutputError(f"{error.what}; {kept}", where=str(self.path), expected=error.expected, fix=error.fix)


Writer = JsonlWriter | ParquetWriter | ConvertedWriter


def open_writer(path: Path, *, force: bool = False, owner: str | None = None) -> Writer:
    """The writer for an output, by its ending; see the writers for the rest.

    Raises:
        OutputError: as `check_output`, and when the output cannot be written to.
    """
    format = check_output(path, force=force)
    if format is jsonl.FORMAT:
        return JsonlWriter(path, force=force, owner=owner)
    if format is jsonl.PARQUET:
        return ParquetWriter(path, force=force, owner=owner)
    return ConvertedWriter(path, format, force=force, owner=owner)


def check_output(path: Path, *, force: bool) -> CorpusFormat:
    """The format of an output, by its ending; JSON lines where it has none. `-` is standard output.

    It is called before work begins, so that no hour is spent on what cannot be kept.

    Raises:
        OutputError: when the ending says no format, or the output exists and may not be replaced.
    """
    if str(path) == "-":
        return jsonl.FORMAT
    format = catalogue.written_as(path) if path.suffix else jsonl.FORMAT
    check_place(path, format, force=force)
    return format


def check_place(path: Path, format: CorpusFormat, *, force: bool) -> None:
    """Makes sure that an output of a format can be put in its place: a file, or a folder that is new or empty.

    Raises:
        OutputError: when it cannot.
    """
    if not format.folder:
        refuse_existing(path, force=force)
    elif path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise OutputError("exists already", where=str(path), expected="a new folder or an empty one")
