"""How many documents inputs will give, where that is quick to find out."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_LINES = frozenset({".jsonl", ".ndjson", ".jsonlines"})
_TEXT = frozenset({".txt", ".text", ".note", ""})
_MOST = 1_000_000_000
"""Bytes whose lines are counted, a second or two; for more it is not worth the wait."""


def expected(paths: Iterable[str | Path], *, format: str | None = None) -> int | None:
    """The documents of texts and JSON lines, alone or in folders; None where there is anything else among them.

    An estimate for those who wait: it looks at names and counts lines, and what cannot be read counts, too.

    Args:
        paths: as for `inputs.read`.
        format: likewise.
    """
    if format not in (None, "jsonl", "text"):
        return None
    total = size = 0
    try:
        for file in _files(paths):
            ending = file.suffix.lower()
            if ending in _LINES and format != "text":
                size += file.stat().st_size
                if size > _MOST:
                    return None
                total += _count_lines(file)
            elif file.is_file() and (format == "text" or ending in _TEXT):
                total += 1
            else:
                return None
    except OSError:
        return None
    return total


def _files(paths: Iterable[str | Path]) -> Iterator[Path]:
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        for folder, below, names in os.walk(path):
            below[:] = [name for name in below if not name.startswith(".")]
            yield from (Path(folder, name) for name in names if not name.startswith("."))


def _count_lines(file: Path) -> int:
    lines, last = 0, b"\n"
    with file.open("rb") as data:
        while chunk := data.read(1 << 20):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    return lines + (last != b"\n")
