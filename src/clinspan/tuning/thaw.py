"""An encoder that was exported with 8-bit weights, as transformers reads it, so that it can be tuned further.

The weights are the 8-bit ones times their scales: what was lost in rounding stays lost.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clinspan.classifier.folder import TOKENIZER_FILE, WEIGHTS_FILE, read_card, words
from clinspan.errors import MissingExtra, ModelError
from clinspan.files import cache_folder

_QUANTISED = "MatMulInteger"
_SCOPE = "/network/"


def thawed(folder: Path) -> Path:
    """The folder of the encoder in Hugging Face's layout, made in the cache at first use.

    Args:
        folder: made by `clinspan export-encoder`.

    Raises:
        MissingExtra: when the packages of the extra `train` are not installed.
        InputError: when there is no encoder's card.
        ModelError: when the file is not laid out as `clinspan export-encoder` does it.
    """
    card = read_card(folder)
    made = cache_folder() / "encoders" / f"{card.name}-{card.sha256[:12]}"
    if (made / WEIGHTS_FILE).is_file():
        return made
    if "config" not in card.card:
        raise ModelError("does not say its configuration, so it cannot be tuned further", where=str(folder))
    try:
        from safetensors.numpy import save_file
    except ModuleNotFoundError as error:
        raise MissingExtra("safetensors", "train", purpose="tuning an encoder") from error
    weights = dict(_weights(folder / card.file, words(folder, card)))
    made.mkdir(parents=True, exist_ok=True)
    (made / "config.json").write_text(json.dumps(card.card["config"], indent=1), encoding="utf-8")
    shutil.copyfile(folder / TOKENIZER_FILE, made / TOKENIZER_FILE)
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "cls_token": "[CLS]"}
    told |= {
        "sep_token": "[SEP]",
        "unk_token": "[UNK]",
        "mask_token": "[MASK]",
        "model_max_length": card.card["context"],
    }
    (made / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    new = made / (WEIGHTS_FILE + ".new")
    save_file(weights, new, metadata={"format": "pt"})
    new.replace(made / WEIGHTS_FILE)
    return made


def _weights(path: Path, shared: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The weights by transformers' names, as fp32."""
    try:
        import onnx
        from onnx import numpy_helper
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "train", purpose="tuning an encoder that was exported") from error
    graph = onnx.load(str(path), load_external_data=False).graph
    own = (tensor for tensor in graph.initializer if tensor.name not in shared)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in own} | dict(shared)
    for name, array in stored.items():
        if name.startswith("network."):
            own = name.removeprefix("network.")
            if own.endswith("_quantized"):
                yield own.removesuffix("_quantized"), _whole(stored, name.removesuffix("_quantized"))
            elif not own.endswith(("_scale", "_zero_point")):
                yield own, array.astype(np.float32)
    found = False
    for node in graph.node:
        if node.op_type == _QUANTISED and node.name.startswith(_SCOPE):
            found = True
            scope = node.name.removeprefix(_SCOPE).removesuffix("/MatMul_quant").replace("/", ".")
            yield f"{scope}.weight", np.ascontiguousarray(_whole(stored, node.input[1].removesuffix("_quantized")).T)
    if not found:
        raise ModelError("has no 8-bit weights as clinspan export-encoder writes them", where=str(path))


def _whole(stored: Mapping[str, Any], name: str) -> Any:
    """A matrix of 8-bit numbers times its scales, one for each column or one for all."""
    numbers = stored[f"{name}_quantized"].astype(np.float32)
    zero, scale = stored[f"{name}_zero_point"].astype(np.float32), stored[f"{name}_scale"]
    return ((numbers - zero) * scale).astype(np.float32)
