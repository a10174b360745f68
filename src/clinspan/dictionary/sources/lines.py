"""Lines of a text file, with their numbers, and an error that names the line that is not UTF-8."""

from collections.abc import Iterator
from pathlib import Path

from clinspan.errors import DictionaryError


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a UTF-8 file, a byte order mark dropped.

    Raises:
        DictionaryError: when it cannot be opened, or a line is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise DictionaryError(
                        f"byte {error.start + 1} of the line is not UTF-8",
                        where=f"{path}:{number}",
                        fix="Convert the file, with iconv say.",
                    ) from error
                yield number, line.rstrip("\r\n")
    except OSError as error:
        raise DictionaryError(f"cannot be read: {error.strerror}", where=str(path)) from error
