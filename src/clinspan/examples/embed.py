"""Opens encoders: the registry's, a folder's, the hub's."""

from pathlib import Path

from clinspan.errors import ConfigError, InputError, MissingExtra, ModelError
from clinspan.examples import onnx_encoder, torch_encoder
from clinspan.examples.encoders import Encoder, Recipe, recipe_of
from clinspan.models.registry import path_of

MINILM = "minilm"
_MINILM_MODEL = "all-minilm-l6-v2"
_MINILM_RECIPE = Recipe("mean", 256)
LEXICAL = "lexical"
_HUB_FILES = ("*.json", "*.txt", "*.model", "1_Pooling/*")
_HUB_WEIGHTS = ("onnx/model.onnx", "model.safetensors", "pytorch_model.bin")
"""The first of them that a repository has is fetched, and no other: each may be half a gigabyte."""


def open_encoder(source: str, *, pooling: str | None = None) -> Encoder:
    """The encoder that `source` names.

    Args:
        source: `minilm`, `hf:NAME`, which may fetch it from the hub, or a folder with an ONNX file or with weights
            for transformers.
        pooling: mean, cls or pooler; None: as the folder states it.

    Raises:
        ConfigError: when the pooling is not stated, or states something else.
        InputError: when there is no such folder.
        MissingExtra: when a package is not installed.
        ModelError: when the encoder is not on this machine, or cannot be loaded.
    """
    if source == MINILM:
        if pooling not in (None, _MINILM_RECIPE.pooling):
            raise ConfigError(f"--pooling {pooling}, but {MINILM} was trained with the pooling 'mean'")
        weights, tokenizer = path_of(_MINILM_MODEL), path_of(_MINILM_MODEL, "tokenizer.json")
        return onnx_encoder.OnnxEncoder(MINILM, weights, tokenizer, _MINILM_RECIPE, source=MINILM)
    source = source if source.startswith("hf:") else str(Path(source).absolute())
    folder = _from_hub(source[3:]) if source.startswith("hf:") else Path(source)
    name = source[3:] if source.startswith("hf:") else folder.resolve().name
    if not folder.is_dir():
        raise InputError(
            "is no folder of an encoder",
            where=source,
            expected=f"{LEXICAL}, {MINILM}, hf:NAME, or a folder",
        )
    recipe = recipe_of(folder, pooling)
    exported = onnx_encoder.weights_in(folder)
    if exported is not None:
        return onnx_encoder.OnnxEncoder(name, exported, folder / "tokenizer.json", recipe, source=source)
    if not torch_encoder.weights_in(folder):
        raise InputError(
            "holds no weights", where=str(folder), expected="model.onnx, *.safetensors or pytorch_model.bin"
        )
    return torch_encoder.TorchEncoder(name, folder, recipe, source=source)


def _from_hub(name: str) -> Path:
    try:
        import huggingface_hub
        from httpx2 import HTTPError
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ModuleNotFoundError as error:
        raise MissingExtra("huggingface_hub", "hub", purpose=f"the encoder hf:{name}") from error
    try:
        there = huggingface_hub.list_repo_files(name, token=False)
        weights = next((file for file in _HUB_WEIGHTS if file in there), "*.safetensors")
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=[*_HUB_FILES, weights], token=False))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, HTTPError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"the hub did not give the encoder ({reason})",
            where=f"hf:{name}",
            fix="Or bring its folder from another machine, and name that.",
        ) from error
