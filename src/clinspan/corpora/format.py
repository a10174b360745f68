"""What a corpus format is: one object that says its name, its signs, how it is read and written, and what it loses.

Each format has a module of its own here, and a package may add one: an entry point of the group `clinspan.corpora` that
names a `CorpusFormat`.
"""

import csv
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from clinspan.document import OF, Document, Entity
from clinspan.errors import InputError

LOOKED_AT = 1 << 16
"""Bytes at the beginning of a file in which signs are looked for."""
TEXTS = frozenset({".txt", ".text", ".note"})
"""Endings of notes. A table is never told from the content of such a file."""
_DELIMITERS = (",", ";", "\t")
_COLLECTION = re.compile(r'"(?:passages|documents|PubTator3)"\s*:\s*\[')

Results = Iterator[Document | InputError]
Read = Callable[[Path, bool], Results]
"""Gives the documents of a file or folder, and an error in place of one that cannot be read.

With True it is lenient: it gives a document without its wrong annotations, after the errors that name them.
"""
Write = Callable[[Iterable[Document], Path], None]


class Head:
    """The beginning of a file, as signs need it.

    Args:
        data: the first bytes of the file; no more than `LOOKED_AT` of them are used.
        path: the file; None for standard input.
        text_column: the column that makes a table of texts.
    """

    def __init__(self, data: bytes, *, path: Path | None = None, text_column: str = "text"):
        self.data = data[:LOOKED_AT]
        self.path = path
        self.ending = path.suffix.lower() if path is not None else ""
        self.text_column = text_column

    @property
    def cut(self) -> bool:
        """Whether the file may go on after these bytes."""
        return len(self.data) == LOOKED_AT

    @cached_property
    def begins(self) -> str:
        """The text, without white space before it."""
        return self.data.decode("utf-8-sig", errors="replace").lstrip()

    @cached_property
    def holds_collection(self) -> bool:
        """Whether it has a key of BioC JSON, which other JSON formats must not take for theirs."""
        return _COLLECTION.search(self.begins) is not None

    @cached_property
    def lines(self) -> list[str]:
        """The lines that are whole; none where the file is JSON or a table in bytes."""
        if self.begins.startswith(("{", "[", "PAR1")):
            return []
        lines = self.begins.split("\n")
        return lines[:-1] if self.cut and len(lines) > 1 else lines

    @cached_property
    def first_line_json(self) -> Any:
        """The first line read as JSON; None when it is no JSON."""
        if not self.begins.startswith("{"):
            return None
        try:
            return json.loads(self.begins.partition("\n")[0])
        except (ValueError, RecursionError):
            return None

    @cached_property
    def columns(self) -> list[list[str]]:
        """The fields of the first line, by each delimiter that it may have."""
        found = []
        for delimiter in _DELIMITERS if self.lines else ():
            try:
                found.append(next(csv.reader([self.lines[0].rstrip("\r")], delimiter=delimiter), []))
            except csv.Error:
                continue
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusFormat:
    """A format, all that is known of it in one object.

    Attributes:
        name: as users give it.
        read: reads a file, or a folder where `folder` is set; None for an export, which is only written.
        write: writes a new file or folder; None where the format is only read.
        sign: says by what a file's beginning shows the format; None where it does not.
        endings: of files, which count where no sign tells.
        beside: the ending of an annotation file that lies beside a text of the same name.
        variant: of formats that share `beside`, the name of the one that these annotation files of a folder are in.
        folder_sign: says by what a folder shows the format; None where it does not.
        folder: whether documents lie in several files.
        texts_apart: whether texts lie in files of their own, so that other inputs may lie among them.
        loses: what the format cannot say, for people.
        left_out: for an export, what of these documents it has no place for, counted; for people.

    Raises:
        ValueError: when the name is not in lower case, an ending lacks its dot, or it is neither read nor written.
    """

    name: str
    read: Read | None = None
    write: Write | None = None
    sign: Callable[[Head], str | None] = lambda _: None
    endings: tuple[str, ...] = ()
    beside: str | None = None
    variant: Callable[[Iterable[Path], Path], str] | None = None
    folder_sign: Callable[[Path], str | None] = lambda _: None
    folder: bool = False
    texts_apart: bool = False
    loses: str = ""
    left_out: Callable[[Iterable[Document]], Iterable[str]] = lambda _: ()

    def __post_init__(self) -> None:
        if not self.name or self.name != self.name.lower().strip():
            raise ValueError(f"a format's name is in lower case, not {self.name!r}")
        if self.read is None and self.write is None:
            raise ValueError(f"the format {self.name!r} is neither read nor written")
        for ending in (*self.endings, *([self.beside] if self.beside else ())):
            if not ending.startswith(".") or ending != ending.lower():
                raise ValueError(f"an ending begins with a dot and is in lower case, not {ending!r}")


def checked(make: Callable[[list[InputError]], Document], *, lenient: bool) -> Results:
    """One document, made by `make`, which puts what is wrong with annotations into a list and raises what is worse.

    Where there are faults, the first is given in the document's place, or with `lenient` all of them before it.
    """
    faults: list[InputError] = []
    try:
        document = make(faults)
    except InputError as error:
        yield error
        return
    yield from faults if lenient else faults[:1]
    if lenient or not faults:
        yield document


def one_file(write: Callable[[Iterable[Document]], Iterator[str]]) -> Write:
    """Writes the pieces of text that `write` makes to a new file."""

    def to(documents: Iterable[Document], path: Path) -> None:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.writelines(write(documents))

    return to


def many_files(write: Callable[[Iterable[Document]], Iterator[tuple[str, str]]]) -> Write:
    """Writes the files that `write` makes, each a relative path and its content, to a new folder."""

    def to(documents: Iterable[Document], path: Path) -> None:
        path.mkdir()
        for name, content in write(documents):
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8", newline="")

    return to


def with_ids(entities: Sequence[Entity], ids: Sequence[str]) -> tuple[Entity, ...]:
    """The entities with these ids where one of them names another by its own; else as they are, since none matters."""
    if len(set(ids)) < len(ids) or not any(entity.attribute(OF) in ids for entity in entities):
        return tuple(entities)
    return tuple(replace(entity, id=id) for entity, id in zip(entities, ids, strict=True))


def written_ids(document: Document) -> list[str]:
    """The ids under which entities are written: their own where all have one and a detail names one, else numbers."""
    own = [entity.id for entity in document.entities if entity.id is not None]
    if document.owners() and len(set(own)) == len(document.entities):
        return own
    return [str(number) for number in range(1, len(document.entities) + 1)]


class Unit(StrEnum):
    """What a format's offsets count."""

    CODE_POINT = "code point"
    """As Python counts."""
    UTF16 = "UTF-16 unit"
    """As JavaScript and Java count: two for a character outside the basic plane, such as an emoji."""
    BYTE = "byte"
    """Of UTF-8."""
    NO_SPACE = "character but white space"
    """As BC2GM counts."""


_WIDTHS: dict[Unit, Callable[[str], int]] = {
    Unit.CODE_POINT: lambda _: 1,
    Unit.UTF16: lambda character: 2 if character > "\uffff" else 1,
    Unit.BYTE: lambda character: len(character.encode("utf-8", "surrogatepass")),
    Unit.NO_SPACE: lambda character: 0 if character.isspace() else 1,
}


class Ruler:
    """Code points of one text to another unit and back."""

    def __init__(self, text: str, unit: Unit):
        self._same = unit is Unit.CODE_POINT or (unit is not Unit.NO_SPACE and text.isascii())
        self._length = len(text)
        self._before = [] if self._same else list(accumulate(map(_WIDTHS[unit], text), initial=0))

    @property
    def length(self) -> int:
        """The text's length in the unit."""
        return self._length if self._same else self._before[-1]

    def units(self, point: int) -> int:
        """How many units come before a code point."""
        return point if self._same else self._before[point]

    def start(self, units: int) -> int:
        """The code point that begins after so many units; where some have no width, the last that does.

        Raises:
            ValueError: when that is past the end or within a character.
        """
        return self._point(units, bisect_right(self._before, units) - 1)

    def end(self, units: int) -> int:
        """The first code point before which so many units come.

        Raises:
            ValueError: when that is past the end or within a character.
        """
        return self._point(units, bisect_left(self._before, units))

    def _point(self, units: int, found: int) -> int:
        if not 0 <= units <= self.length:
            raise ValueError(f"{units} is not within the text of {self.length}")
        if self._same:
            return units
        if self._before[found] != units:
            raise ValueError(f"{units} begins or ends inside a character")
        return found
