"""JSON lines: a document a line, as `clinspan tag` writes them and as other tools make them; see `clinspan.codec`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from clinspan import codec
from clinspan.corpora.files import cannot_read, check_text, decode
from clinspan.document import Document
from clinspan.errors import InputError


def read(path: str | Path, *, encoding: str = "utf-8") -> Iterator[Document | InputError]:
    """The documents of a file, one at a time; a line that is none gives an error in its place and the rest goes on.

    A document without an id gets the file's stem and its line number for one.

    Raises:
        InputError: when the file cannot be read at all.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            yield from (result for _, result in read_lines(file, where=str(path), stem=path.stem, encoding=encoding))
    except OSError as error:
        raise cannot_read(path, error) from error


def read_lines(
    lines: Iterable[bytes], *, where: str, stem: str, encoding: str = "utf-8"
) -> Iterator[tuple[int, Document | InputError]]:
    """The same from lines of bytes, wherever they come from, each with its line number."""
    offset = 0
    for number, line in enumerate(lines, 1):
        place = f"{where}, line {number}"
        try:
            if number == 1:
                check_text(line, where=where, encoding=encoding)
            text = decode(line, where=place, encoding=encoding, offset=offset)
            if text.strip():
                yield number, codec.parse(text, where=place, default_id=f"{stem}-{number}")
        except InputError as error:
            yield number, error
            if error.where == where:
                return
        offset += len(line)
