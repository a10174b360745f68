"""JSON lines: a document a line, as `clinspan tag` writes them and as other tools make them; see `clinspan.codec`.

A file that is one array of such documents or of strings, and a `.json` that is one document, are read as well.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from clinspan import codec
from clinspan.corpora.format import CorpusFormat, Head, Results, one_file
from clinspan.corpora.text import cannot_read, check_text, decode, nul_remark, read_text
from clinspan.document import Document
from clinspan.errors import InputError

_TEXT = re.compile(r'"text"\s*:\s*"')


def read(path: str | Path, *, encoding: str = "utf-8") -> Results:
    """The documents of a file, one at a time; a line that is none gives an error in its place and the rest goes on.

    A document without an id gets the file's stem and its line number for one, or its number in the array.

    Raises:
        InputError: when the file cannot be read at all.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if not _is_one_value(file.readline(), path):
                file.seek(0)
                yield from read_lines(file, where=str(path), stem=path.stem, encoding=encoding)
                return
        found = codec.load(read_text(path, encoding=encoding), where=str(path), lines=True)
        yield from _array(found if isinstance(found, list) else [found], path)
    except OSError as error:
        raise cannot_read(path, error) from error


def _is_one_value(line: bytes, path: Path) -> bool:
    """Whether a file that begins with this line is one array, or one object over several lines, and no JSON lines."""
    begins = line.removeprefix(b"\xef\xbb\xbf").strip()
    return begins.startswith(b"[") or (path.suffix.lower() == ".json" and begins[:1] == b"{" and begins[-1:] != b"}")


def _array(items: list[object], path: Path) -> Results:
    for number, item in enumerate(items, 1):
        where, id = f"{path}, item {number}", f"{path.stem}-{number}"
        try:
            yield codec.document_of({"text": item} if isinstance(item, str) else item, where=where, default_id=id)
        except InputError as error:
            yield error


def read_lines(lines: Iterable[bytes], *, where: str, stem: str, encoding: str = "utf-8") -> Results:
    """The same from lines of bytes, wherever they come from."""
    offset = 0
    for number, line in enumerate(lines, 1):
        place = f"{where}, line {number}"
        try:
            if number == 1:
                check_text(line, where=where, encoding=encoding)
            text = decode(line, where=place, encoding=encoding, offset=offset)
            if text.strip():
                document = codec.parse(text, where=place, default_id=f"{stem}-{number}")
                remark = nul_remark(line, encoding)
                yield replace(document, metadata={**document.metadata, **remark}) if remark else document
        except InputError as error:
            yield error
            if error.where == where:
                return
        offset += len(line)


def write(documents: Iterable[Document]) -> Iterator[str]:
    """The documents as lines; nothing is left out."""
    return (f"{codec.dump(document)}\n" for document in documents)


def _sign(head: Head) -> str | None:
    first = head.first_line_json
    if isinstance(first, dict):
        # A whole object: its own keys tell, and what is nested in them does not mislead.
        return "its first line is an object with 'text'" if isinstance(first.get("text"), str) else None
    if head.begins.startswith("["):
        return _array_sign(head)
    if head.begins.startswith("{") and _TEXT.search(head.begins) and not head.holds_collection:
        if "\n" not in head.begins:
            return "its first line is an object with 'text'"
        return "an object with 'text'" if head.ending == ".json" else None
    return None


def _array_sign(head: Head) -> str | None:
    first = head.begins[1:].lstrip()
    try:
        item, _ = json.JSONDecoder().raw_decode(first)
    except (ValueError, RecursionError):
        # The first of them may be longer than what is looked at.
        item = "" if head.cut and first.startswith('"') else None
    if isinstance(item, dict) and isinstance(item.get("text"), str):
        return "a list of objects with 'text'"
    return "a list of strings" if isinstance(item, str) and head.ending == ".json" else None


FORMAT = CorpusFormat(
    name="jsonl",
    read=lambda path, _: read(path),
    write=one_file(write),
    sign=_sign,
    endings=(".jsonl", ".ndjson", ".jsonlines"),
)
