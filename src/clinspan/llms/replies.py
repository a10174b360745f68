"""What servers answer: completions and faults, and the little of their own words that is shown."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from clinspan.errors import ContextOverflow, LLMError
from clinspan.llms.limits import retry_after
from clinspan.messages import Completion, FinishReason

_SHOWN = 200
"""Characters of a server's own words that an error repeats."""


def error_message(body: str) -> str:
    """What a server says in an error, in one short line."""
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        return "an HTML page" if "<html" in body[:1000].lower() else excerpt(body)
    error = reply.get("error", reply) if isinstance(reply, Mapping) else reply
    message = error.get("message", error) if isinstance(error, Mapping) else error
    return excerpt(str(message))


def excerpt(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text[: 4 * _SHOWN].split())
    return (line[:_SHOWN] + "…" if len(line) > _SHOWN else line) or "(empty)"


_SHORTEST = 16


def hide(text: str, *, key: str, notes: Sequence[str]) -> str:
    """An error text without the key and without stretches of the notes: servers repeat what they were sent.

    Args:
        text: what a server said.
        key: the secret; empty for none.
        notes: what must not be shown, from `_SHORTEST` characters on.
    """
    if key:
        text = text.replace(key, "***")
    shown: list[str] = []
    at = 0
    while at < len(text):
        end = at + _SHORTEST
        if end <= len(text) and any(text[at:end] in note for note in notes):
            while end < len(text) and any(text[at : end + 1] in note for note in notes):
                end += 1
            shown.append("[text of the request]")
            at = end
        else:
            shown.append(text[at])
            at += 1
    return "".join(shown)


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


class AttemptFault(Exception):
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
) -> AttemptFault:
    """The fault that an HTTP status other than success means.

    Args:
        headers: HTTP headers of the failed response.
        body: its text.
        where: the server's address, for errors.
        key: the variable that holds the key, for errors.
        model: the model's name, for errors.
    """
    if 300 <= status < 400:
        target = excerpt(headers.get("location", ""))
        fix = "If that is the server you mean, give its address."
        return AttemptFault(
            FaultKind.BARRED, LLMError(f"the server redirects to {target}, which is refused", where=where, fix=fix)
        )
    said = f"HTTP {status}: {error_message(body)}"
    if status in _OVERFLOW_STATUSES and is_overflow(body):
        return AttemptFault(FaultKind.FINAL, ContextOverflow(said, where=where))
    if status == 400 and _FILTERED.search(body):
        return AttemptFault(FaultKind.REFUSED, LLMError(said, where=where))
    if status == 429 or (status == 503 and "retry-after" in headers):
        return AttemptFault(FaultKind.BUSY, LLMError(said, where=where), retry_after(headers))
    if status >= 500 or status in _PASSING:
        return AttemptFault(FaultKind.PASSING, LLMError(said, where=where), retry_after(headers))
    if status in _BARRED_FIXES:
        fix = _BARRED_FIXES[status].format(key=key or "the environment", model=model)
        return AttemptFault(FaultKind.BARRED, LLMError(said, where=where, fix=fix))
    return AttemptFault(FaultKind.FINAL, LLMError(said, where=where))


def of_error_object(reply: Mapping[str, Any], *, where: str) -> AttemptFault | None:
    """The fault in a response that claims success but holds an error object; None when it holds none."""
    error = reply.get("error")
    if not error:
        return None
    body = json.dumps(reply)
    said = f"the server answered with an error: {error_message(body)}"
    code = error.get("code") if isinstance(error, Mapping) else None
    if isinstance(code, int) and 400 <= code < 600:
        # Gateways pass on the status of the server behind them in this way.
        fault = of_status(code, {}, body, where=where)
        return AttemptFault(fault.kind, type(fault.error)(said, where=where, fix=fault.error.fix))
    return AttemptFault(FaultKind.FINAL, (ContextOverflow if is_overflow(body) else LLMError)(said, where=where))


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


# Servers name the ends of answers in their own ways.
_FINISH = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "eos_token": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "content_filter": FinishReason.REFUSAL,
    "refusal": FinishReason.REFUSAL,
}


def read_reply(body: str, *, where: str, constrained: bool = False, seconds: float = 0.0) -> Completion:
    """The completion in the body of a successful response of OpenAI's kind.

    Args:
        body: the response's text.
        where: the server's address, for errors.
        constrained: whether the server was given a grammar to keep to.
        seconds: wall time of the request.

    Raises:
        AttemptFault: when the body is not a chat completion with an answer that ended for a known reason.
    """
    reply = _object(body, where)
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise _unreadable(f"the server's answer has no choices: {excerpt(body)}", where)
    finish = _FINISH.get(str(choices[0].get("finish_reason")))
    message = choices[0].get("message")
    if not isinstance(message, Mapping) and finish is not FinishReason.REFUSAL:
        raise _unreadable(f"the server's answer has no message: {excerpt(body)}", where)
    message = _mapping(message)
    text, refusal = message.get("content"), message.get("refusal")
    if refusal and isinstance(refusal, str):
        text, finish = text or refusal, FinishReason.REFUSAL
    usage = _mapping(reply.get("usage"))
    cached = _mapping(usage.get("prompt_tokens_details")).get("cached_tokens")
    return Completion(
        _text(text, finish, body, where),
        _known(finish, choices[0].get("finish_reason"), where),
        constrained=constrained,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        cached_tokens=_count(cached) or _count(_mapping(reply.get("timings")).get("cache_n")),
        seconds=seconds,
    )


def read_message(body: str, *, where: str, seconds: float = 0.0) -> Completion:
    """The completion in the body of a successful response of Anthropic's kind; arguments and errors as `read_reply`."""
    reply = _object(body, where)
    content = reply.get("content")
    if not isinstance(content, list):
        raise _unreadable(f"the server's answer has no content: {excerpt(body)}", where)
    finish = _FINISH.get(str(reply.get("stop_reason")))
    parts = [part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
    text = "".join(part for part in parts if isinstance(part, str)) if parts else None
    usage = _mapping(reply.get("usage"))
    cached = _count(usage.get("cache_read_input_tokens"))
    return Completion(
        _text(text, finish, body, where),
        _known(finish, reply.get("stop_reason"), where),
        prompt_tokens=_count(usage.get("input_tokens")) + cached + _count(usage.get("cache_creation_input_tokens")),
        completion_tokens=_count(usage.get("output_tokens")),
        cached_tokens=cached,
        seconds=seconds,
    )


def _object(body: str, where: str) -> Mapping[str, Any]:
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as error:
        # What was to be JSON may hold a half of the answer, and with it the note.
        shown = f"{len(body)} characters" if body.lstrip().startswith(("{", "[")) else excerpt(body)
        raise _unreadable(f"the server's answer is not JSON: {shown}", where) from error
    if not isinstance(reply, Mapping):
        raise _unreadable(f"the server's answer is not a JSON object: {excerpt(body)}", where)
    if fault := of_error_object(reply, where=where):
        raise fault
    return reply


def _text(text: Any, finish: FinishReason | None, body: str, where: str) -> str:
    # A refusal may come without words, and a model that thinks first may reach its limit before its first one.
    if text is None and finish in (FinishReason.REFUSAL, FinishReason.LENGTH):
        return ""
    if not isinstance(text, str):
        raise _unreadable(f"the server's answer has no text: {excerpt(body)}", where)
    return text


def _known(finish: FinishReason | None, reason: Any, where: str) -> FinishReason:
    if finish is None:
        raise _unreadable(f"the answer ended for a reason that is not known: {excerpt(repr(reason))}", where)
    return finish


def _unreadable(what: str, where: str) -> AttemptFault:
    return AttemptFault(FaultKind.PASSING, LLMError(what, where=where))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
