"""The corpus formats by name: reading and writing any of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from clinspan import codec
from clinspan.corpora import (
    bc2gm,
    bio,
    bioc,
    brat,
    cadec,
    csv,
    docbin,
    i2b2,
    jsonl,
    label_studio,
    parquet,
    pubtator,
    text,
)
from clinspan.corpora.flat import flat
from clinspan.corpora.recognise import ENDINGS, Sign, recognise
from clinspan.document import Document
from clinspan.errors import ConfigError, InputError, OutputError, did_you_mean

FORMATS = (
    "jsonl",
    "pubtator",
    "bio",
    "brat",
    "n2c2",
    "i2b2",
    "cadec",
    "bc2gm",
    "bioc-xml",
    "bioc-json",
    "label-studio",
    "docbin",
    "parquet",
    "csv",
    "text",
)
FOLDERS = frozenset({"brat", "n2c2", "i2b2", "cadec", "bc2gm"})
"""The formats whose documents lie in several files."""

_Results = Iterator[Document | InputError]
_Reader = Callable[[Path, Mapping[str, str], bool], _Results]
Told = Callable[[Path, Sign], None]
"""Told of a format that was recognised."""


def read(
    path: str | Path,
    *,
    format: str | None = None,
    labels: Mapping[str, str] | None = None,
    lenient: bool = False,
    told: Told | None = None,
) -> Iterator[Document | InputError]:
    """The documents of a corpus: a file, or a folder whose files are all read.

    Args:
        path: the file or folder.
        format: one of `FORMATS`; None: as `clinspan.corpora.recognise` tells.
        labels: new names for labels; one that is not among them keeps its own.
        lenient: gives documents without their wrong annotations, after the errors that name them, where the format
            tells one annotation from another.
        told: called with the path and the format where one was recognised that the ending does not say; of a folder's
            files with the first in each format.

    Raises:
        ConfigError: when there is no such format.
        InputError: when a file cannot be read at all, or its format is not known.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise ConfigError(f"no corpus format {format!r}", fix=did_you_mean(format, FORMATS))
    if format is None:
        format = _recognised(path, told)
    if path.is_dir() and format not in FOLDERS:
        first = once(told)
        for file in sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")):
            yield from read(file, format=format, labels=labels, lenient=lenient, told=first)
        return
    if format is None:
        raise InputError(
            "is in no format that clinspan can tell", where=str(path), fix=f"Name it: one of {', '.join(FORMATS)}."
        )
    yield from _READERS[format](path, labels or {}, lenient)


def _recognised(path: Path, told: Told | None) -> str | None:
    sign = recognise(path)
    if sign is None:
        if path.is_dir() and not any(p.is_file() and not p.name.startswith(".") for p in path.iterdir()):
            raise InputError(
                "is a folder of no format that clinspan can tell", where=str(path), fix="Name one of its files."
            )
        return None
    if told is not None and sign.format != ENDINGS.get(path.suffix.lower()):
        told(path, sign)
    return sign.format


def once(told: Told | None) -> Told | None:
    """The same, but for the first file in each format alone."""
    seen: set[str] = set()

    def tell(path: Path, sign: Sign) -> None:
        if told is not None and sign.format not in seen:
            seen.add(sign.format)
            told(path, sign)

    return tell if told is not None else None


def write(documents: Iterable[Document], path: str | Path, *, format: str) -> None:
    """Writes documents to a new file, or for the formats in `FOLDERS` to a new folder.

    Each format leaves out what it cannot say, as its module tells; `clinspan.corpora.losses.compare` counts it.

    Raises:
        ConfigError: when there is no such format, or it is only read.
        OutputError: when the output exists or cannot be written, or the format cannot say an id or a label.
    """
    path = Path(path)
    if format not in WRITABLE:
        raise ConfigError(f"no corpus format {format!r} that is written", fix=did_you_mean(format, WRITABLE))
    try:
        if path.exists():
            raise OutputError("exists already", where=str(path), fix="Name another output.")
        if format in _BINARY:
            _BINARY[format](documents, path)
            return
        if format not in FOLDERS:
            with path.open("x", encoding="utf-8", newline="") as file:
                file.writelines(_STREAMS[format](documents))
            return
        path.mkdir()
        for name, content in _FILES[format](documents):
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8", newline="")
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _relabelled(results: _Results, labels: Mapping[str, str]) -> _Results:
    for result in results:
        if isinstance(result, Document) and labels:
            entities = tuple(replace(e, label=labels.get(e.label, e.label)) for e in result.entities)
            yield replace(result, entities=entities)
        else:
            yield result


_READERS: Mapping[str, _Reader] = {
    "jsonl": lambda path, labels, _: _relabelled(jsonl.read(path), labels),
    "pubtator": lambda path, labels, lenient: pubtator.read(path, labels=labels, lenient=lenient),
    "bio": lambda path, labels, _: bio.read(path, labels=labels),
    "brat": lambda path, labels, lenient: brat.read(path, labels=labels, lenient=lenient),
    "n2c2": lambda path, labels, lenient: brat.read(path, labels=labels, lenient=lenient, join_lines=True),
    "i2b2": lambda path, labels, lenient: i2b2.read(path, labels=labels, lenient=lenient),
    "cadec": lambda path, labels, lenient: cadec.read(path, labels=labels, lenient=lenient),
    "bc2gm": lambda path, labels, lenient: bc2gm.read(path, labels=labels, lenient=lenient),
    "bioc-xml": lambda path, labels, lenient: bioc.read_xml(path, labels=labels, lenient=lenient),
    "bioc-json": lambda path, labels, lenient: bioc.read_json(path, labels=labels, lenient=lenient),
    "label-studio": lambda path, labels, lenient: label_studio.read(path, labels=labels, lenient=lenient),
    "docbin": lambda path, labels, _: docbin.read(path, labels=labels),
    "parquet": lambda path, labels, _: _relabelled(parquet.read(path), labels),
    "csv": lambda path, *_: csv.read(path),
    "text": lambda path, *_: iter([text.read(path)]),
}
_STREAMS: Mapping[str, Callable[[Iterable[Document]], Iterator[str]]] = {
    "jsonl": lambda documents: (f"{codec.dump(document)}\n" for document in documents),
    "pubtator": pubtator.write,
    "bio": lambda documents: bio.write(map(flat, documents)),
    "bioc-xml": bioc.write_xml,
    "bioc-json": bioc.write_json,
    "label-studio": label_studio.write,
}
_FILES: Mapping[str, Callable[[Iterable[Document]], Iterator[tuple[str, str]]]] = {
    "brat": brat.write,
    "n2c2": partial(brat.write, split_lines=True),
    "i2b2": i2b2.write,
    "cadec": cadec.write,
    "bc2gm": bc2gm.write,
}
_BINARY: Mapping[str, Callable[[Iterable[Document], Path], None]] = {"docbin": docbin.write, "parquet": parquet.write}
WRITABLE = tuple(name for name in FORMATS if name in {**_STREAMS, **_FILES, **_BINARY})
"""The formats that documents can be written in."""
