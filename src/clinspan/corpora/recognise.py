"""Which format a file or folder is in, told from what it holds.

A file's first 64 KiB are looked at for the signs of every format. Only where there are none, or several, does the
file's ending count; where that does not settle it either, nothing is guessed.
"""

import csv
import json
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from clinspan.corpora import bio, n2c2, pubtator
from clinspan.corpora.files import cannot_read
from clinspan.errors import InputError

ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonlines": "jsonl",
    ".pubtator": "pubtator",
    ".bio": "bio",
    ".iob": "bio",
    ".conll": "bio",
    ".csv": "csv",
    ".ann": "brat",
    ".con": "i2b2",
    ".in": "bc2gm",
    ".xml": "bioc-xml",
    ".spacy": "docbin",
    ".parquet": "parquet",
}
"""What an ending says, where the content does not."""
BESIDE = {".ann": "brat", ".con": "i2b2"}
"""What a file of annotations beside a text of the same name says; an `.ann` that looks so is n2c2's."""

_LOOKED_AT = 1 << 16
_LINES = 50
_ANNOTATIONS = 20
"""How many `.ann` of a folder are looked at for what tells n2c2 from brat."""
_CONFIGURATION = "annotation.conf"
"""Lies in brat's folders alone."""
_DELIMITERS = (",", ";", "\t")
_BIOC = re.compile(r'"(?:passages|documents|PubTator3)"\s*:\s*\[')
_TASK = re.compile(r'"data"\s*:\s*\{')
_TEXT = re.compile(r'"text"\s*:\s*"')
_XML = re.compile(r"\s*(?:<\?xml[^>]*\?>|<!--.*?-->|<!DOCTYPE[^>]*>|\s)*<collection[\s>]", re.DOTALL)
_STANDOFF = re.compile(r"T\d+\t\S+ \d+ \d+(?:;\d+ \d+)*\t")
_CONCEPT = re.compile(r'c=".*" \d+:\d+ \d+:\d+\|\|t="')


@dataclass(frozen=True, slots=True)
class Sign:
    """One format that something may be in, and what says so."""

    format: str
    why: str

    def __str__(self) -> str:
        return f"{self.format} ({self.why})"


def recognise(path: Path, *, text_column: str = "text") -> Sign | None:
    """The format of a file or folder; None where nothing tells.

    Args:
        path: the file or folder.
        text_column: the column that makes a table of texts.

    Raises:
        InputError: when it cannot be opened, or may be in several formats, which are named.
    """
    if path.is_dir():
        return _only(_folder_signs(path), path)
    pairs = [(path.with_suffix(end), name) for end, name in BESIDE.items() if path.suffix.lower() == ".txt"]
    beside = [
        Sign(_standoff([file], path.parent) if name == "brat" else name, f"{file.name} lies beside it")
        for file, name in pairs
        if file.is_file()
    ]
    if beside:
        return _only(beside, path)
    sign = of_content(path, text_column=text_column)
    if sign is not None and sign.format == "n2c2":
        return Sign(_standoff([path], path.parent), sign.why)
    return sign


def of_content(path: Path, *, text_column: str = "text") -> Sign | None:
    """The format of one file, whatever lies beside it; None where nothing tells.

    Raises:
        InputError: as `recognise`.
    """
    found = signs(_head(path), text_column=text_column)
    named = ENDINGS.get(path.suffix.lower())
    if len(found) != 1 and named and (not found or named in {sign.format for sign in found}):
        return Sign(named, "its ending")
    return _only(found, path)


def signs(head: bytes, *, text_column: str = "text") -> tuple[Sign, ...]:
    """The formats that a file may be in which begins with `head`, whose first 64 KiB are looked at."""
    head = head[:_LOOKED_AT]
    if head.startswith(b"PAR1"):
        return (Sign("parquet", "its first bytes"),)
    if _is_docbin(head):
        return (Sign("docbin", "its first bytes"),)
    begins = head.decode("utf-8-sig", errors="replace").lstrip()
    if begins.startswith(("{", "[")):
        return tuple(_json_signs(begins))
    if _XML.match(begins):
        return (Sign("bioc-xml", "its first element"),)
    return tuple(_line_signs(_whole_lines(head), text_column))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LOOKED_AT)
    except OSError as error:
        raise cannot_read(path, error) from error


def _whole_lines(head: bytes) -> list[str]:
    lines = head.decode("utf-8-sig", errors="replace").lstrip().split("\n")
    if len(head) == _LOOKED_AT and len(lines) > 1:
        del lines[-1]
    return lines


def _standoff(files: Sequence[Path], folder: Path) -> str:
    """n2c2 where what these `.ann` hold looks so and brat is set up neither beside them nor in `folder`, else brat."""
    if any((place / _CONFIGURATION).is_file() for place in {folder, *(file.parent for file in files)}):
        return "brat"
    lines = (line for file in files for line in _whole_lines(_head(file)))
    return "n2c2" if n2c2.looks_like(lines) else "brat"


def _only(found: list[Sign] | tuple[Sign, ...], path: Path) -> Sign | None:
    if len(found) > 1:
        raise InputError(
            f"may be in several formats: {', '.join(map(str, found))}",
            where=str(path),
            fix=f"Name the right one: --from {found[0].format}, for example.",
        )
    return found[0] if found else None


def _is_docbin(head: bytes) -> bool:
    # A zlib stream of a MessagePack map, whose keys stand in its first bytes.
    if head[:1] != b"\x78":
        return False
    try:
        return b"attrs" in zlib.decompressobj().decompress(head, 200)
    except zlib.error:
        return False


def _json_signs(begins: str) -> Iterator[Sign]:
    line = begins.partition("\n")[0]
    try:
        first = json.loads(line)
    except (ValueError, RecursionError):
        first = None
    if isinstance(first, dict):
        # A whole object: its own keys tell, and what is nested in them does not mislead.
        if isinstance(first.get("text"), str):
            yield Sign("jsonl", "its first line is an object with 'text'")
        if any(isinstance(first.get(key), list) for key in ("passages", "documents", "PubTator3")):
            yield Sign("bioc-json", "an object with 'documents' or 'passages'")
        return
    if _BIOC.search(begins):
        yield Sign("bioc-json", "an object with 'documents' or 'passages'")
    elif begins.startswith("[") and _TASK.search(begins):
        yield Sign("label-studio", "a list of tasks with 'data'")
    elif begins.startswith("{") and len(line) == len(begins) and _TEXT.search(line):
        yield Sign("jsonl", "its first line is an object with 'text'")


def _line_signs(lines: list[str], text_column: str) -> Iterator[Sign]:
    first = lines[0]
    if pubtator.begins(first):
        yield Sign("pubtator", "its first line is a title")
    if bio.looks_like(islice(lines, _LINES)):
        yield Sign("bio", "its lines are tokens with tags")
    if _STANDOFF.match(first):
        format = "n2c2" if n2c2.looks_like(lines) else "brat"
        yield Sign(format, "its first line is a standoff annotation")
    if _CONCEPT.match(first):
        yield Sign("i2b2", "its first line is a concept")
    if any(len(names) > 1 and text_column in names for names in _headers(first)):
        yield Sign("csv", f"its first line has the column {text_column!r}")


def _headers(line: str) -> Iterator[list[str]]:
    for delimiter in _DELIMITERS:
        try:
            yield next(csv.reader([line.rstrip("\r")], delimiter=delimiter), [])
        except csv.Error:
            continue


def _folder_signs(path: Path) -> list[Sign]:
    """The formats whose documents lie in several files, by the files of a folder and all below it."""
    if (path / "text").is_dir() and (path / "original").is_dir():
        return [Sign("cadec", "its folders text and original")]
    found: dict[str, str] = {}
    standoff: list[Path] = []
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            ending = Path(name).suffix.lower()
            if ending in BESIDE and not name.startswith("."):
                found.setdefault(BESIDE[ending], name)
                if ending == ".ann" and len(standoff) < _ANNOTATIONS:
                    standoff.append(Path(folder, name))
            elif ending == ".in" and "GENE.eval" in files:
                found.setdefault("bc2gm", f"{name} with GENE.eval")
    formats = {"brat": _standoff(standoff, path)}
    return [Sign(formats.get(format, format), f"it holds {name}") for format, name in found.items()]
