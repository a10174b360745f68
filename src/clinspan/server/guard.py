"""What every request passes before it is looked at: who asks, from where, how much, and whether there is room.

And how one is answered that is refused or fails. No answer and no line of the log repeats what a client sent.
"""

import asyncio
import hmac
import logging
import math
import re
import time
from collections.abc import Iterable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clinspan.server import bodies
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


def is_page(path: str) -> bool:
    """Whether a path is a file of the page: these hold no note, and are given to whoever can reach the service."""
    return path == "/" or path.startswith("/page/")


class Guard:
    """Stands before the application.

    Args:
        app: is asked once the request may pass.
        service: whose settings, room and counts these are.
        working: methods and routes that do work: a request takes a place, and the body of one that has it is read here.
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
        works, reads = self._work_of(scope) is not None, scope["method"] == "GET"
        refused = self._stranger(scope["path"], headers) or (self._unfit(headers) if works and not reads else None)
        if refused is not None:
            await _refuse(refused, scope, receive, send)
        elif not works:
            await self._app(scope, receive, send)
        elif wait := self._service.room.enter():
            busy = fault(429, "the service is busy", fix="Try again after the seconds in Retry-After.", wait=wait)
            await _refuse(busy, scope, receive, send)
        else:
            try:
                await (self._app if reads else self._read)(scope, receive, send)
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


def fault(
    status: int, what: str, *, where: str | None = None, fix: str | None = None, wait: float | None = None
) -> JSONResponse:
    """The answer to a request that is not done.

    Args:
        status: HTTP status.
        what: the fault in one clause.
        where: the part of the request.
        fix: what the client can do.
        wait: seconds after which it may try again.
    """
    headers = {} if wait is None else {"Retry-After": str(max(1, math.ceil(wait)))}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": {"what": what, "where": where, "fix": fix}}, status, headers)


def install_faults(app: FastAPI) -> None:
    """Makes the application answer all faults in one form."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return fault(400, "the body is not JSON")
    return fault(422, bodies.fault_words(first["type"]), where=bodies.fault_place(first["type"], first["loc"]))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        answer = fault(405, "the path does not take this method")
        answer.headers["Allow"] = ", ".join(sorted(_methods(request)))
        return answer
    said = {404: "there is nothing at this path", 400: "the body cannot be read"}
    return fault(error.status_code, said.get(error.status_code, "the request cannot be answered"))


def _methods(request: Request) -> set[str]:
    """The methods that a path takes."""
    asked = request.url.path
    paths = request.app.openapi()["paths"].items()
    found = {method.upper() for path, taken in paths if compile_path(path)[0].match(asked) for method in taken}
    return found | ({"GET", "HEAD"} if asked in OPEN_PATHS or is_page(asked) else set())


async def _unexpected(_: Request, error: Exception) -> Response:
    log.error("a request failed: %s", bodies.place_of(error))
    return fault(500, "the service failed", fix="Its log names the place.")
