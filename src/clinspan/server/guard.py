"""What every request passes before it is looked at: who asks, from where, how much, and whether there is room."""

import asyncio
import hmac
import logging
import re
import time
from collections.abc import Iterable

from fastapi.responses import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clinspan.server.faults import fault
from clinspan.server.page import is_page
from clinspan.server.service import Service
from clinspan.server.settings import is_this_machine

log = logging.getLogger("clinspan.server")

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every answer. There is none that lets another site read it (CORS)."""
OPEN_PATHS = frozenset({"/health"})
"""Paths that need no token, beside the page's files."""
_BODY_SECONDS = 30.0
_DISCARDED_SECONDS = 2.0
_JSON = re.compile(r"application/([\w.+-]+\+)?json", re.ASCII | re.IGNORECASE)
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(:[0-9]+)?")


class Guard:
    """Stands before the application.

    Args:
        app: is asked once the request may pass.
        service: whose settings, room and counts these are.
        working: methods and routes that do work: a request takes a place, and its body is read here.
    """

    def __init__(self, app: ASGIApp, service: Service, working: Iterable[tuple[str, str]]):
        self._app = app
        self._service = service
        self._working = [(method, route, compile_path(route)[0]) for method, route in working]

    def _work_of(self, scope: Scope) -> str | None:
        """The route of a request that does work."""
        found = (
            route for method, route, path in self._working if method == scope["method"] and path.match(scope["path"])
        )
        return next(found, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, counts it, and writes a line of the log."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    # The page's own files say more.
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._let_in(scope, receive, sent)
        finally:
            seconds = time.perf_counter() - began
            # The path itself is not written: a client may put anything there.
            route = getattr(scope.get("route"), "path", None) or self._work_of(scope) or "unknown"
            self._service.counts.request(scope["method"], route, status, seconds)
            log.info("%s %s %d %.0f ms", scope["method"], route, status, seconds * 1000)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        works = self._work_of(scope) is not None
        refused = self._stranger(scope["path"], headers) or (self._unfit(headers) if works else None)
        if refused is not None:
            await _refuse(refused, scope, receive, send)
        elif not works:
            await self._app(scope, receive, send)
        elif wait := self._service.room.enter():
            busy = fault(429, "the service is busy", fix="Try again after the seconds in Retry-After.", wait=wait)
            await _refuse(busy, scope, receive, send)
        else:
            try:
                await self._read(scope, receive, send)
            finally:
                self._service.room.leave()

    def _stranger(self, path: str, headers: Headers) -> Response | None:
        """The refusal of a request that comes from where none should come."""
        token = self._service.settings.token
        host = _HOST.fullmatch(headers.get("host", ""))
        if token is None and (host is None or not is_this_machine(host["name"].strip("[]"))):
            # A page of another site whose name was made to point to this machine.
            return fault(421, "the request is for another host", fix="Ask for localhost or 127.0.0.1.")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != headers.get("host", ""):
            return fault(403, "pages of other sites may not ask")
        if token is None or path in OPEN_PATHS or is_page(path):
            return None
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
            return None
        return fault(401, "the token is missing or wrong", fix="Send the header Authorization: Bearer TOKEN.")

    def _unfit(self, headers: Headers) -> Response | None:
        """The refusal of a request whose head says that its body will not do."""
        if self._service.stopping:
            return fault(503, "the service is ending", wait=10)
        if not _JSON.fullmatch(headers.get("content-type", "").partition(";")[0].strip()):
            return fault(415, "the body is not said to be JSON", fix="Send the header Content-Type: application/json.")
        length = headers.get("content-length", "0")
        most = self._service.settings.max_body
        if length.isdecimal() and int(length[:20]) > most:
            return _too_large(most)
        return None

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        most = self._service.settings.max_body
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await _body(receive, most)
        except TimeoutError:
            slow = fault(408, f"the body did not come within {_BODY_SECONDS:.0f} seconds")
            await slow(scope, receive, send)
            return
        if body is None:
            await _refuse(_too_large(most), scope, receive, send)
            return
        given = False

        async def replayed() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replayed, send)


def _too_large(most: int) -> Response:
    return fault(413, f"the body has more than {most} bytes", fix="Send fewer documents at once.")


async def _body(receive: Receive, most: int) -> bytes | None:
    """The body; None when it has more bytes. What a client sent before it went away counts as all."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _refuse(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers, and drops what still comes for a while: a client that is writing would not read the answer."""
    await answer(scope, receive, send)
    try:
        async with asyncio.timeout(_DISCARDED_SECONDS):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        return
