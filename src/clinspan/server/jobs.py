"""Jobs: many documents tagged in the background, with progress, and results that are held for a while."""

import logging
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from clinspan import codec
from clinspan.document import READ_STATES, Document
from clinspan.server.bodies import place_of
from clinspan.server.settings import ServerSettings
from clinspan.tagging.read import WindowRead
from clinspan.tagging.tagger import Tagger

log = logging.getLogger("clinspan.server")


class JobState(StrEnum):
    """Where a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job has come.

    Attributes:
        documents: that are done.
        of: all documents of the job.
        windows: that were read or given up.
        not_read: those of them that were given up.
        entities: of the documents that are done.
        reason: why the job failed: the kind of error and its place in the program; None where it did not fail.
    """

    id: str
    state: JobState
    documents: int
    of: int
    windows: int
    not_read: int
    entities: int
    reason: str | None = None


class Cancelled(Exception):
    """Somebody took the job back."""


class Job:
    """One job; a thread works on it, and others look at it.

    Attributes:
        results: each document that is done, as one line of JSON.
        fetched: whether somebody has got all results.
        reason: why it failed.
    """

    def __init__(self, documents: Sequence[Document]):
        self.id = secrets.token_urlsafe(16)
        self.state = JobState.WAITING
        self.results: list[str] = []
        self.fetched = False
        self.reason: str | None = None
        self.ended_at: float | None = None
        self.characters = sum(len(document.text) for document in documents)
        self._documents = list(documents)
        self._of = len(documents)
        self._windows = self._not_read = self._entities = 0
        self._cancelled = threading.Event()

    @property
    def ended(self) -> bool:
        """True when nothing will change any more."""
        return self.state in ENDED

    def progress(self) -> JobProgress:
        """How far it has come."""
        counts = self._windows, self._not_read, self._entities
        return JobProgress(self.id, self.state, len(self.results), self._of, *counts, self.reason)

    def cancel(self) -> None:
        """Ends it: at once where it waits, after the next window where it runs."""
        self._cancelled.set()

    def run(self, tagger: Tagger, counted: Callable[[Document], None]) -> None:
        """Tags the documents; what was done stays, however it ends."""
        ended = JobState.FAILED
        try:
            self._check()
            self.state = JobState.RUNNING
            for document in tagger.tag_many(self._taken(), progress=self._heard):
                self._entities += len(document.entities)
                counted(document)
                self.results.append(codec.dump(document))
            ended = JobState.DONE
        except Cancelled:
            ended = JobState.CANCELLED
        finally:
            if ended is JobState.FAILED and (error := sys.exception()) is not None:
                # Its message may repeat a text.
                self.reason = place_of(error)
            self._documents.clear()
            self.ended_at = time.monotonic()
            self.state = ended

    def _taken(self) -> Iterator[Document]:
        for document in self._documents:
            self._check()
            yield document

    def _heard(self, window: WindowRead) -> None:
        self._check()
        self._windows += 1
        self._not_read += window.state not in READ_STATES

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled


class Jobs:
    """The jobs of a service. All methods are for its event loop's thread.

    Args:
        tagger: does the work.
        settings: say how many jobs run and are held.
        counted: is told each document that was tagged.

    Attributes:
        tagger: of the jobs that are submitted from now on.
    """

    def __init__(self, tagger: Tagger, settings: ServerSettings, counted: Callable[[Document], None]):
        self.tagger = tagger
        self._settings = settings
        self._counted = counted
        self._held: dict[str, Job] = {}
        # A job that was deleted may still be at work.
        self._working: set[Job] = set()
        self._threads = ThreadPoolExecutor(settings.jobs_at_once, thread_name_prefix="clinspan-job")

    def submit(self, documents: Sequence[Document]) -> Job | None:
        """A new job; None when no more can be held."""
        job = Job(documents)
        if not self._make_room(job.characters):
            return None
        self._held[job.id] = job
        self._working.add(job)
        self._threads.submit(job.run, self.tagger, self._counted).add_done_callback(_tell)
        return job

    def get(self, id: str) -> Job | None:
        """The job with that id."""
        self.purge()
        return self._held.get(id)

    def forget(self, id: str) -> bool:
        """Cancels a job and drops its results; False when there is none of that id."""
        job = self._held.pop(id, None)
        if job is not None:
            job.cancel()
        return job is not None

    def purge(self) -> None:
        """Drops the results of jobs that ended long ago."""
        self._working = {job for job in self._working if not job.ended}
        before = time.monotonic() - self._settings.kept_seconds
        for job in [*self._held.values()]:
            if job.ended_at is not None and job.ended_at < before:
                del self._held[job.id]

    def cancel(self, *, running: bool) -> None:
        """Cancels the jobs that wait; with `running`, those that run as well."""
        for job in self._working:
            if running or job.state is JobState.WAITING:
                job.cancel()

    @property
    def busy(self) -> bool:
        """True while a job waits or runs."""
        return any(not job.ended for job in self._working)

    @property
    def unfetched(self) -> bool:
        """True while there are results that nobody has got."""
        return any(job.results and not job.fetched for job in self._held.values())

    def states(self) -> Counter[JobState]:
        """How many jobs are in which state."""
        return Counter(job.state for job in self._held.values())

    def close(self) -> None:
        """Waits for the threads."""
        self._threads.shutdown()

    def _make_room(self, characters: int) -> bool:
        """Drops the oldest results that somebody has got, until so many characters more can be held."""
        self.purge()
        if self._fits(characters):
            return True
        for job in [*self._held.values()]:
            if job.ended and job.fetched:
                del self._held[job.id]
                if self._fits(characters):
                    return True
        return False

    def _fits(self, characters: int) -> bool:
        held = sum(job.characters for job in self._held.values())
        most = self._settings.kept_characters
        return len(self._held) < self._settings.kept_jobs and held + characters <= most


def _tell(done: Future[None]) -> None:
    error = done.exception()
    if error is not None:
        log.error("a job failed: %s", place_of(error))
