"""Arrays of numbers and texts in files, read where they are asked for.

They are not mapped: a page that is touched brings its neighbours along, and ten million names then soon lie in memory
whole, where a read of a few bytes brings nothing and takes a microsecond from the system's cache.
"""

import mmap
import os
import struct
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

Read = Callable[[int, int], bytes]
"""From an offset and a number of bytes to these bytes."""

_NUMBER = struct.Struct("=I")
_TWO_NUMBERS = struct.Struct("=II")
_TWO_PLACES = struct.Struct("=QQ")


def _reader(file: Path, owner: object) -> Read:
    """Reads `file` until `owner` is gone; any thread and any forked process may read at once."""
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    if hasattr(os, "pread"):
        weakref.finalize(owner, os.close, handle)
        return lambda offset, size: os.pread(handle, size, offset)
    try:  # where the system cannot read at a place (Windows), the file is mapped
        mapped = mmap.mmap(handle, 0, access=mmap.ACCESS_READ) if file.stat().st_size else b""
    finally:
        os.close(handle)
    return lambda offset, size: mapped[offset : offset + size]


class Numbers:
    """Unsigned numbers of 32 bits."""

    def __init__(self, file: Path):
        self._read = _reader(file, self)

    def __getitem__(self, place: int) -> int:
        number: int = _NUMBER.unpack(self._read(place * 4, 4))[0]
        return number

    def pair(self, place: int) -> tuple[int, int]:
        """The number at `place` and the next."""
        first, second = _TWO_NUMBERS.unpack(self._read(place * 4, 8))
        return first, second

    def slice(self, start: int, end: int) -> Sequence[int]:
        """The numbers from `start` up to `end`."""
        return memoryview(self._read(start * 4, (end - start) * 4)).cast("I")


class Bytes:
    """Unsigned numbers of 8 bits."""

    def __init__(self, file: Path):
        self._read = _reader(file, self)

    def __getitem__(self, place: int) -> int:
        return self._read(place, 1)[0]


class Texts:
    """Texts one after the other in UTF-8, and the file that says where each starts."""

    def __init__(self, texts: Path, starts: Path):
        self._read = _reader(texts, self)
        self._starts = _reader(starts, self)

    def __getitem__(self, place: int) -> str:
        start, end = _TWO_PLACES.unpack(self._starts(place * 8, 16))
        return self._read(start, end - start).decode("utf-8")
