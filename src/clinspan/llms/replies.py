"""Reads what servers send back as success, trusting nothing about its shape."""

import json
from collections.abc import Mapping
from typing import Any

from clinspan.errors import LLMError
from clinspan.llms.excerpts import excerpt
from clinspan.llms.faults import Fault, FaultKind, of_error_object
from clinspan.messages import Completion, FinishReason

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
        Fault: when the body is not a chat completion with an answer that ended for a known reason.
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


def _unreadable(what: str, where: str) -> Fault:
    return Fault(FaultKind.PASSING, LLMError(what, where=where))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
