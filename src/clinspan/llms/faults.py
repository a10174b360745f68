"""What a server's refusal means: whether to ask again, to wait, to shorten the request, or to give up."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from clinspan.errors import ContextOverflow, LLMError
from clinspan.llms.excerpts import error_message, excerpt
from clinspan.llms.limits import retry_after


class FaultKind(StrEnum):
    """What can be done about a fault."""

    BUSY = "busy"
    """The server asks for patience: everybody waits, fewer ask at once."""
    PASSING = "passing"
    """The server or the way to it failed: the request is repeated a few times."""
    BARRED = "barred"
    """No request will be answered any better (a wrong key, a wrong address)."""
    FINAL = "final"
    """This request as it is will not be answered."""
    REFUSED = "refused"
    """A filter of the server refuses the text."""


class Fault(Exception):
    """One attempt failed.

    Args:
        kind: what can be done.
        error: what the caller is told, should this be the last attempt.
        wait: seconds that the server asks to wait.
    """

    def __init__(self, kind: FaultKind, error: LLMError, wait: float | None = None):
        self.kind = kind
        self.error = error
        self.wait = wait
        super().__init__(str(error))


# Each server says in its own words that a request is too long; those with a code for it have it here too.
_OVERFLOW = re.compile(
    r"""context[ _-]?(length|window|size)(?!\s*must)|maximum\ context|exceed_context_size
    |(prompt|input|request)\ (is\ |was\ )?too\ (long|large)|too\ large\ for\ (the\ )?model
    |reduce\ the\ length|max_new_tokens.{0,40}must\ be\ <=|exceeds?\ the\ (available\ )?context
    |tokens\ to\ keep\ from\ the\ initial\ prompt""",
    re.IGNORECASE | re.VERBOSE,
)
_FILTERED = re.compile(r"content_filter|ResponsibleAIPolicyViolation", re.IGNORECASE)
_OVERFLOW_STATUSES = frozenset({400, 413, 422, 500})
_CHECK_KEY = "Check the key in {key}."
_BARRED_FIXES = {401: _CHECK_KEY, 403: _CHECK_KEY, 404: "Check the address and the model's name {model!r}."}
# A timeout of the server's own, a conflict, a request that came too early: all pass.
_PASSING = frozenset({408, 409, 425})


def of_status(
    status: int, headers: Mapping[str, str], body: str, *, where: str, key: str = "", model: str = ""
) -> Fault:
    """The fault that an HTTP status other than success means.

    Args:
        status: of the response.
        headers: likewise.
        body: likewise.
        where: the server's address, for errors.
        key: the variable that holds the key, for errors.
        model: the model's name, for errors.
    """
    if 300 <= status < 400:
        target = excerpt(headers.get("location", ""))
        fix = "If that is the server you mean, give its address."
        return Fault(
            FaultKind.BARRED, LLMError(f"the server redirects to {target}, which is refused", where=where, fix=fix)
        )
    said = f"HTTP {status}: {error_message(body)}"
    if status in _OVERFLOW_STATUSES and is_overflow(body):
        return Fault(FaultKind.FINAL, ContextOverflow(said, where=where))
    if status == 400 and _FILTERED.search(body):
        return Fault(FaultKind.REFUSED, LLMError(said, where=where))
    if status == 429 or (status == 503 and "retry-after" in headers):
        return Fault(FaultKind.BUSY, LLMError(said, where=where), retry_after(headers))
    if status >= 500 or status in _PASSING:
        return Fault(FaultKind.PASSING, LLMError(said, where=where), retry_after(headers))
    if status in _BARRED_FIXES:
        fix = _BARRED_FIXES[status].format(key=key or "the environment", model=model)
        return Fault(FaultKind.BARRED, LLMError(said, where=where, fix=fix))
    return Fault(FaultKind.FINAL, LLMError(said, where=where))


def of_error_object(reply: Mapping[str, Any], *, where: str) -> Fault | None:
    """The fault in a response that claims success, where it is an error object; None where it is none."""
    error = reply.get("error")
    if not error:
        return None
    body = json.dumps(reply)
    said = f"the server answered with an error: {error_message(body)}"
    code = error.get("code") if isinstance(error, Mapping) else None
    if isinstance(code, int) and 400 <= code < 600:
        # Gateways pass on the status of the server behind them in this way.
        fault = of_status(code, {}, body, where=where)
        return Fault(fault.kind, type(fault.error)(said, where=where, fix=fault.error.fix))
    return Fault(FaultKind.FINAL, (ContextOverflow if is_overflow(body) else LLMError)(said, where=where))


def is_overflow(body: str) -> bool:
    """Whether a server's error says that a request and its answer do not fit into the model's context."""
    return _OVERFLOW.search(body[:4000]) is not None


def named_parameter(body: str, parameters: Sequence[str]) -> str | None:
    """Which of a request's parameters a server's error is about, if it names one."""
    try:
        error: Any = json.loads(body)
    except (ValueError, RecursionError):
        error = {}
    while isinstance(error, Mapping) and "error" in error:
        error = error["error"]
    said = str(error.get("param") or "") if isinstance(error, Mapping) else ""
    if said in parameters:
        return said
    message = error_message(body)
    return next((name for name in parameters if re.search(rf"\b{name}\b", message)), None)
