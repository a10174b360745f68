"""What is shown of a server's own words: little, and neither keys nor notes."""

import json
from collections.abc import Mapping, Sequence

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
