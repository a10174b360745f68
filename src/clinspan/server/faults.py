"""How a refused or failed request is answered. No answer and no line of the log repeats what a client sent."""

import logging
import math

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from clinspan.server import bodies

log = logging.getLogger("clinspan.server")


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


def install(app: FastAPI) -> None:
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
    paths = request.app.openapi()["paths"].items()
    return {
        method.upper() for path, taken in paths if compile_path(path)[0].match(request.url.path) for method in taken
    }


async def _unexpected(_: Request, error: Exception) -> Response:
    log.error("a request failed: %s", bodies.place_of(error))
    return fault(500, "the service failed", fix="Its log names the place.")
