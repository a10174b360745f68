"""What is wrong with what a client sent, in words that do not repeat it: it may hold a note's text."""

import traceback
from collections.abc import Sequence
from pathlib import Path

_SAID = {
    "missing": "is missing",
    "extra_forbidden": "has a key that is not known",
    "string_type": "is not a string",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "string_unicode": "holds half of a character",
    "value_error": "holds half of a character",
    "too_short": "has too few members",
    "too_long": "has too many members",
    "list_type": "is not a list",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_parsing_size": "is too large",
    "bool_type": "is neither true nor false",
    "dict_type": "is not an object",
    "model_type": "is not an object",
    "model_attributes_type": "is not an object",
    "literal_error": "is none of the words that can stand there",
    "enum": "is none of the words that can stand there",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
}
"""Faults of a body in words, by pydantic's names for them. Its own messages are not used: some repeat the input."""
_NAMES = frozenset(
    {
        *("documents", "id", "text", "term", "k", "key", "version", "hash", "by", "state", "entities", "start", "end"),
        *("label", "attributes", "fragments", "pool", "gold", "q", "offset", "limit", "after", "concepts"),
    }
)


def what(kind: str) -> str:
    """The fault in one clause.

    Args:
        kind: pydantic's name for it.
    """
    return _SAID.get(kind, "is not as it should be")


def where(kind: str, parts: Sequence[str | int]) -> str:
    """Where a fault is. A key that the client made up is not repeated.

    Args:
        kind: pydantic's name for the fault.
        parts: its place, as pydantic gives it.
    """
    shown = str(parts[0]) if parts[:1] in (("query",), ("path",)) else "body"
    for part in parts[1:-1] if kind == "extra_forbidden" else parts[1:]:
        if isinstance(part, int):
            shown += f"[{part}]"
        elif part in _NAMES:
            shown += f".{part}"
    return shown


def place_of(error: BaseException) -> str:
    """The kind of an error and the line that raised it, without its message, which may hold a note's text."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
    return f"{type(error).__name__} at {at}"
