"""How a refused or failed request is answered. No answer and no line of the log repeats what a client sent."""

import logging
import math
import traceback
from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

log = logging.getLogger("clinspan.server")

_SAID = {
    "missing": "is missing",
    "extra_forbidden": "has a key that is not known",
    "string_type": "is no string",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "string_unicode": "holds half of a character",
    "value_error": "holds half of a character",
    "too_short": "has too few members",
    "too_long": "has too many members",
    "list_type": "is no list",
    "int_type": "is no whole number",
    "int_parsing": "is no whole number",
    "int_parsing_size": "is too large",
    "bool_type": "is neither true nor false",
    "dict_type": "is no object",
    "model_type": "is no object",
    "model_attributes_type": "is no object",
    "literal_error": "is none of the words that can stand there",
    "enum": "is none of the words that can stand there",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
}
"""Faults of a body in words, by pydantic's names for them. Its own messages are not used: some repeat the input."""
_NAMES = frozenset(
    {
        *("documents", "id", "text", "term", "k", "key", "version", "hash", "by", "state", "entities", "start", "end"),
        *("label", "attributes", "fragments", "pool", "gold", "q", "offset", "limit", "after"),
    }
)


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


def place_of(error: BaseException) -> str:
    """The kind of an error and the line that raised it, without its message, which may hold a note's text."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
    return f"{type(error).__name__} at {at}"


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
    what = _SAID.get(first["type"], "is not as it should be")
    return fault(422, what, where=_place(first["loc"], extra=first["type"] == "extra_forbidden"))


def _place(parts: Sequence[str | int], *, extra: bool) -> str:
    """Where a fault is. A key that the client made up is not repeated."""
    shown = str(parts[0]) if parts[:1] in (("query",), ("path",)) else "body"
    for part in parts[1:-1] if extra else parts[1:]:
        if isinstance(part, int):
            shown += f"[{part}]"
        elif part in _NAMES:
            shown += f".{part}"
    return shown


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        answer = fault(405, "the path does not take this method")
        answer.headers["Allow"] = ", ".join(sorted(_methods(request)))
        return answer
    what = {404: "there is nothing at this path", 400: "the body cannot be read"}
    return fault(error.status_code, what.get(error.status_code, "the request cannot be answered"))


def _methods(request: Request) -> set[str]:
    """The methods that a path takes."""
    paths = request.app.openapi()["paths"].items()
    return {
        method.upper() for path, taken in paths if compile_path(path)[0].match(request.url.path) for method in taken
    }


async def _unexpected(_: Request, error: Exception) -> Response:
    log.error("a request failed: %s", place_of(error))
    return fault(500, "the service failed", fix="Its log names the place.")
