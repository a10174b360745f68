"""The corpus formats by name, and which one a file is in."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from clinspan.corpora import bio, csv, jsonl, pubtator, text
from clinspan.document import Document
from clinspan.errors import ConfigError, InputError, did_you_mean

FORMATS = ("jsonl", "pubtator", "bio", "csv", "text")
_ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".pubtator": "pubtator",
    ".bio": "bio",
    ".iob": "bio",
    ".conll": "bio",
    ".csv": "csv",
}


def read(
    path: str | Path, *, format: str | None = None, labels: Mapping[str, str] | None = None, lenient: bool = False
) -> Iterator[Document | InputError]:
    """The documents of a corpus: a file, or a folder whose files are all in one format.

    Args:
        path: the file or folder.
        format: one of `FORMATS`; None: by the file's ending, else by its first line.
        labels: new names for labels; one that is not among them keeps its own.
        lenient: gives documents without their wrong annotations, after the errors that name them, where the format
            tells one annotation from another (PubTator).

    Raises:
        ConfigError: when there is no such format.
        InputError: when a file cannot be read at all, or its format is not known.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise ConfigError(f"no corpus format {format!r}", fix=did_you_mean(format, FORMATS))
    if path.is_dir():
        for file in sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")):
            yield from read(file, format=format, labels=labels, lenient=lenient)
        return
    match format or detect(path):
        case "jsonl":
            yield from _relabelled(jsonl.read(path), labels or {})
        case "pubtator":
            yield from pubtator.read(path, labels=labels, lenient=lenient)
        case "bio":
            yield from bio.read(path, labels=labels)
        case "csv":
            yield from csv.read(path)
        case _:
            yield text.read(path)


def detect(path: Path) -> str:
    """The format of a file: by its ending, else by its first line that is not empty.

    Raises:
        InputError: when neither tells.
    """
    known = _ENDINGS.get(path.suffix.lower())
    if known:
        return known
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            first = next((line for line in file if line.strip()), "")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if pubtator.begins(first):
        return "pubtator"
    if bio.begins(first):
        return "bio"
    if first.lstrip().startswith("{"):
        return "jsonl"
    raise InputError(
        "is in no format that clinspan can tell", where=str(path), fix=f"Name it: one of {', '.join(FORMATS)}."
    )


def _relabelled(results: Iterator[Document | InputError], labels: Mapping[str, str]) -> Iterator[Document | InputError]:
    for result in results:
        if isinstance(result, Document) and labels:
            entities = tuple(replace(e, label=labels.get(e.label, e.label)) for e in result.entities)
            yield replace(result, entities=entities)
        else:
            yield result
