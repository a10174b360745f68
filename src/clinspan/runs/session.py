"""One session of a run: the LLM that is recorded, the notes' states as they come, and the log for machines."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from clinspan.document import Document, WindowState
from clinspan.errors import LLMError, OutputError
from clinspan.files import Closing
from clinspan.llms.base import LLM
from clinspan.messages import Completion
from clinspan.runs.answers import NOTHING, Cache, TokenCounts
from clinspan.runs.folder import RunFolder
from clinspan.runs.ledger import NO_LIMITS, Budget, Limits, reason
from clinspan.runs.recorded import Recorded, Tally
from clinspan.tagging.read import Summary
from clinspan.tagging.tagger import Tagger


class RunLog(Closing):
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


class Session:
    """What is kept beside the results while documents go through a tagger; who opened the parts closes them.

    Args:
        llm: is asked; None for the dictionary alone.
        folder: of the run; None keeps nothing of it.
        cache: answers of other runs.
        limits: what may be spent, over all sessions of the run.
        log: is told what happens.
    """

    def __init__(
        self,
        llm: LLM | None,
        *,
        folder: RunFolder | None = None,
        cache: Cache | None = None,
        limits: Limits = NO_LIMITS,
        log: RunLog | None = None,
    ):
        self.folder = folder
        self.log = log
        self.budget = Budget(limits, folder.ledger.spent() if folder is not None else NOTHING)
        self.recorded: Recorded | None = None
        self.documents = 0
        ledger = folder.ledger if folder is not None else None
        if llm is not None:
            self.recorded = Recorded(
                llm, ledger=ledger, cache=cache, budget=self.budget, told=log.result if log is not None else None
            )

        if log is not None:
            log.write("begun", model=llm.name if llm is not None else "none", run=self.owner)

    def over(self, tagger: Tagger) -> Tagger:
        """The tagger with the LLM that is recorded in place of its own."""
        return tagger.with_model(self.recorded) if self.recorded is not None else tagger

    @property
    def owner(self) -> str | None:
        """The run's id, which names what is written for it."""
        return self.folder.id if self.folder is not None else None

    @property
    def tally(self) -> Tally:
        """What was asked in this session."""
        return self.recorded.tally if self.recorded is not None else Tally()

    @property
    def spent(self) -> TokenCounts:
        """Tokens over all sessions of the run."""
        return self.budget.spent

    @property
    def exhausted(self) -> bool:
        """True when windows were not asked about, since the budget was spent."""
        return self.budget.exhausted

    def finish(self, document: Document) -> None:
        """Notes what became of the next document.

        Raises:
            OutputError: when that cannot be written.
        """
        if self.folder is not None:
            self.folder.ledger.finish(self.documents, document)
        if self.log is not None:
            self.log.document(self.documents, document)
        self.documents += 1

    def end(self) -> None:
        """Notes that there are no more documents.

        Raises:
            OutputError: when that cannot be written.
        """
        if self.folder is not None:
            self.folder.ledger.end(self.documents)

    def tell(self, status: int) -> None:
        """Tells the log how it ended.

        Raises:
            OutputError: when that cannot be written.
        """
        if self.log is None:
            return
        tally = self.tally
        self.log.write(
            "ended",
            status=status,
            documents=self.documents,
            asked=tally.asked,
            known=tally.known,
            failed=tally.failed,
            prompt_tokens=tally.tokens.prompt,
            completion_tokens=tally.tokens.completion,
            cached_tokens=tally.tokens.cached,
        )

    def brief(self) -> str:
        """Tokens and money of the run so far, in a few words; nothing where there are none."""
        if not self.spent.total:
            return ""
        price = self.budget.limits.price
        cost = f", {price.show(price.of(self.spent))}" if price is not None else ""
        return f"{self.spent.total:,} tokens{cost}"

    def rows(self) -> dict[str, str]:
        """What a summary says of requests, tokens and money, by name."""
        if self.recorded is None:
            return {}
        tally, rows = self.tally, {}
        known = f", {tally.known:,} known already" if tally.known else ""
        failed = f", {tally.failed:,} failed" if tally.failed else ""
        rows["requests"] = f"{tally.asked:,} made{failed}{known}"
        if tally.tokens.total:
            cached = f" ({tally.tokens.cached:,} of them evaluated before)" if tally.tokens.cached else ""
            rows["tokens"] = f"{tally.tokens.prompt:,} in{cached}, {tally.tokens.completion:,} out"
        price = self.budget.limits.price
        if price is not None:
            rows["cost"] = price.show(price.of(tally.tokens))
        return rows

    def hints(self, summary: Summary, *, stopped: bool) -> list[str]:
        """What the user can do next about what is not done."""
        said = []
        if self.exhausted:
            more = "Repeat the command with a larger one." if self.folder else "With --run it could go on later."
            said.append(f"the budget of {self.budget.limits} is spent. {more}")
        if self.folder is not None and stopped:
            said.append("To go on, repeat the command.")
        elif self.folder is not None and summary.unread_windows > summary.states[WindowState.OVER_BUDGET]:
            said.append(f"To ask again about what was not read: clinspan runs retry {self.folder.path}")
        return said
