"""Rewrites a small model's weights as Q8_0, which llama.cpp evaluates faster than the tighter kinds.

Q8_0 keeps eight bits a weight, so what a four-bit file holds survives it but for rounding; the file grows by about
half. See docs/decisions/runtime.md for what it gains. This release's shared object has no function that does it whole;
its GGUF reader and writer, and ggml's own conversions, are put together here.
"""

import ctypes
import mmap
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from clinspan.errors import ModelError
from clinspan.files import cache_folder
from clinspan.llms.llama_api import Api, load
from clinspan.llms.llama_header import GgufInit

LARGEST = 256 << 20
"""Bytes of the largest file that is worth it: a larger model would not fit in the memory a tagging run may take."""

_Q8_0 = 8
_DEQUANTISE = {2: "q4_0", 3: "q4_1", 6: "q5_0", 7: "q5_1", 12: "q4_K", 13: "q5_K", 14: "q6_K"}
_FILE_TYPE_Q8_0 = 7


def requantised(path: Path, checksum: str) -> Path:
    """The file to run in place of the model at `path`: itself where rewriting gains nothing, else the rewritten one.

    That lies in clinspan's cache folder under the checksum of the original, and is made once, in about a second.

    Args:
        path: a GGUF file.
        checksum: of its content.

    Raises:
        MissingExtra: when llama.cpp is not installed.
        ModelError: when the file cannot be read, or the other not written.
    """
    if path.stat().st_size > LARGEST:
        return path
    target = cache_folder() / "requantised" / f"{path.stem}-{checksum[:12]}-q8_0.gguf"
    if target.exists():
        return target
    api = load()
    source = _Gguf(api, path)
    if not any(kind in _DEQUANTISE for kind in source.kinds()):
        return path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A file of its own for each process: two that start together both write, and one of them stays.
        handle, name = tempfile.mkstemp(dir=target.parent, suffix=".partial")
        os.close(handle)
        partial = Path(name)
        try:
            _write(api, source, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(
            f"the rewritten model cannot be stored: {error.strerror}",
            where=str(target),
            fix="Make room there, name another folder in CLINSPAN_CACHE, or run the model as shipped.",
        ) from error
    return target


class _Gguf:
    """A GGUF file's tensors."""

    def __init__(self, api: Api, path: Path) -> None:
        self.path = path
        self._c: Any = api.c
        self._handle = self._c.gguf_init_from_file(bytes(path), GgufInit(True, None))
        if not self._handle:
            raise ModelError("is not a whole GGUF file", where=str(path))
        self.count: int = self._c.gguf_get_n_tensors(self._handle)
        self.start: int = self._c.gguf_get_data_offset(self._handle)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._c.gguf_free(self._handle)

    def kinds(self) -> list[int]:
        """The kind of each tensor."""
        return [self.kind(i) for i in range(self.count)]

    def kind(self, i: int) -> int:
        return int(self._c.gguf_get_tensor_type(self._handle, i))

    def size(self, i: int) -> int:
        return int(self._c.gguf_get_tensor_size(self._handle, i))

    def offset(self, i: int) -> int:
        return int(self._c.gguf_get_tensor_offset(self._handle, i))

    def shape(self, i: int) -> tuple[int, int]:
        """Rows, and weights in each."""
        ne = self._c.gguf_get_tensor_ne(self._handle, i)
        return ne[1] * ne[2] * ne[3], ne[0]

    def become_q8_0(self) -> None:
        """Changes the header, not the data, to what the rewritten file will hold."""
        for i in range(self.count):
            if self.kind(i) in _DEQUANTISE:
                self._c.gguf_set_tensor_type(self._handle, self._c.gguf_get_tensor_name(self._handle, i), _Q8_0)
        self._c.gguf_set_val_u32(self._handle, b"general.file_type", _FILE_TYPE_Q8_0)

    def write_header(self, path: Path) -> None:
        if not self._c.gguf_write_to_file(self._handle, bytes(path), True):
            raise OSError(None, "llama.cpp could not write its header")


def _write(api: Api, source: _Gguf, target: Path) -> None:
    result = _Gguf(api, source.path)
    result.become_q8_0()
    result.write_header(target)
    with source.path.open("rb") as old, target.open("r+b") as new:
        start = new.seek(0, os.SEEK_END)
        # A private copy: ctypes only takes the address of memory that could be written.
        with mmap.mmap(old.fileno(), 0, access=mmap.ACCESS_COPY) as data:
            first = ctypes.c_char.from_buffer(data)
            address = ctypes.addressof(first) + source.start
            try:
                for i in range(source.count):
                    new.seek(start + result.offset(i))
                    new.write(_converted(api, source, result, i, address + source.offset(i)))
            finally:
                del first
        _pad(new)


def _converted(api: Api, source: _Gguf, result: _Gguf, i: int, address: int) -> bytes:
    if source.kind(i) == result.kind(i):
        return ctypes.string_at(address, source.size(i))
    rows, width = source.shape(i)
    weights = (ctypes.c_float * (rows * width))()
    getattr(api.c, f"dequantize_row_{_DEQUANTISE[source.kind(i)]}")(address, weights, rows * width)
    bytes_ = ctypes.create_string_buffer(result.size(i))
    api.c.ggml_quantize_chunk(_Q8_0, weights, bytes_, 0, rows, width, None)
    return bytes_.raw


def _pad(file: BinaryIO, alignment: int = 32) -> None:
    end = file.seek(0, os.SEEK_END)
    file.truncate(end + -end % alignment)
