"""A file that is one JSON value, read whole."""

from pathlib import Path
from typing import Any

from clinspan import codec
from clinspan.corpora.files import check_text, decode, read_bytes


def load(path: Path) -> Any:
    """The value.

    Raises:
        InputError: naming file and line, when it cannot be read or is not JSON that could be written again.
    """
    data = read_bytes(path)
    check_text(data, where=str(path))
    return codec.load(decode(data, where=str(path)), where=str(path))
