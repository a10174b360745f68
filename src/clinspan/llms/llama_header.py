"""What llama.cpp's headers declare, as far as clinspan needs it, in ctypes: of the release that pyproject.toml pins.

C structures move between releases without notice; `llama_api` verifies that they are the library's.
"""

import ctypes
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
from typing import Any

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
