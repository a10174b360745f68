"""The part of llama.cpp's C interface that clinspan drives, out of the shared object that `xllamacpp` ships.

The package's own Python interface is a server: it gives neither the logits at every position nor a way to take back
part of the context, and draft-by-copy decoding needs both. Its shared object exports the whole C interface, so the few
structures and functions needed are declared in `llama_header`, for the one release that pyproject.toml pins. Since C
structures move between releases without notice, their layout is verified at start through llama.cpp's own defaults,
and a library that fails is refused rather than driven into undefined behaviour. See docs/decisions/runtime.md.
"""

import ctypes
import importlib.util
import os
from collections import deque
from collections.abc import Mapping
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clinspan.errors import MissingExtra, ModelError
from clinspan.llms.llama_header import (
    LEVEL_ERROR,
    LEVEL_WARN,
    SIGNATURES,
    TYPE_F16,
    ContextParams,
    LogCallback,
    ModelParams,
)

PACKAGE = "xllamacpp"
VERSION = "2026.10.11549"
_PURPOSE = "running a model in this process"

# What llama.cpp's own defaults read as when the declared layout is the library's: values spread over both structures,
# chosen to differ from their neighbours so that a moved field cannot pass for another.
_MODEL_DEFAULTS = {"n_gpu_layers": -1, "split_mode": 1, "load_mode": -1, "lazy_mode": 1, "use_extra_bufts": True}
_CONTEXT_DEFAULTS = {
    "n_ctx": 512,
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_seq_max": 1,
    "n_outputs_max_per_seq": 1,
    "n_threads": 4,
    "rope_scaling_type": -1,
    "flash_attn_type": -1,
    "rope_freq_base": 0.0,
    "yarn_ext_factor": -1.0,
    "defrag_thold": -1.0,
    "type_k": TYPE_F16,
    "type_v": TYPE_F16,
    "embeddings": False,
    "offload_kqv": True,
    "no_perf": True,
    "op_offload": True,
    "swa_full": True,
    "kv_unified": False,
}


class Api:
    """llama.cpp's functions, each with its C signature, and the last complaints it logged."""

    def __init__(self, library: ctypes.CDLL, path: Path) -> None:
        for name, (result, arguments) in SIGNATURES.items():
            try:
                function = getattr(library, name)
            except AttributeError as error:
                raise _unfit(path, f"it has no function {name}") from error
            function.restype, function.argtypes = result, arguments
        self.c: Any = library
        self.complaints: deque[str] = deque(maxlen=5)
        # Kept on the object: ctypes does not hold callbacks that C code may call later.
        self._log = LogCallback(self._heard)
        verify_layout(library.llama_model_default_params(), _MODEL_DEFAULTS, path)
        verify_layout(library.llama_context_default_params(), _CONTEXT_DEFAULTS, path)
        library.llama_log_set(self._log, None)
        library.llama_backend_init()

    def _heard(self, level: int, text: bytes, _data: object) -> None:
        if level in (LEVEL_WARN, LEVEL_ERROR):
            self.complaints.append(text.decode("utf-8", errors="replace").strip())

    def complaint(self) -> str:
        """What llama.cpp logged last as an error or a warning."""
        return self.complaints[-1] if self.complaints else "llama.cpp gave no reason"


def verify_layout(defaults: ModelParams | ContextParams, expected: Mapping[str, object], path: Path) -> None:
    """Compares a structure that the library filled with what its defaults are known to be.

    Raises:
        ModelError: when a field reads otherwise, so that the layout declared here is not the library's.
    """
    for name, value in expected.items():
        if getattr(defaults, name) != value:
            kind = type(defaults).__name__
            raise _unfit(path, f"{kind}.{name} reads {getattr(defaults, name)!r} instead of {value!r}")


def _unfit(path: Path, why: str) -> ModelError:
    return ModelError(
        f"this build of llama.cpp cannot be driven: {why}",
        where=str(path),
        expected=f"{PACKAGE} {VERSION}",
        fix=f"Install the release clinspan was built for: pip install '{PACKAGE}=={VERSION}'",
    )


@cache
def load() -> Api:
    """llama.cpp, loaded once a process.

    Raises:
        MissingExtra: when the package that ships it is not installed.
        ModelError: when it is another release than the one declared here, or its structures differ.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise MissingExtra(PACKAGE, "embedded", purpose=_PURPOSE)
    folder = Path(found.submodule_search_locations[0])
    if version(PACKAGE) != VERSION:
        raise _unfit(folder, f"it is {PACKAGE} {version(PACKAGE)}")
    names = [folder / f"{PACKAGE}{suffix}" for suffix in EXTENSION_SUFFIXES]
    path = next((name for name in names if name.exists()), None)
    if path is None:
        raise _unfit(folder, "its shared object is not there")
    # OpenMP's threads spin at every barrier while they wait for each other, for milliseconds by default: beside a busy
    # neighbour that costs a factor of ten and more, and short spins cost a quiet machine next to nothing
    # (docs/decisions/runtime.md). The runtime reads its environment when it is loaded; the user's own word stands.
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "1000"
    # The object is loaded without importing the package: the import would start its server's machinery.
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise _unfit(path, f"it does not load ({error})") from error
    return Api(library, path)
