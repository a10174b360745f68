"""The service itself: one tagger, the threads that use it, the jobs, the room for requests, the notes under review.

What it counts, as Prometheus reads it, has nothing from a note's text.
"""

import asyncio
import time
from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from clinspan import codec
from clinspan.document import Document
from clinspan.examples.pool import Pool
from clinspan.examples.store import documents_of
from clinspan.review.loop import Chooser, Reviews
from clinspan.server.jobs import Jobs, JobState
from clinspan.server.settings import ServerSettings
from clinspan.tagging.tagger import Tagger

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Counts:
    """Counters of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "clinspan_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "clinspan_request_seconds", "Seconds a request took.", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self._documents = Counter("clinspan_documents", "Documents tagged.", registry=self.registry)
        self._characters = Counter("clinspan_characters", "Characters of these documents.", registry=self.registry)
        self._windows = Counter("clinspan_windows", "Windows by their state.", ("state",), registry=self.registry)
        self._entities = Counter("clinspan_entities", "Entities by label.", ("label",), registry=self.registry)

    def gauge(self, name: str, help: str, value: Callable[[], float]) -> None:
        """Shows a number that is looked up whenever the counts are read."""
        Gauge(name, help, registry=self.registry).set_function(value)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered.

        Args:
            method: one of another kind than the service has is counted as `other`.
            route: the route's pattern; a path that a client made up would make a row of its own.
            status: of the answer.
            seconds: until its end.
        """
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def document(self, document: Document) -> None:
        """One document was tagged."""
        self._documents.inc()
        self._characters.inc(len(document.text))
        _add(self._windows, Tally(window.state.value for window in document.windows))
        _add(self._entities, Tally(entity.label for entity in document.entities))

    def exposition(self) -> bytes:
        """All counts in Prometheus's text format."""
        return generate_latest(self.registry)


def _add(counter: Counter, found: Mapping[str, int]) -> None:
    for name, count in found.items():
        counter.labels(name).inc(count)


_T = TypeVar("_T")
_WAIT = 1.0
"""Seconds after which a client may try again when all places are taken."""


class Room:
    """Lets requests in, or says how long to wait. For one event loop.

    Args:
        most: requests under way at once.
        rate: requests a second; a second's worth may come at once. None for no limit.
        clock: seconds that only go forward.
    """

    def __init__(self, most: int, rate: float | None = None, clock: Callable[[], float] = time.monotonic):
        self.active = 0
        self._most = most
        self._rate = rate
        self._clock = clock
        self._burst = max(1.0, rate or 0.0)
        self._left = self._burst
        self._counted_at = clock()

    def enter(self) -> float:
        """Takes a place and gives 0, or takes none and gives the seconds to wait."""
        if self.active >= self._most:
            return _WAIT
        if self._rate is not None:
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._counted_at) * self._rate)
            self._counted_at = now
            if self._left < 1.0:
                return (1.0 - self._left) / self._rate
            self._left -= 1.0
        self.active += 1
        return 0.0

    def leave(self) -> None:
        """Gives the place back."""
        self.active -= 1


class Service:
    """What the routes use. Made before the event loop runs; its methods are for the loop's thread.

    Args:
        tagger: opened once; the caller closes it.
        settings: the limits.
        pool: the examples that can be looked for; None for none.
        reviews: the notes that people correct; None for none.

    Attributes:
        stopping: no new work is taken.
        streams: clients that listen to the progress of a job.
        chooser: says which note under review comes next; None where there are none.
    """

    def __init__(
        self, tagger: Tagger, settings: ServerSettings, pool: Pool | None = None, reviews: Reviews | None = None
    ):
        self.tagger = tagger
        self.settings = settings
        self.pool = pool
        self.reviews = reviews
        self.chooser = Chooser(reviews.store) if reviews is not None else None
        self.stopping = False
        self.streams = 0
        self.room = Room(settings.at_once, settings.rate)
        self.counts = Counts()
        self.jobs = Jobs(tagger, settings, self.counts.document)
        self._threads = ThreadPoolExecutor(settings.at_once, thread_name_prefix="clinspan-tag")
        for name, help, value in (
            ("clinspan_requests_under_way", "Requests that do work.", lambda: self.room.active),
            ("clinspan_event_streams", "Clients that listen to a job's progress.", lambda: self.streams),
        ):
            self.counts.gauge(name, help, value)
        for state in JobState:
            self.counts.gauge(f"clinspan_jobs_{state}", f"Jobs that are {state}.", self._counter(state))

    def _counter(self, state: JobState) -> Callable[[], float]:
        return lambda: self.jobs.states()[state]

    async def work(self, task: Callable[[], _T]) -> _T:
        """What a task gives, done in a thread. There is a thread for each place of the room."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, task)

    async def tag(self, documents: Sequence[Document]) -> list[str]:
        """Each document tagged, as JSON."""
        return await self.work(lambda: [self._dumped(document) for document in self.tagger.tag_many(documents)])

    def _dumped(self, document: Document) -> str:
        self.counts.document(document)
        return codec.dump(document)

    async def examples_changed(self, folder: Path) -> None:
        """Opens the pool of examples anew where it is the one in that folder: the next prompts show what is new."""
        before, tagger = self.pool, self.tagger
        if before is None or before.info.path != folder.absolute():
            return

        def opened() -> tuple[Pool, Tagger]:
            pool = Pool.open(folder)
            shown = {"examples": pool} if tagger.examples is not None else {}
            taught = {"taught": tuple(documents_of(pool))} if tagger.taught else {}
            return pool, tagger.with_(**shown, **taught)

        self.pool, self.tagger = await self.work(opened)
        self.jobs.tagger = self.tagger

    def stop(self) -> None:
        """Takes no new work. What runs goes on, and jobs that wait end."""
        self.stopping = True
        self.jobs.cancel(running=False)

    @property
    def busy(self) -> bool:
        """True while something is under way."""
        return self.room.active > 0 or self.jobs.busy

    def close(self) -> None:
        """Waits for what is under way."""
        self.jobs.close()
        self._threads.shutdown()
