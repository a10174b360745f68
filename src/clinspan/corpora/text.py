"""Plain text: a file is a document."""

from pathlib import Path

from clinspan.corpora.files import check_text, decode, read_bytes
from clinspan.document import Document


def read(path: str | Path, *, id: str | None = None, encoding: str = "utf-8") -> Document:
    """The file as a document, named by the file's stem where no id is given; line ends are kept as they are.

    Raises:
        InputError: naming the file, when it cannot be read or is not text.
    """
    path = Path(path)
    data = read_bytes(path)
    check_text(data, where=str(path), encoding=encoding)
    text = decode(data, where=str(path), encoding=encoding)
    return Document(id if id is not None else path.stem, text, place=str(path))
