"""The part of llama.cpp's C interface that clinspan drives, out of the shared object that `xllamacpp` ships.

The package's own Python interface is a server: it gives neither the logits at every position nor a way to take back
part of the context, and draft-by-copy decoding needs both. Its shared object exports the whole C interface, so the few
structures and functions needed are declared here, for the one release that pyproject.toml pins. Since C
structures move between releases without notice, their layout is verified at start through llama.cpp's own defaults,
and a library that fails is refused rather than driven into undefined behaviour. See docs/decisions/runtime.md.
"""

import ctypes
import importlib.util
import os
from collections import deque
from collections.abc import Mapping
from ctypes import (
    POINTER,
    c_bool,
    c_char_p,
    c_float,
    c_int,
    c_int8,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint32,
    c_void_p,
)
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clinspan.errors import MissingExtra, ModelError

# Bare enums are C ints; every pointer that is only handed back untouched is a void pointer.
LEVEL_WARN, LEVEL_ERROR = 3, 4
LOAD_MODE_MMAP = 1
FLASH_ATTN_DISABLED = 0
TYPE_F16 = 1

# Room after the last declared field: the C side fills in the structure it knows, which must not be larger than ours.
_TAIL = 64


class ModelParams(ctypes.Structure):
    """`struct llama_model_params`."""

    _fields_ = (
        ("devices", c_void_p),
        ("tensor_buft_overrides", c_void_p),
        ("n_gpu_layers", c_int32),
        ("split_mode", c_int),
        ("load_mode", c_int),
        ("lazy_mode", c_int),
        ("main_gpu", c_int32),
        ("tensor_split", c_void_p),
        ("progress_callback", c_void_p),
        ("progress_callback_user_data", c_void_p),
        ("kv_overrides", c_void_p),
        ("vocab_only", c_bool),
        ("check_tensors", c_bool),
        ("use_extra_bufts", c_bool),
        ("no_host", c_bool),
        ("no_alloc", c_bool),
        ("load_mtp", c_bool),
        ("tail", c_uint8 * _TAIL),
    )


class ContextParams(ctypes.Structure):
    """`struct llama_context_params`."""

    _fields_ = (
        ("n_ctx", c_uint32),
        ("n_batch", c_uint32),
        ("n_ubatch", c_uint32),
        ("n_seq_max", c_uint32),
        ("n_rs_seq", c_uint32),
        ("n_outputs_max", c_uint32),
        ("n_outputs_max_per_seq", c_uint32),
        ("n_threads", c_int32),
        ("n_threads_batch", c_int32),
        ("ctx_type", c_int),
        ("rope_scaling_type", c_int),
        ("pooling_type", c_int),
        ("attention_type", c_int),
        ("flash_attn_type", c_int),
        ("rope_freq_base", c_float),
        ("rope_freq_scale", c_float),
        ("yarn_ext_factor", c_float),
        ("yarn_attn_factor", c_float),
        ("yarn_beta_fast", c_float),
        ("yarn_beta_slow", c_float),
        ("yarn_orig_ctx", c_uint32),
        ("defrag_thold", c_float),
        ("cb_eval", c_void_p),
        ("cb_eval_user_data", c_void_p),
        ("type_k", c_int),
        ("type_v", c_int),
        # Three pointers, all null by default: the abort callback, its data, and one that this release added.
        ("callbacks", c_void_p * 3),
        ("embeddings", c_bool),
        ("offload_kqv", c_bool),
        ("no_perf", c_bool),
        ("op_offload", c_bool),
        ("swa_full", c_bool),
        ("kv_unified", c_bool),
        ("samplers", c_void_p),
        ("n_samplers", c_size_t),
        ("ctx_other", c_void_p),
        ("tail", c_uint8 * _TAIL),
    )


class Batch(ctypes.Structure):
    """`struct llama_batch`."""

    _fields_ = (
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", c_void_p),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    )


class TokenData(ctypes.Structure):
    """`struct llama_token_data`."""

    _fields_ = (("id", c_int32), ("logit", c_float), ("p", c_float))


class TokenDataArray(ctypes.Structure):
    """`struct llama_token_data_array`."""

    _fields_ = (("data", POINTER(TokenData)), ("size", c_size_t), ("selected", c_int64), ("sorted", c_bool))


class GgufInit(ctypes.Structure):
    """`struct gguf_init_params`."""

    _fields_ = (("no_alloc", c_bool), ("ctx", c_void_p))


LogCallback = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)

_P = c_void_p
SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "llama_log_set": (None, (LogCallback, _P)),
    "llama_backend_init": (None, ()),
    "llama_model_default_params": (ModelParams, ()),
    "llama_context_default_params": (ContextParams, ()),
    "llama_model_load_from_file": (_P, (c_char_p, ModelParams)),
    "llama_model_free": (None, (_P,)),
    "llama_init_from_model": (_P, (_P, ContextParams)),
    "llama_free": (None, (_P,)),
    "llama_model_get_vocab": (_P, (_P,)),
    "llama_model_chat_template": (c_char_p, (_P, c_char_p)),
    "llama_model_meta_val_str": (c_int32, (_P, c_char_p, c_char_p, c_size_t)),
    "llama_model_n_ctx_train": (c_int32, (_P,)),
    "llama_model_is_recurrent": (c_bool, (_P,)),
    "llama_model_is_hybrid": (c_bool, (_P,)),
    "llama_model_ftype": (c_int, (_P,)),
    "llama_ftype_name": (c_char_p, (c_int,)),
    "llama_n_ctx": (c_uint32, (_P,)),
    "llama_set_n_threads": (None, (_P, c_int32, c_int32)),
    "llama_get_memory": (_P, (_P,)),
    "llama_memory_seq_rm": (c_bool, (_P, c_int32, c_int32, c_int32)),
    "llama_memory_clear": (None, (_P, c_bool)),
    "llama_batch_init": (Batch, (c_int32, c_int32, c_int32)),
    "llama_batch_free": (None, (Batch,)),
    "llama_decode": (c_int32, (_P, Batch)),
    "llama_get_logits_ith": (POINTER(c_float), (_P, c_int32)),
    "llama_vocab_n_tokens": (c_int32, (_P,)),
    "llama_vocab_bos": (c_int32, (_P,)),
    "llama_vocab_eos": (c_int32, (_P,)),
    "llama_vocab_get_add_bos": (c_bool, (_P,)),
    "llama_vocab_get_text": (c_char_p, (_P, c_int32)),
    "llama_vocab_is_eog": (c_bool, (_P, c_int32)),
    "llama_tokenize": (c_int32, (_P, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool)),
    "llama_token_to_piece": (c_int32, (_P, c_int32, c_char_p, c_int32, c_int32, c_bool)),
    "llama_adapter_lora_init": (_P, (_P, c_char_p)),
    "llama_adapter_lora_free": (None, (_P,)),
    "llama_set_adapters_lora": (c_int32, (_P, POINTER(_P), c_size_t, POINTER(c_float))),
    "llama_sampler_init_greedy": (_P, ()),
    "llama_sampler_init_grammar": (_P, (_P, c_char_p, c_char_p)),
    "llama_sampler_sample": (c_int32, (_P, _P, c_int32)),
    "llama_sampler_apply": (None, (_P, POINTER(TokenDataArray))),
    "llama_sampler_accept": (None, (_P, c_int32)),
    "llama_sampler_free": (None, (_P,)),
    "gguf_init_from_file": (_P, (c_char_p, GgufInit)),
    "gguf_free": (None, (_P,)),
    "gguf_get_n_tensors": (c_int64, (_P,)),
    "gguf_get_tensor_name": (c_char_p, (_P, c_int64)),
    "gguf_get_tensor_type": (c_int, (_P, c_int64)),
    "gguf_get_tensor_size": (c_size_t, (_P, c_int64)),
    "gguf_get_tensor_offset": (c_size_t, (_P, c_int64)),
    "gguf_get_tensor_ne": (POINTER(c_int64), (_P, c_int64)),
    "gguf_get_data_offset": (c_size_t, (_P,)),
    "gguf_set_tensor_type": (None, (_P, c_char_p, c_int)),
    "gguf_set_val_u32": (None, (_P, c_char_p, c_uint32)),
    "gguf_write_to_file": (c_bool, (_P, c_char_p, c_bool)),
    "ggml_quantize_chunk": (c_size_t, (c_int, _P, _P, c_int64, c_int64, c_int64, _P)),
    **{
        f"dequantize_row_{kind}": (None, (_P, _P, c_int64))
        for kind in ("q4_0", "q4_1", "q5_0", "q5_1", "q4_K", "q5_K", "q6_K")
    },
}


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
