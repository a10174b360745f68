"""A model's weights in this process, which several contexts read at once."""

import ctypes
import weakref
from pathlib import Path
from typing import Any

from clinspan.errors import ModelError
from clinspan.llms.llama_api import load
from clinspan.llms.llama_header import LOAD_MODE_MMAP


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
