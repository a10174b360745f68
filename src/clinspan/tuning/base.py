"""Loads the model that is tuned with its tokenizer: a causal language model, or an encoder.

An encoder that was exported with 8-bit weights is tuned further from these times their scales: what was lost in
rounding stays lost.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from clinspan.classifier.folder import ONNX_FILE, TOKENIZER_FILE, WEIGHTS_FILE, read_card, shipped, tokenizer, words
from clinspan.classifier.model import TorchClassifier
from clinspan.classifier.scheme import AttributeHead, Head, names_of
from clinspan.errors import ConfigError, InputError, MissingExtra, ModelError
from clinspan.files import cache_folder
from clinspan.llms.chat import HuggingFaceTokenizer
from clinspan.models.hub import transformers_library
from clinspan.models.registry import entries, find, path_of, sha256_of
from clinspan.tuning.export import Shape

_QUANTISED = "MatMulInteger"
_EXPORTED = "network"
"""What `clinspan export-encoder` calls the network in its graph."""
_UNNAMED = "onnx::"
"""Begins the names that the exporter gives to matrices; their nodes tell which they are."""


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
    made = _place(card.name, card.sha256)
    if (made / WEIGHTS_FILE).is_file():
        return made
    if "config" not in card.card:
        raise ModelError("does not say its configuration, so it cannot be tuned further", where=str(folder))
    weights = _weights(folder / card.file, words(folder, card), _EXPORTED)
    _write(made, weights, card.card["config"], tokenizer(folder, card), context=card.card["context"])
    return made


def _thawed_base(name: str) -> Path:
    """The folder, in Hugging Face's layout, of a registered encoder whose weights are 8-bit ONNX.

    Raises:
        MissingExtra: when the packages of the extra `train` are not installed.
        ModelError: when it was not pulled, or is not laid out as transformers' exporter does it.
    """
    weights, config, tokenizer = (path_of(name, file) for file in (ONNX_FILE, "config.json", TOKENIZER_FILE))
    made = _place(name, find(name).files[0].sha256)
    if not (made / WEIGHTS_FILE).is_file():
        told = json.loads(config.read_text(encoding="utf-8"))
        _write(made, _weights(weights, {}, ""), told, tokenizer, context=told["max_position_embeddings"])
    return made


def _place(name: str, sha256: str) -> Path:
    return cache_folder() / "encoders" / f"{name}-{sha256[:12]}"


def _write(
    made: Path, weights: Iterator[tuple[str, Any]], config: Mapping[str, Any], tokenizer: Path, *, context: int
) -> None:
    try:
        from safetensors.numpy import save_file
    except ModuleNotFoundError as error:
        raise MissingExtra("safetensors", "train", purpose="tuning an encoder") from error
    whole = dict(weights)
    made.mkdir(parents=True, exist_ok=True)
    (made / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    shutil.copyfile(tokenizer, made / TOKENIZER_FILE)
    told: dict[str, object] = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "cls_token": "[CLS]"}
    told |= {"sep_token": "[SEP]", "unk_token": "[UNK]", "mask_token": "[MASK]", "model_max_length": context}
    (made / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    new = made / (WEIGHTS_FILE + ".new")
    save_file(whole, new, metadata={"format": "pt"})
    new.replace(made / WEIGHTS_FILE)


def _weights(path: Path, shared: Mapping[str, Any], module: str) -> Iterator[tuple[str, Any]]:
    """The weights by transformers' names, as fp32.

    Args:
        module: that the network was exported as a part of; empty for itself.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "train", purpose="tuning an encoder that was exported") from error
    graph = onnx.load(str(path), load_external_data=False).graph
    own = (tensor for tensor in graph.initializer if tensor.name not in shared)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in own} | dict(shared)
    prefix, scope = (f"{module}.", f"/{module}/") if module else ("", "/")
    for name, array in stored.items():
        if name.startswith(prefix) and not name.startswith(_UNNAMED):
            own = name.removeprefix(prefix)
            if own.endswith("_quantized"):
                yield own.removesuffix("_quantized"), _whole(stored, name.removesuffix("_quantized"))
            elif not own.endswith(("_scale", "_zero_point")):
                yield own, array.astype(np.float32)
    found = False
    for node in graph.node:
        if node.op_type == _QUANTISED and node.name.startswith(scope):
            found = True
            layer = node.name.removeprefix(scope).removesuffix("/MatMul_quant").replace("/", ".")
            yield f"{layer}.weight", np.ascontiguousarray(_whole(stored, node.input[1].removesuffix("_quantized")).T)
    if not found:
        raise ModelError("has no 8-bit weights as exporters of clinspan and transformers write them", where=str(path))


def _whole(stored: Mapping[str, Any], name: str) -> Any:
    """A matrix of 8-bit numbers times its scales, one for each column or one for all."""
    numbers = stored[f"{name}_quantized"].astype(np.float32)
    zero, scale = stored[f"{name}_zero_point"].astype(np.float32), stored[f"{name}_scale"]
    return ((numbers - zero) * scale).astype(np.float32)


DEFAULT_ENCODER, STRONGER = "all-minilm-l6-v2-torch", "bge-small-en-v1.5"


@dataclass(frozen=True, slots=True)
class Base:
    """A model ready to be tuned.

    Attributes:
        sha256: of the GGUF file; of config.json and the weights' files one after the other for a folder; empty for a
            hub's name.
    """

    name: str
    sha256: str
    model: Any
    tokenizer: HuggingFaceTokenizer
    context: int
    shape: Shape


def load_base(
    where: str | Path, *, name: str | None = None, bfloat16: bool | None = None, four_bit: bool = False
) -> Base:
    """Loads a base for tuning.

    Args:
        where: a GGUF file, a folder in Hugging Face's layout, or `hf:NAME` for one that transformers finds or fetches.
        name: as the card gives it; the file's, folder's or repository's name when None.
        bfloat16: hold the weights in bf16; where the processor is fast in it when None.
        four_bit: hold the projections in four bits (NF4 by bitsandbytes; QLoRA, Dettmers et al. 2023), for bases that
            do not fit otherwise; not for GGUF files, which transformers has to dequantise.

    Raises:
        MissingExtra: when the packages of the extra `train`, or `qlora`, are not installed.
        ConfigError: when a GGUF file is wanted in four bits.
        InputError: when nothing is there.
        ModelError: when it cannot be loaded as a causal language model with a chat template.
    """
    torch, transformers = _packages()
    source, options, sha256 = _source(where)
    if four_bit and "gguf_file" in options:
        raise ConfigError("a GGUF base cannot be held in four bits", expected="a folder of Hugging Face's, or hf:NAME")
    if bfloat16 is None:
        bfloat16 = fast_in_bfloat16()
    # Rows of attention weights are short here, and on processors the plain implementation is then the faster one.
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    placed = _four_bit(dtype) if four_bit else {}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, attn_implementation=attention, **options, **placed
        )
    except (OSError, ValueError, KeyError, RuntimeError, NotImplementedError) as error:
        raise ModelError(f"cannot be loaded as a causal language model: {error}", where=str(where)) from error
    if torch.cuda.is_available() and not four_bit:
        model = model.to("cuda")
    if not isinstance(tokenizer.chat_template, str):
        raise ModelError("has no chat template", where=str(where), expected="an instruction-tuned chat model")
    config = model.config
    shape = Shape(
        config.model_type,
        config.num_hidden_layers,
        config.num_attention_heads,
        getattr(config, "num_key_value_heads", None) or config.num_attention_heads,
    )
    context = int(getattr(config, "max_position_embeddings", None) or 2048)
    shown = name or str(where).removeprefix("hf:").rstrip("/").split("/")[-1]
    return Base(shown, sha256, model, HuggingFaceTokenizer(tokenizer), context, shape)


def _four_bit(dtype: Any) -> dict[str, Any]:
    """What transformers needs to know to load a model in four bits, onto this process's own device."""
    if find_spec("bitsandbytes") is None:
        raise MissingExtra("bitsandbytes", "qlora", purpose="tuning over a base in four bits")
    torch, transformers = _packages()
    kept = transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    # `parallel.join` has made this process's device the current one.
    device = torch.cuda.current_device() if torch.cuda.is_available() else "cpu"
    return {"quantization_config": kept, "device_map": {"": device}}


def _source(where: str | Path) -> tuple[str, dict[str, str], str]:
    """What transformers is given, with the options, and the checksum."""
    if isinstance(where, str) and where.startswith("hf:"):
        return where[3:], {}, ""
    path = Path(where)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise InputError("holds no config.json", where=str(path), expected="a model in Hugging Face's layout")
        weights = sorted(path.glob("*.safetensors"))
        digests = [sha256_of(file) for file in (path / "config.json", *weights)]
        return str(path), {}, digests[-1] if len(digests) == 2 else "+".join(digests)
    if not path.is_file():
        raise InputError(
            "is neither a GGUF file nor a folder", where=str(path), fix="A hub's name is given as hf:NAME."
        )
    return str(path.parent), {"gguf_file": path.name}, sha256_of(path)


@dataclass(frozen=True, slots=True)
class EncoderBase:
    """An encoder before it is tuned.

    Attributes:
        sha256: of the weights' file; empty for a hub's name and where there are several files.
    """

    name: str
    sha256: str
    source: str

    def classifier(
        self, heads: tuple[Head, ...], attributes: tuple[AttributeHead, ...] = (), *, seed: int
    ) -> TorchClassifier:
        """The encoder with fresh outputs for these heads.

        Raises:
            ModelError: when it cannot be loaded as an encoder with a tokenizer that knows offsets.
        """
        torch, transformers = _packages()
        names = names_of(heads, attributes)
        torch.manual_seed(seed)
        options: dict[str, Any] = {
            "id2label": dict(enumerate(names)),
            "label2id": {name: i for i, name in enumerate(names)},
            "num_labels": len(names),
        }
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(self.source, use_fast=True)
            model = transformers.AutoModelForTokenClassification.from_pretrained(
                self.source, dtype=torch.float32, ignore_mismatched_sizes=True, **options
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(f"cannot be loaded as an encoder: {error}", where=self.name) from error
        return TorchClassifier(model, tokenizer, heads, attributes)


def find_base(where: str) -> EncoderBase:
    """The encoder that a user names.

    Args:
        where: a model of the registry, the name of an encoder that comes with clinspan, a folder in Hugging Face's
            layout, or `hf:NAME` for one that transformers finds or fetches.

    Raises:
        InputError: when nothing is there.
        ModelError: when a registered model was not pulled or is not an encoder.
    """
    if where.startswith("hf:"):
        return EncoderBase(where[3:], "", where[3:])
    if where in entries():
        if find(where).kind != "encoder" or "config.json" not in {file.name for file in find(where).files}:
            raise ModelError(f"{where!r} cannot be tuned as an encoder", expected=f"{DEFAULT_ENCODER}, {STRONGER}")
        if path_of(where).name == ONNX_FILE:
            return EncoderBase(where, find(where).files[0].sha256, str(_thawed_base(where)))
        for file in find(where).files:
            path_of(where, file.name)
        return EncoderBase(where, find(where).files[0].sha256, str(find(where).folder))
    for exported, card in shipped():
        if where == card.name:
            return EncoderBase(where, card.sha256, str(thawed(exported)))
    folder = Path(where)
    if not (folder / "config.json").is_file():
        raise InputError(
            "is not an encoder",
            where=where,
            expected="a folder in Hugging Face's layout, or a model of the registry",
            fix="A hub's name is given as hf:NAME.",
        )
    weights = sorted(folder.glob("*.safetensors"))
    return EncoderBase(folder.name, sha256_of(weights[0]) if len(weights) == 1 else "", str(folder))


def fast_in_bfloat16() -> bool:
    """Whether the processor, or the GPU, computes in bf16 itself."""
    torch, _ = _packages()
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


_packages = partial(transformers_library, "tuning")
