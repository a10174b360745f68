"""The corpus formats by name, those that packages add among them: recognised, read and written.

A file's first 64 KiB are looked at for the signs of every format. Only where there are none, or several, does the
file's ending count; where that does not settle it either, nothing is guessed.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from clinspan.corpora import (
    bioc,
    brat,
    csv,
    fhir,
    jsonl,
    label_studio,
    literature,
    standoff,
    tables,
    text,
    tokens,
)
from clinspan.corpora.format import LOOKED_AT, CorpusFormat, Head, Results
from clinspan.document import Document
from clinspan.errors import ConfigError, InputError, OutputError, did_you_mean
from clinspan.plugins import added

GROUP = "clinspan.corpora"
"""The entry points that name formats of other packages."""
_BUILT_IN = (
    jsonl.FORMAT,
    literature.PUBTATOR,
    tokens.BIO,
    brat.BRAT,
    brat.N2C2,
    standoff.I2B2,
    standoff.CADEC,
    literature.BC2GM,
    bioc.XML,
    bioc.JSON,
    label_studio.FORMAT,
    tokens.DOCBIN,
    jsonl.PARQUET,
    csv.FORMAT,
    text.FORMAT,
    tables.FLAT,
    fhir.FORMAT,
    tables.OMOP_CSV,
    tables.OMOP_PARQUET,
)
FORMATS = tuple(format.name for format in _BUILT_IN if format.read is not None)
"""The names of clinspan's own formats that documents are read from."""
WRITABLE = tuple(format.name for format in _BUILT_IN if format.write is not None)
"""Those that documents can be written in."""
_SPREADSHEETS = frozenset({".xlsx", ".xls", ".ods"})
_ANNOTATIONS = 20
"""How many annotation files of a folder are looked at for which of several formats they are in."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One format that something may be in, and what says so."""

    format: str
    why: str

    def __str__(self) -> str:
        return f"{self.format} ({self.why})"


Told = Callable[[Path, Sign], None]
"""Told of a format that was recognised."""


@cache
def formats() -> Mapping[str, CorpusFormat]:
    """All formats by name.

    Raises:
        ConfigError: when an entry point of a package names no format, or one whose name is taken.
    """
    found = {format.name: format for format in _BUILT_IN}
    for _, format, where in added(GROUP):
        if not isinstance(format, CorpusFormat):
            raise ConfigError(f"is {type(format).__name__}", where=where, expected="a CorpusFormat")
        if format.name in found:
            raise ConfigError(f"the format {format.name!r} is there already", where=where, expected="another name")
        found[format.name] = format
    return found


def by_name(name: str) -> CorpusFormat:
    """The format of that name.

    Raises:
        ConfigError: when there is none.
    """
    if name not in formats():
        raise ConfigError(f"no corpus format {name!r}", fix=did_you_mean(name, formats()))
    return formats()[name]


def writable(name: str) -> CorpusFormat:
    """The format of that name, which must be one that is written.

    Raises:
        ConfigError: when there is none, or it is only read.
    """
    known = by_name(name)
    if known.write is None:
        can = [format.name for format in formats().values() if format.write is not None]
        raise ConfigError(f"{name!r} is not a format that can be written", fix=f"Known: {', '.join(can)}.")
    return known


def readable(name: str) -> CorpusFormat:
    """The format of that name, which must be one that is read.

    Raises:
        ConfigError: when there is none, or it is only written.
    """
    known = by_name(name)
    if known.read is None:
        raise ConfigError(
            f"{name!r} is only written", fix=f"Known: {', '.join(each.name for each in _read_formats())}."
        )
    return known


def _read_formats() -> list[CorpusFormat]:
    return [format for format in formats().values() if format.read is not None]


def _read_names() -> str:
    return ", ".join(format.name for format in _read_formats())


def by_ending(ending: str) -> str | None:
    """The name of the format whose files have this ending, where there is one."""
    return next((format.name for format in formats().values() if ending.lower() in format.endings), None)


def written_as(path: Path) -> CorpusFormat:
    """The format that a name says an output is written in: by its longest ending that is a format's, or `.FORMAT`.

    Raises:
        OutputError: when none is; it lists them.
    """
    name = path.name.lower()
    found = [
        (len(ending), format)
        for format in formats().values()
        if format.write is not None
        for ending in (*format.endings, f".{format.name}")
        if name.endswith(ending)
    ]
    if not found:
        endings = [
            one for each in formats().values() if each.write is not None for one in each.endings or (f".{each.name}",)
        ]
        raise OutputError(
            f"no format is told from the name {path.name!r}",
            where=str(path),
            expected=f"an ending that says one: {', '.join(endings)}",
            fix="For a spreadsheet use .csv." if path.suffix.lower() in _SPREADSHEETS else None,
        )
    return max(found, key=lambda one: one[0])[1]


def read(
    path: str | Path,
    *,
    format: str | None = None,
    labels: Mapping[str, str] | None = None,
    lenient: bool = False,
    told: Told | None = None,
    option: str = "--from",
) -> Results:
    """The documents of a corpus: a file, or a folder whose files are all read.

    Args:
        path: the file or folder.
        format: the name of its format; None: as it is recognised.
        labels: new names for labels; one that is not among them keeps its own.
        lenient: gives documents without their wrong annotations, after the errors that name them, where the format
            tells one annotation from another.
        told: called with the path and the format where one was recognised that the ending does not say; of a folder's
            files with the first in each format.
        option: of the command that names the format, for errors; empty where there is none.

    Raises:
        ConfigError: when there is no such format.
        InputError: when a file cannot be read at all, or its format is not known.
    """
    path = Path(path)
    known = readable(format) if format is not None else _recognised(path, told, option)
    if path.is_dir() and (known is None or not known.folder):
        first = once(told)
        for file in sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")):
            name = known.name if known is not None else None
            yield from read(file, format=name, labels=labels, lenient=lenient, told=first, option=option)
        return
    if known is None or known.read is None:
        raise InputError(
            "is not in a format that clinspan recognises",
            where=str(path),
            fix=f"{f'Name it with {option}' if option else 'Known'}: {_read_names()}.",
        )
    yield from _relabelled(known.read(path, lenient), labels or {})


def _relabelled(results: Results, labels: Mapping[str, str]) -> Results:
    for result in results:
        if isinstance(result, Document) and labels:
            entities = tuple(replace(e, label=labels.get(e.label, e.label)) for e in result.entities)
            yield replace(result, entities=entities)
        else:
            yield result


def _recognised(path: Path, told: Told | None, option: str) -> CorpusFormat | None:
    sign = recognise(path, option=option)
    if sign is None:
        if path.is_dir() and not any(p.is_file() and not p.name.startswith(".") for p in path.iterdir()):
            raise InputError(
                "is not a folder of a format that clinspan recognises", where=str(path), fix="Name one of its files."
            )
        return None
    if told is not None and sign.format != by_ending(path.suffix):
        told(path, sign)
    return by_name(sign.format)


def once(told: Told | None) -> Told | None:
    """The same, but for the first file in each format alone."""
    seen: set[str] = set()

    def tell(path: Path, sign: Sign) -> None:
        if told is not None and sign.format not in seen:
            seen.add(sign.format)
            told(path, sign)

    return tell if told is not None else None


def write(documents: Iterable[Document], path: str | Path, *, format: str) -> None:
    """Writes documents to a new file, or for formats of several files to a new folder.

    Each format leaves out what it cannot say (`CorpusFormat.loses`).

    Raises:
        ConfigError: when there is no such format, or it is only read.
        OutputError: when the output exists or cannot be written, or the format cannot say an id or a label.
    """
    path, known = Path(path), writable(format)
    try:
        if path.exists():
            raise OutputError("exists already", where=str(path), fix="Name another output.")
        if known.write is not None:
            known.write(documents, path)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where=str(path)) from error


def recognise(path: Path, *, text_column: str = "text", option: str = "--from") -> Sign | None:
    """The format of a file or folder; None where nothing tells.

    Args:
        path: the file or folder.
        text_column: the column that makes a table of texts.
        option: see `read`.

    Raises:
        InputError: when it cannot be opened, or may be in several formats, which are named.
    """
    if path.is_dir():
        return _only(_folder_signs(path), path, option)
    beside = []
    for format in _read_formats() if path.suffix.lower() == ".txt" else ():
        file = path.with_suffix(format.beside) if format.beside else None
        if file is not None and file.is_file():
            name = format.variant([file], path.parent) if format.variant else format.name
            beside.append(Sign(name, f"{file.name} lies beside it"))
    if beside:
        return _only(beside, path, option)
    return of_content(path, text_column=text_column, option=option)


def of_content(path: Path, *, text_column: str = "text", option: str = "--from") -> Sign | None:
    """The format of one file, whatever lies beside it; None where nothing tells.

    Raises:
        InputError: as `recognise`.
    """
    found = signs(Head(text.read_bytes(path, most=LOOKED_AT), path=path, text_column=text_column))
    named = next((each.name for each in _read_formats() if path.suffix.lower() in each.endings), None)
    if len(found) != 1 and named and (not found or named in {sign.format for sign in found}):
        return Sign(named, "its ending")
    return _only(found, path, option)


def signs(head: Head) -> list[Sign]:
    """The formats that a file may be in which begins so."""
    found = ((format.name, format.sign(head)) for format in _read_formats())
    return [Sign(name, why) for name, why in found if why is not None]


def _only(found: list[Sign], path: Path, option: str) -> Sign | None:
    if len(found) > 1:
        raise InputError(
            f"may be in several formats: {', '.join(map(str, found))}",
            where=str(path),
            fix=f"Name the right one: {option} {found[0].format}, for example." if option else None,
        )
    return found[0] if found else None


def _folder_signs(path: Path) -> list[Sign]:
    """The formats whose documents lie in several files, by the files of a folder and all below it."""
    told = ((format.name, format.folder_sign(path)) for format in _read_formats())
    if whole := [Sign(name, why) for name, why in told if why is not None]:
        return whole
    beside = {format.beside: format for format in _read_formats() if format.beside}
    found: dict[str, list[Path]] = {}
    for file in _files(path):
        if (ending := file.suffix.lower()) in beside:
            found.setdefault(ending, []).append(file)
    signs = []
    for ending, files in found.items():
        format = beside[ending]
        name = format.variant(files[:_ANNOTATIONS], path) if format.variant else format.name
        signs.append(Sign(name, f"it holds {files[0].name}"))
    return signs


def _files(path: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))
