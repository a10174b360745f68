"""The service itself: one tagger, the threads that use it, and the jobs."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from clinspan import codec
from clinspan.document import Document
from clinspan.examples.pool import Pool
from clinspan.server.counts import Counts
from clinspan.server.jobs import Jobs, JobState
from clinspan.server.room import Room
from clinspan.server.settings import ServerSettings
from clinspan.tagging.tagger import Tagger

_T = TypeVar("_T")


class Service:
    """What the routes use. Made before the event loop runs; its methods are for the loop's thread.

    Args:
        tagger: opened once; the caller closes it.
        settings: the limits.
        pool: the examples that can be looked for; None for none.

    Attributes:
        stopping: no new work is taken.
        streams: clients that listen to the progress of a job.
    """

    def __init__(self, tagger: Tagger, settings: ServerSettings, pool: Pool | None = None):
        self.tagger = tagger
        self.settings = settings
        self.pool = pool
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
