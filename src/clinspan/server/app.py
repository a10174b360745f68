"""The application, and the process that runs it until it is told to end."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from types import FrameType

import uvicorn
from fastapi import APIRouter, Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from clinspan.errors import ConfigError
from clinspan.examples.pool import Pool
from clinspan.review.loop import Reviews
from clinspan.server import review, routes
from clinspan.server.guard import Guard, install_faults
from clinspan.server.service import Service
from clinspan.server.settings import FORCED, ServerSettings
from clinspan.tagging.tagger import Tagger

_PURGE = 60.0
_GRACE = 10
"""Seconds that clients have for the rest of an answer when the service ends."""


def application(service: Service) -> ASGIApp:
    """The application, behind its guard."""
    app = FastAPI(
        title="clinspan",
        version=version("clinspan"),
        description="Finds the entities in clinical text and verifies every one of them.",
        # The pages of FastAPI fetch scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        lifespan=_purging,
    )
    app.state.service = service
    needs = [Depends(HTTPBearer(auto_error=False))] if service.settings.token is not None else []
    included: list[APIRouter] = [routes.router]
    if service.tagger.dictionary is not None:
        included.append(routes.dictionary)
    if service.pool is not None:
        included.append(routes.examples)
    if service.reviews is not None:
        included.append(review.router)
    app.include_router(routes.page)
    app.include_router(routes.health, responses=routes.STRANGERS)
    for router in included:
        app.include_router(router, dependencies=needs, responses=routes.STRANGERS)
    install_faults(app)
    taken = app.openapi()["paths"].items()
    working = [(method.upper(), path) for path, methods in taken for method in methods if method in ("post", "put")]
    working += [("GET", path) for path in review.WHOLE if path in app.openapi()["paths"]]
    return Guard(app, service, working)


@contextlib.asynccontextmanager
async def _purging(app: FastAPI) -> AsyncIterator[None]:
    """Drops old results although nobody asks."""

    async def purge() -> None:
        while True:
            await asyncio.sleep(_PURGE)
            app.state.service.jobs.purge()

    task = asyncio.create_task(purge())
    yield
    task.cancel()


class _Server(uvicorn.Server):
    """Ends when what runs is done: the first signal asks for that, the second ends at once."""

    def __init__(self, config: uvicorn.Config, service: Service):
        super().__init__(config)
        self._service = service
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """A signal came."""
        if self._service.stopping or self._loop is None:
            self.should_exit = self.force_exit = True
            self._service.stopping = True
            self._service.jobs.cancel(running=True)
            return
        self._service.stop()
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._draining = asyncio.create_task(self._drained())

    async def _drained(self) -> None:
        while self._service.busy:
            await asyncio.sleep(0.05)
        until = time.monotonic() + self._service.settings.linger
        while self._service.jobs.unfetched and time.monotonic() < until:
            await asyncio.sleep(0.05)
        self.should_exit = True


def serve(
    tagger: Tagger,
    settings: ServerSettings,
    *,
    pool: Pool | None = None,
    reviews: Reviews | None = None,
    told: Callable[[str], None] | None = None,
) -> int:
    """Serves until SIGTERM or Ctrl-C, and gives the exit status: 0, or `FORCED` when it was made to end at once.

    In that case threads may still be at work.

    Args:
        tagger: opened once, for all requests.
        settings: where, and how much.
        pool: the examples that can be looked for.
        reviews: the notes that people correct.
        told: is given the address, once connections are taken.

    Raises:
        ConfigError: when the address cannot be had.
    """
    with listening(settings) as listener:
        service = Service(tagger, settings, pool, reviews)
        # Its own log would write paths and the messages of errors, which may hold a note's text.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
        config = uvicorn.Config(
            application(service),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=_GRACE,
        )
        server = _Server(config, service)
        if told is not None:
            told(_address(listener))
        server.run(sockets=[listener])
        if server.force_exit:
            return FORCED
        service.close()
        return 0


def listening(settings: ServerSettings) -> socket.socket:
    """The socket that the service listens on.

    Raises:
        ConfigError: when the address or port cannot be had.
    """
    host = "127.0.0.1" if settings.host.lower() == "localhost" else settings.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"cannot listen there: {error.strerror}",
            where=f"{settings.host}:{settings.port}",
            fix="Name another address or port with --host and --port.",
        ) from error
    # Connections inherit it. Without it the second part of an answer waits 40 ms until the first is acknowledged;
    # asyncio switches it on for sockets that name their protocol, and this one names none.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
