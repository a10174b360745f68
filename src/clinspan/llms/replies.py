"""Reads what an OpenAI-compatible server sends back, trusting nothing about its shape."""

import json
from collections.abc import Mapping
from typing import Any

from clinspan.errors import LLMError
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
    "content_filter": FinishReason.REFUSAL,
    "refusal": FinishReason.REFUSAL,
}
_SHOWN = 200
"""Characters of a server's own words that an error repeats."""


def read_reply(body: str, *, where: str, constrained: bool = False, seconds: float = 0.0) -> Completion:
    """The completion in the body of a successful response.

    Args:
        body: the response's text.
        where: the server's address, for errors.
        constrained: whether the server was given a grammar to keep to.
        seconds: wall time of the request.

    Raises:
        LLMError: when the body is not a chat completion with an answer that ended for a known reason.
    """
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise LLMError(f"the server's answer is not JSON: {excerpt(body)}", where=where) from error
    if not isinstance(reply, Mapping):
        raise LLMError(f"the server's answer is not a JSON object: {excerpt(body)}", where=where)
    if reply.get("error"):
        raise LLMError(f"the server answered with an error: {error_message(body)}", where=where)
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise LLMError(f"the server's answer has no choices: {excerpt(body)}", where=where)
    message = choices[0].get("message")
    if not isinstance(message, Mapping):
        raise LLMError(f"the server's answer has no message: {excerpt(body)}", where=where)
    finish = _FINISH.get(str(choices[0].get("finish_reason")))
    text, refusal = message.get("content"), message.get("refusal")
    if refusal and isinstance(refusal, str):
        text, finish = text or refusal, FinishReason.REFUSAL
    if finish is None:
        reason = choices[0].get("finish_reason")
        raise LLMError(f"the answer ended for a reason that is not known: {reason!r}", where=where)
    if text is None and finish is FinishReason.REFUSAL:
        text = ""
    if not isinstance(text, str):
        raise LLMError(f"the server's answer has no text: {excerpt(body)}", where=where)
    usage = _mapping(reply.get("usage"))
    cached = _mapping(usage.get("prompt_tokens_details")).get("cached_tokens")
    return Completion(
        text,
        finish,
        constrained=constrained,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        cached_tokens=_count(cached) or _count(_mapping(reply.get("timings")).get("cache_n")),
        seconds=seconds,
    )


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


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
