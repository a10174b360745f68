"""A run's log as JSON lines, for machines to watch: what happened and how often, never what a note or answer says."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Self

from clinspan.document import Document
from clinspan.errors import LLMError, OutputError
from clinspan.messages import Completion
from clinspan.runs.ledger import reason


class RunLog:
    """Appends to a file, one event a line, each written when it happens.

    What a server says of its faults can repeat the note, and a document's id can be a patient's number. So failures are
    named by their kind, documents by their number in the run.

    Args:
        path: of the file.

    Raises:
        OutputError: when it cannot be written.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self._file: IO[str] = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror}", where=str(path)) from error

    def write(self, event: str, **said: object) -> None:
        """One event.

        Raises:
            OutputError: when it cannot be written.
        """
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            self._file.write(json.dumps({"at": at, "event": event, **said}) + "\n")
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror}", where=str(self.path)) from error

    def result(self, result: Completion | LLMError, *, known: bool) -> None:
        """A request's end. `known`: it was not made, since its answer was there."""
        if isinstance(result, LLMError):
            self.write("request failed", kind=type(result).__name__, reason=reason(result.what), known=known)
            return
        self.write(
            "request answered",
            finish=result.finish.value,
            prompt_tokens=result.prompt_tokens,
            completion_tokens=result.completion_tokens,
            cached_tokens=result.cached_tokens,
            seconds=round(result.seconds, 4),
            known=known,
        )

    def document(self, number: int, document: Document) -> None:
        """A document's end, with the state of each window."""
        self.write(
            "document done",
            document=number,
            characters=len(document.text),
            entities=len(document.entities),
            windows=[
                {"start": w.span.start, "end": w.span.end, "state": w.state.value, "asked": w.asked}
                for w in document.windows
            ],
        )

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
