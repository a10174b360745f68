"""Plain text, a file a document: UTF-8 unless another encoding is named; what is not text is said, never guessed at."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from clinspan.corpora.format import CorpusFormat
from clinspan.document import Document
from clinspan.errors import InputError, did_you_mean

_MARKS = (
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a ZIP archive (a Word or Excel file is one)"),
    (b"\xd0\xcf\x11\xe0", "an old Word or Excel file"),
    (b"{\\rtf", "an RTF file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x1f\x8b", "gzip-compressed"),
    (b"PAR1", "a Parquet file"),
)
_WIDE = (
    (codecs.BOM_UTF32_LE, "UTF-32LE"),
    (codecs.BOM_UTF32_BE, "UTF-32BE"),
    (codecs.BOM_UTF16_LE, "UTF-16LE"),
    (codecs.BOM_UTF16_BE, "UTF-16BE"),
)


REMARK = "remark"
"""The key of a document's metadata under which stands what was changed when it was read."""
_RARE = 20
"""Bytes per NUL: a file with more NULs than that is no text."""


def _is_wide(encoding: str) -> bool:
    return encoding.lower().startswith(("utf-16", "utf-32", "utf16", "utf32"))


def read_bytes(path: Path, *, most: int = -1) -> bytes:
    """The file's bytes, or its first ones.

    Raises:
        InputError: naming the file, when it is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise cannot_read(path, error) from error


def read_text(path: Path, *, encoding: str = "utf-8") -> str:
    """The file's text, line ends as they are.

    Raises:
        InputError: naming the file, when it cannot be read or is not text.
    """
    data = read_bytes(path)
    check_text(data, where=str(path), encoding=encoding)
    return decode(data, where=str(path), encoding=encoding)


def numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a file in UTF-8 that are not empty, each after its place and without its end.

    Raises:
        InputError: naming the file, when it cannot be read or is not text.
    """
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", line.removesuffix("\r")


def cannot_read(path: Path, error: OSError) -> InputError:
    """Why a file cannot be opened, with the nearest name where there is no such file."""
    fix = None
    if isinstance(error, FileNotFoundError) and path.parent.is_dir():
        near = did_you_mean(path.name, (p.name for p in path.parent.iterdir()))
        fix = near if near.startswith("Did") else None
    return InputError(f"cannot be read: {error.strerror}", where=str(path), fix=fix)


def decode(data: bytes, *, where: str, encoding: str = "utf-8", offset: int = 0) -> str:
    """The text of `data`, a leading byte-order mark taken away, line ends as they are, a stray NUL as a space.

    Args:
        data: the bytes.
        where: the file, and the line where there is one.
        encoding: any that Python knows.
        offset: where in the file `data` begins, in bytes.

    Raises:
        InputError: naming place and byte, when it is not text in that encoding.
    """
    if offset == 0 and data.startswith(codecs.BOM_UTF8) and encoding.lower().replace("-", "") == "utf8":
        data, offset = data.removeprefix(codecs.BOM_UTF8), len(codecs.BOM_UTF8)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise wrong_encoding(data, error.start, where=where, encoding=encoding, offset=offset) from None
    except LookupError:
        raise InputError(
            f"there is no encoding {encoding!r}", where=where, fix="Name one that Python knows: utf-8, cp1252, latin-1."
        ) from None
    if "\0" not in text:
        return text
    _check_nuls(data, where=where, encoding=encoding, offset=offset)
    return text.replace("\0", " ")


def _check_nuls(data: bytes, *, where: str, encoding: str, offset: int) -> None:
    """Lets a few NULs pass, which databases leave in texts and which are read as spaces.

    Raises:
        InputError: when there are so many that it is no text, or no text in UTF-8.
    """
    inner, at = data.strip(b"\0"), offset + data.find(b"\0")
    count = inner.count(b"\0") if inner else len(data)
    if inner and (count <= 1 or count * _RARE <= len(inner) or _is_wide(encoding)):
        return
    for start, name in enumerate(("UTF-16BE", "UTF-16LE") if inner else ()):
        if data[start::2].count(b"\0") * 2 > len(data[start::2]):
            what = f"looks like {name}: every second byte is a NUL, the first at byte {at}"
            raise InputError(what, where=where, expected="UTF-8", fix=_convert(name))
    raise InputError(f"is binary: it holds {count} NULs, the first at byte {at}", where=where, expected="text in UTF-8")


def nul_remark(data: bytes, encoding: str) -> dict[str, object]:
    """Metadata that say how many NULs of a text are read as spaces; none where there are none."""
    count = 0 if _is_wide(encoding) else data.count(b"\0")
    if not count:
        return {}
    return {REMARK: f"{count} NUL{'s' if count > 1 else ''} read as spaces, the first at byte {data.find(bytes(1))}"}


def check_text(data: bytes, *, where: str, encoding: str = "utf-8") -> None:
    """Looks at the first bytes of a file.

    Raises:
        InputError: when they are those of a known kind of file that is not text, or of another encoding.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            raise InputError(f"is {name}", where=where, expected="text in UTF-8", fix="Export it as plain text.")
    if _is_wide(encoding):
        return
    for mark, name in _WIDE:
        if data.startswith(mark):
            raise InputError(
                f"is {name} (its byte-order mark says so)", where=where, expected="UTF-8", fix=_convert(name)
            )


def wrong_encoding(data: bytes, at: int, *, where: str, encoding: str, offset: int) -> InputError:
    """What to say of a byte that is not text in the encoding."""
    byte = data[at]
    what = f"is not {encoding.upper()}: byte 0x{byte:02x} at offset {offset + at}"
    if data.find(b"\0", 0, at) >= 0 or byte < 0x80:
        return InputError(what + ", and it holds NULs: it is binary", where=where, expected="text in UTF-8")
    context = data[max(0, at - 12) : at + 12].decode("cp1252", errors="replace")
    fix = f"As Windows-1252 it would read {context!r}; if that is right: {_convert('WINDOWS-1252')}"
    return InputError(what, where=where, expected="UTF-8", fix=fix)


def _convert(name: str) -> str:
    return f"Convert it: iconv -f {name} -t UTF-8 FILE, or name the encoding: --encoding {name.lower()}"


def read(path: str | Path, *, id: str | None = None, encoding: str = "utf-8") -> Document:
    """The file as a document, named by the file's stem where no id is given.

    Raises:
        InputError: naming the file, when it cannot be read or is not text.
    """
    path = Path(path)
    data = read_bytes(path)
    check_text(data, where=str(path), encoding=encoding)
    text = decode(data, where=str(path), encoding=encoding)
    id = id if id is not None else path.stem
    return Document(id, text, metadata=nul_remark(data, encoding), place=str(path))


FORMAT = CorpusFormat(name="text", read=lambda path, _: iter([read(path)]))
