"""Plain text, a file a document: UTF-8 unless another encoding is named; what is not text is said, never guessed at.

And corpora of many texts, each with its annotations in files of the same name beside it or in folders of their own.
"""

import codecs
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from clinspan.corpora.format import CorpusFormat, Results, checked
from clinspan.document import Document
from clinspan.errors import InputError, OutputError, did_you_mean

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
                f"is {name} (its byte-order mark says so)",
                where=where,
                expected="UTF-8",
                fix=_convert(name),
            )


def wrong_encoding(data: bytes, at: int, *, where: str, encoding: str, offset: int) -> InputError:
    """What to say of a byte that is not text in the encoding."""
    byte = data[at]
    what = f"is not {encoding.upper()}: byte 0x{byte:02x} at offset {offset + at}"
    if data.find(b"\0", 0, at) >= 0 or byte < 0x80:
        return InputError(what + ", and it holds NULs: it is binary", where=where, expected="text in UTF-8")
    context = data[max(0, at - 12) : at + 12].decode("cp1252", errors="replace")
    fix = f"As Windows-1252 it would read {context!r}. If that looks right, {_convert('WINDOWS-1252', add='add')}"
    return InputError(what, where=where, expected="UTF-8", fix=fix)


def _convert(name: str, *, add: str = "Add") -> str:
    return f"{add} --encoding {name.lower()}, or convert the file: iconv -f {name} -t UTF-8 FILE > NEW"


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


HERE = "."


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a format keeps its files.

    Attributes:
        texts: the folder of the texts where they have one of their own.
        others: for each kind of annotation its ending and the folders it may lie in, `HERE` being that of the text. The
            first kind is the one every text must have.
    """

    texts: str
    others: Mapping[str, tuple[str, tuple[str, ...]]]


def read_pairs(path: Path, layout: Layout, parse: "Parse", *, lenient: bool) -> Results:
    """What `parse` makes of each pair of a folder, or of one file; a faulty one gives an error in its place.

    Args:
        path: the folder, or a file of a pair.
        layout: where the files lie.
        parse: reads one pair, and puts what is wrong with its annotations into a list.
        lenient: gives documents without their wrong annotations, after the errors that name them.
    """
    for pair in _pairs(path, layout):
        if isinstance(pair, InputError):
            yield pair
        else:
            yield from checked(partial(parse, pair), lenient=lenient)


class Unannotated(InputError):
    """A text without the annotations that belong with it; `where` is its path."""


@dataclass(frozen=True, slots=True)
class FilePair:
    """A text and the files that annotate it, by kind."""

    id: str
    text: Path
    others: Mapping[str, Path]

    def read_text(self) -> str:
        """The text, line ends as they are, since offsets count them.

        Raises:
            InputError: when it cannot be read.
        """
        return read_text(self.text)

    def lines(self, kind: str) -> Iterator[tuple[str, str]]:
        """The lines of one file that are not empty, each after its place; none where there is no such file.

        Raises:
            InputError: when it cannot be read.
        """
        path = self.others.get(kind)
        if path is not None:
            yield from numbered_lines(path)


Parse = Callable[[FilePair, list[InputError]], Document]


def _pairs(path: Path, layout: Layout) -> Iterator[FilePair | InputError]:
    """The pairs of a folder and all below it, by name, or that of one file.

    A text without annotations, or annotations without a text, give an error. Hidden files are left out.
    """
    main, (ending, _) = next(iter(layout.others.items()))
    if path.is_dir():
        texts = [p for p in sorted(path.rglob("*.txt")) if not _hidden(p.relative_to(path))]
        known = [_pair(text, _id(text.relative_to(path), layout), layout) for text in texts]
        claimed = {pair.others.get(main) for pair in known}
        strays = [p for p in sorted(path.rglob(f"*{ending}")) if _may_be(p, main, layout) and p not in claimed]
        if not known and not strays:
            yield InputError("the folder holds no texts", where=str(path), expected="files that end in .txt")
    else:
        text = path if path.suffix == ".txt" else _text_of(path, layout)
        known = [_pair(text, text.stem, layout)] if text is not None else []
        strays = [] if known else [path]
    for pair in known:
        if main in pair.others:
            yield pair
        else:
            expected = f"{pair.text.stem}{ending} with it"
            yield Unannotated("has no annotations", where=str(pair.text), expected=expected)
    for stray in strays:
        if not _hidden(stray.relative_to(path) if path.is_dir() else Path(stray.name)):
            yield InputError("has no text", where=str(stray), expected=f"{stray.stem}.txt with it")


def _may_be(path: Path, kind: str, layout: Layout) -> bool:
    folders = layout.others[kind][1]
    return HERE in folders or path.parent.name in folders


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _id(path: Path, layout: Layout) -> str:
    if path.parent.name == layout.texts:
        path = path.parent.parent / path.name
    return path.with_suffix("").as_posix()


def _pair(text: Path, id: str, layout: Layout) -> FilePair:
    others = {}
    for kind, (ending, folders) in layout.others.items():
        name = text.with_suffix(ending).name
        places = [(text.parent if folder == HERE else text.parent.parent / folder) / name for folder in folders]
        if found := next((place for place in places if place.is_file()), None):
            others[kind] = found
    return FilePair(id, text, others)


def _text_of(path: Path, layout: Layout) -> Path | None:
    name = path.with_suffix(".txt").name
    places = (path.parent / name, path.parent.parent / layout.texts / name)
    return next((place for place in places if place.is_file()), None)


def name_files(documents: Iterable[Document]) -> Iterator[tuple[str, Document]]:
    """Each document after the relative path that its id makes, without an ending.

    Raises:
        OutputError: when an id makes no path within the folder, or one that is taken.
    """
    taken: set[str] = set()
    for document in documents:
        path = PurePosixPath(document.id)
        odd = path.is_absolute() or any(part == ".." or part.startswith(".") for part in path.parts)
        if odd or not path.name or str(path) != document.id or any(c in document.id for c in '\0\\:*?"<>|\r\n\t'):
            raise OutputError(f"the id {document.id!r} makes no name of a file", where=f"document {document.id!r}")
        if document.id.lower() in taken:
            raise OutputError("the id is taken by a document before it", where=f"document {document.id!r}")
        taken.add(document.id.lower())
        yield document.id, document
