"""A file that is one JSON value, read whole."""

import json
from pathlib import Path

from clinspan.corpora.files import check_text, decode, read_bytes
from clinspan.errors import InputError


def load(path: Path) -> object:
    """The value.

    Raises:
        InputError: naming file and line, when it cannot be read, is not JSON, or holds half of a character, which no
            other file could.
    """
    data = read_bytes(path)
    check_text(data, where=str(path))
    text = decode(data, where=str(path))
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error.msg}", where=f"{path}, line {error.lineno}") from None
    except (RecursionError, ValueError) as error:
        raise InputError(f"is not JSON that can be read: {error}", where=str(path)) from None
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InputError("holds half of a surrogate pair", where=str(path), expected="whole characters") from None
    return value
