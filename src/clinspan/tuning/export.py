"""Tuned models as files that others load: an adapter for peft and llama.cpp, an encoder as ONNX.

llama.cpp keeps the query and key rows of the llama architectures in another order than transformers, because its
rotary embedding turns neighbouring rows instead of the two halves of a head. The rows of an adapter's B follow.
"""

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from clinspan.classifier.folder import CARD_FILE, ONNX_FILE, TOKENIZER_FILE, load_torch
from clinspan.errors import InputError, MissingExtra, ModelError, OutputError
from clinspan.models.registry import sha256_of

ADAPTER_FILE = "adapter.gguf"
README_FILE = "README.md"
_OPSET = 17
_ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "smollm3": "smollm3",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "phi3": "phi3",
}
_REORDERED = frozenset({"llama", "smollm3"})


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a base's configuration decides how its adapter is laid out in GGUF.

    Attributes:
        model_type: transformers' name of the architecture.
    """

    model_type: str
    layers: int
    heads: int
    key_heads: int

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the architecture.

        Raises:
            ModelError: when it is not one of those whose layout is known here.
        """
        if self.model_type not in _ARCHITECTURES:
            raise ModelError(
                f"no GGUF layout is known here for the architecture {self.model_type!r}",
                expected=", ".join(sorted(_ARCHITECTURES)),
                fix="The peft folder beside it serves vLLM and transformers; llama.cpp's own converter may read it.",
            )
        return _ARCHITECTURES[self.model_type]


def rotary_rows(rows: int, heads: int) -> list[int]:
    """Where llama.cpp's rows stand in transformers' order: row i of the GGUF is row `result[i]` of the original.

    Each head's two halves are interleaved: 0, n/2, 1, n/2 + 1, ...

    Raises:
        ValueError: when the rows do not divide into that many heads of an even size.
    """
    if heads < 1 or rows % (2 * heads):
        raise ValueError(f"{rows} rows do not make {heads} heads of an even size")
    size = rows // heads
    return [
        head * size + half * (size // 2) + at for head in range(heads) for at in range(size // 2) for half in (0, 1)
    ]


def to_gguf(weights: Mapping[str, Any], path: Path, *, shape: Shape, alpha: float, name: str) -> None:
    """Writes the adapter in f16.

    Args:
        weights: fp32 arrays of numpy by peft's names; A is (rank, inputs), B is (outputs, rank).
        alpha: the adapter's; llama.cpp divides it by the rank.

    Raises:
        MissingExtra: when the package gguf is not installed.
        ModelError: when the architecture or one of its matrices has no place in GGUF.
        OutputError: when the file cannot be written.
    """
    gguf, np = _packages()
    architecture = shape.architecture
    places = dict(_places(gguf, shape))
    new = path.with_name(path.name + ".new")
    try:
        writer = gguf.GGUFWriter(str(new), architecture)
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
        writer.add_name(name)
        for key, array in sorted(weights.items()):
            module, side = _module_of(key)
            place = places.get(module)
            if place is None:
                raise ModelError(f"the matrix {module!r} has no place in a GGUF file of {architecture}")
            heads = _heads(module, shape) if side == "b" else 0
            if heads:
                array = array[rotary_rows(array.shape[0], heads)]
            writer.add_tensor(f"{place}.weight.lora_{side}", np.ascontiguousarray(array, dtype=np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise OutputError(f"the adapter cannot be written: {error.strerror}", where=str(path)) from error


def from_gguf(path: Path, *, shape: Shape, alpha: float) -> dict[str, Any]:
    """The matrices of an adapter's GGUF file as fp32 arrays of numpy, by peft's names and in transformers' order.

    Args:
        alpha: what the matrices will be used with; B is scaled for it.

    Raises:
        MissingExtra: when the package gguf is not installed.
        InputError: when the file cannot be read.
        ModelError: when it is not a LoRA adapter of this architecture.
    """
    gguf, np = _packages()
    try:
        reader = gguf.GGUFReader(str(path))
    except (OSError, ValueError) as error:
        raise InputError(f"is not a GGUF file: {error}", where=str(path)) from error
    architecture = shape.architecture
    modules = {place: module for module, place in _places(gguf, shape) if module.startswith("model.layers.")}
    written = reader.get_field(gguf.Keys.Adapter.LORA_ALPHA)
    if written is None:
        raise ModelError("is not a LoRA adapter", where=str(path), expected=f"the key {gguf.Keys.Adapter.LORA_ALPHA}")
    scale = float(written.contents()) / alpha
    weights: dict[str, Any] = {}
    for tensor in reader.tensors:
        place, _, side = str(tensor.name).rpartition(".weight.lora_")
        module = modules.get(place)
        if module is None or side not in ("a", "b"):
            raise ModelError(f"its tensor {tensor.name!r} has no place in {architecture}", where=str(path))
        array = np.array(tensor.data, dtype=np.float32)
        heads = _heads(module, shape) if side == "b" else 0
        if heads:
            array = array[np.argsort(rotary_rows(array.shape[0], heads))]
        weights[f"base_model.model.{module}.lora_{side.upper()}.weight"] = array * scale if side == "b" else array
    return weights


def _packages() -> tuple[Any, Any]:
    try:
        import gguf
        import numpy
    except ModuleNotFoundError as error:
        raise MissingExtra("gguf", "train", purpose="reading or writing an adapter for llama.cpp") from error
    return gguf, numpy


def _places(gguf: Any, shape: Shape) -> list[tuple[str, str]]:
    """The base's linear layers by transformers' names, with their places in GGUF."""
    arch = next(a for a, known in gguf.MODEL_ARCH_NAMES.items() if known == shape.architecture)
    names = gguf.get_tensor_name_map(arch, shape.layers)
    modules = [
        f"model.layers.{layer}.{module}"
        for layer in range(shape.layers)
        for module in (
            "self_attn.q_proj",
            "self_attn.k_proj",
            "self_attn.v_proj",
            "self_attn.o_proj",
            "mlp.gate_proj",
            "mlp.up_proj",
            "mlp.down_proj",
        )
    ]
    return [(module, place) for module in modules if (place := names.get_name(module)) is not None]


def _heads(module: str, shape: Shape) -> int:
    """Heads into which a layer's outputs are split and reordered; 0 for one whose rows stay."""
    if shape.architecture not in _REORDERED:
        return 0
    return {"q_proj": shape.heads, "k_proj": shape.key_heads}.get(module.rpartition(".")[2], 0)


def _module_of(key: str) -> tuple[str, str]:
    """The base's module and the side, a or b, of one of peft's names."""
    module = key.removeprefix("base_model.model.")
    for side in ("A", "B"):
        for ending in (f".lora_{side}.weight", f".lora_{side}.default.weight"):
            if module.endswith(ending):
                return module.removesuffix(ending), side.lower()
    raise ModelError(f"{key!r} is not a LoRA matrix of a linear layer, and has no place in a GGUF adapter")


def encoder_to_onnx(folder: Path, output: Path, *, bits: int | None = 7) -> None:
    """Writes the encoder in `folder` as ONNX into `output`, with its tokenizer and a card that says so.

    Args:
        folder: made by `clinspan tune-encoder`.
        output: a folder that is made, or is empty.
        bits: weights as int8 by channel, activations quantised as they come (dynamic quantisation). The layers' weights
            use so many of the 8 bits: with 7 no sum of two products overflows on processors without VNNI, which may
            change scores; with fewer the file, as large and as fast, zips to less. None: fp32.

    Raises:
        ValueError: when `bits` is not from 4 to 7.
        MissingExtra: when the packages of the extra `train` are not installed.
        InputError, ModelError: when `folder` holds no encoder that can be exported.
        OutputError: when the output is not empty or cannot be written.
    """
    try:
        import onnx  # noqa: F401 - what the two below need, named here so that its absence is told
        import torch  # noqa: F401 - used by `_write_onnx`
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "onnx", "train", purpose="exporting an encoder") from error
    if bits is not None and not 4 <= bits <= 7:
        raise ValueError(f"bits={bits}: expected 4 to 7")
    card, classifier = load_torch(folder)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError("is not empty", where=str(output), fix="Name another folder.")
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output) as staging, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole, part, small = (Path(staging) / f"{name}.onnx" for name in ("whole", "part", "small"))
            if bits is not None:
                _round(classifier.model, bits)
            _write_onnx(classifier.model, whole)
            if bits is not None:
                with _only_errors():
                    quantise = partial(quantize_dynamic, weight_type=QuantType.QInt8, per_channel=True)
                    quantise(whole, part, reduce_range=True, op_types_to_quantize=["MatMul"])
                    # Word vectors are looked up, never multiplied as integers: they keep all their bits.
                    quantise(part, small, op_types_to_quantize=["Gather"])
            (whole if bits is None else small).replace(output / ONNX_FILE)
        shutil.copyfile(folder / TOKENIZER_FILE, output / TOKENIZER_FILE)
        weights = output / ONNX_FILE
        told = {"file": ONNX_FILE, "sha256": sha256_of(weights), "bytes": weights.stat().st_size}
        content = card.card | {
            "weights": told,
            "context": classifier.context,
            "precision": "fp32" if bits is None else f"int8, {bits} bits used",
            # Without the folder of this machine that it was loaded from.
            "config": {k: v for k, v in classifier.model.config.to_dict().items() if k != "_name_or_path"},
            "exported_from": card.sha256,
        }
        (output / CARD_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        said = (folder / README_FILE).read_text(encoding="utf-8")
        before = f"File: {card.file}, {card.card['weights']['bytes']} bytes, sha256 {card.sha256}."
        after = f"File: {told['file']} ({content['precision']}), {told['bytes']} bytes, sha256 {told['sha256']}."
        (output / README_FILE).write_text(said.replace(before, after), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"the encoder cannot be written: {error.strerror}", where=str(output)) from error


def _round(model: Any, bits: int) -> None:
    """Rounds each row of the layers' matrices to as many steps as a number of so many bits has, with its sign.

    The largest weight of a row stays as it is and stands for 64 in the reduced range of int8, so each step is a whole
    number there, and few of its numbers are used.
    """
    highest = 2 ** (bits - 1)
    for name, weights in model.named_parameters():
        if ".layer." in name and weights.dim() == 2:
            step = weights.data.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / highest
            weights.data = (weights.data / step).round() * step


@contextmanager
def _only_errors() -> Iterator[None]:
    """Keeps advice of the quantiser, which goes to the root logger, from the user."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _write_onnx(network: Any, path: Path) -> None:
    """Writes the network that gives logits for ids and their mask, for any number of windows and tokens."""
    import torch

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.network(input_ids=input_ids, attention_mask=attention_mask).logits
            return found

    network.set_attn_implementation("eager")
    shape = {0: "windows", 1: "tokens"}
    given = torch.ones(2, 16, dtype=torch.long)
    torch.onnx.export(
        Logits().eval(),
        (given, given),
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_axes=dict.fromkeys(("input_ids", "attention_mask", "logits"), shape),
        opset_version=_OPSET,
        dynamo=False,
    )
