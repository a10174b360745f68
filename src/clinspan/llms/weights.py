"""A model's weights in this process, which several contexts read at once."""

import ctypes
import mmap
import os
import tempfile
import weakref
from pathlib import Path
from typing import Any, BinaryIO

from clinspan.errors import ModelError
from clinspan.files import cache_folder
from clinspan.llms.llama_api import LOAD_MODE_MMAP, Api, GgufInit, load


class Weights:
    """A GGUF model and the adapter put on it, memory-mapped. Freed when the last context over it is.

    Args:
        path: the GGUF file.
        adapter: a LoRA adapter in GGUF.
        adapter_scale: its weight; 1 is as trained.

    Attributes:
        path: the GGUF file.
        api: llama.cpp.
        handle: the model, as llama.cpp knows it.

    Raises:
        MissingExtra: when llama.cpp is not installed.
        ModelError: when a file cannot be loaded.
    """

    def __init__(self, path: Path, *, adapter: Path | None = None, adapter_scale: float = 1.0) -> None:
        self.path = path
        self.api = load()
        check_file(path)
        params = self.api.c.llama_model_default_params()
        params.n_gpu_layers = 0
        params.load_mode = LOAD_MODE_MMAP
        model = self.api.c.llama_model_load_from_file(bytes(path), params)
        if not model:
            raise ModelError(f"llama.cpp cannot load it: {self.api.complaint()}", where=str(path))
        self.handle = int(model)
        # Also at exit, where finalizers run last made first: contexts before their weights.
        self._finalizer = weakref.finalize(self, self.api.c.llama_model_free, self.handle)
        self._contexts = 0
        self._adapter_path, self._adapter_scale = adapter, adapter_scale
        # Adapters are freed with their model.
        self._adapter = None if adapter is None else self._load_adapter(adapter)

    def _load_adapter(self, path: Path) -> int:
        check_file(path)
        adapter = self.api.c.llama_adapter_lora_init(self.handle, bytes(path))
        if not adapter:
            raise ModelError(f"is not an adapter for this model: {self.api.complaint()}", where=str(path))
        return int(adapter)

    def open(self, params: Any) -> int:
        """A context over the weights, with their adapter, to be given back by `close`.

        Args:
            params: llama.cpp's own structure of a context's parameters.

        Raises:
            ModelError: when it cannot be made.
        """
        c = self.api.c
        context = c.llama_init_from_model(self.handle, params)
        if not context:
            what = f"no context of {params.n_ctx} tokens: {self.api.complaint()}"
            raise ModelError(what, where=str(self.path))
        if self._adapter is not None:
            array = (ctypes.c_void_p * 1)(self._adapter)
            if c.llama_set_adapters_lora(context, array, 1, (ctypes.c_float * 1)(self._adapter_scale)):
                c.llama_free(context)
                what = f"cannot be applied to this model: {self.api.complaint()}"
                raise ModelError(what, where=str(self._adapter_path))
        self._contexts += 1
        return int(context)

    def close(self, context: int) -> None:
        """Frees a context, and the weights with the last one."""
        self.api.c.llama_free(context)
        self._contexts -= 1
        if not self._contexts:
            self._finalizer()


def check_file(path: Path) -> None:
    """Refuses what is no GGUF file.

    Raises:
        ModelError: when it is not there or is something else.
    """
    if not path.is_file():
        raise ModelError("there is no such file", where=str(path))
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ModelError("is not a GGUF file", where=str(path))


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
