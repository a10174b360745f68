"""Encoders that run: ONNX files without torch, Hugging Face's folders with it, opened by name from disk or hub."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinspan.errors import ConfigError, InputError, MissingExtra, ModelError
from clinspan.examples.encoders import Encoder, Recipe, batches, identity_of, normalised, pooled, recipe_of
from clinspan.models.hub import asked_of_hub, transformers_library
from clinspan.models.registry import path_of

MINILM = "minilm"
_MINILM_MODEL = "all-minilm-l6-v2"
_MINILM_RECIPE = Recipe("mean", 256)
LEXICAL = "lexical"
_HUB_FILES = ("*.json", "*.txt", "*.model", "1_Pooling/*")
_HUB_WEIGHTS = ("onnx/model.onnx", "model.safetensors", "pytorch_model.bin")
"""The first of them that a repository has is fetched, and no other: each may be half a gigabyte."""

_PLACES = ("model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx")
_ONNX_BATCH = 256
"""Larger batches are slower on a processor: more padding, and activations that leave its cache."""
_MOST_THREADS = 4


def _onnx_weights(folder: Path) -> Path | None:
    """The ONNX file of an encoder's folder, None where there is none."""
    return next((folder / place for place in _PLACES if (folder / place).is_file()), None)


class _OnnxEncoder:
    """An encoder out of an ONNX file and a `tokenizer.json`.

    Args:
        weights: the ONNX file; what lies beside it with its name and a further ending belongs to it.
    """

    def __init__(self, name: str, weights: Path, tokenizer: Path, recipe: Recipe, *, source: str):
        try:
            import onnxruntime
            import tokenizers
            from onnxruntime.capi import onnxruntime_pybind11_state as faults
        except ModuleNotFoundError as error:
            raise MissingExtra(error.name or "onnxruntime", "encoders", purpose=f"the encoder {name}") from error
        self.name = name
        self.source = source
        self.pooling = recipe.pooling
        self._recipe = recipe
        if not tokenizer.is_file():
            raise ModelError("has no tokenizer.json", where=str(tokenizer.parent))
        options = onnxruntime.SessionOptions()
        # Batches side by side, one thread each: threads that share a small batch mostly wait for one another.
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        except (faults.Fail, faults.InvalidGraph, faults.InvalidProtobuf, faults.NotImplemented) as error:
            raise ModelError(f"is no ONNX model that can be run: {error}", where=str(weights)) from error
        self._tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(recipe.max_tokens)
        self._inputs = {item.name for item in self._session.get_inputs()}
        self._output = self._choose_output(weights)
        beside = sorted(weights.parent.glob(f"{weights.name}?*"))
        self.identity = identity_of([weights, *beside, tokenizer], recipe)
        self.dimension = int(self.encode(["dimension"]).shape[1])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._recipe.lower:
            texts = [text.lower() for text in texts]
        encodings = self._tokenizer.encode_batch(list(texts))
        rows: list[Any] = [None] * len(texts)
        cut = list(batches([len(encoding.ids) for encoding in encodings], _ONNX_BATCH))
        asked = [[encodings[index].ids for index in batch] for batch in cut]
        with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as threads:
            for batch, found in zip(cut, threads.map(self._run, asked), strict=True):
                for index, row in zip(batch, found, strict=True):
                    rows[index] = row
        return normalised(np.stack(rows)) if rows else np.empty((0, self.dimension), np.float32)

    def _run(self, batch: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        ids = np.zeros((len(batch), max(map(len, batch))), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (found,) = self._session.run([self._output], {k: v for k, v in given.items() if k in self._inputs})
        states = np.asarray(found, np.float32)
        return states if states.ndim == 2 else pooled(states, mask, self._recipe.pooling)

    def _choose_output(self, weights: Path) -> str:
        """The output that the pooling needs: token vectors, or the pooling layer's own."""
        ranks: dict[str, int] = {item.name: len(item.shape) for item in self._session.get_outputs()}
        if self._recipe.pooling == "pooler":
            chosen = next((name for name, rank in ranks.items() if rank == 2 and "pool" in name), None)
        else:
            chosen = next((name for name, rank in ranks.items() if rank == 3), None)
        if chosen is None or "input_ids" not in self._inputs:
            raise ConfigError(
                f"the model has the inputs {', '.join(sorted(self._inputs))} and the outputs {', '.join(ranks)}",
                where=str(weights),
                expected=f"input_ids, and what the pooling {self._recipe.pooling!r} is made of",
            )
        return chosen


_TORCH_BATCH = 2048
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


def _torch_weights(folder: Path) -> list[Path]:
    """The weights of a folder in Hugging Face's layout, in the first of the forms in which it has any."""
    return next((found for pattern in _WEIGHTS if (found := sorted(folder.glob(pattern)))), [])


class _TorchEncoder:
    """An encoder that transformers loads from a folder."""

    def __init__(self, name: str, folder: Path, recipe: Recipe, *, source: str):
        torch, transformers = transformers_library(f"the encoder {name}")
        self.name = name
        self.source = source
        self.pooling = recipe.pooling
        self._recipe = recipe
        self._torch = torch
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model, report = transformers.AutoModel.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(f"cannot be loaded as an encoder: {error}", where=str(folder)) from error
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model.eval().to(self._device)
        if recipe.pooling == "pooler":
            # Without weights for it transformers makes a layer of random ones, whose vectors mean nothing.
            trained = not any("pooler" in key for key in report["missing_keys"])
            if getattr(self._model, "pooler", None) is None or not trained:
                raise ConfigError(
                    "the encoder has no pooling layer of its own",
                    where=str(folder),
                    fix="Use --pooling mean or cls, as its makers describe.",
                )
        tokenizer = [path for path in (folder / "tokenizer.json", folder / "vocab.txt") if path.is_file()]
        self.identity = identity_of([folder / "config.json", *_torch_weights(folder), *tokenizer], recipe)
        self.dimension = int(self._model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._recipe.lower:
            texts = [text.lower() for text in texts]
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        ids = self._tokenizer(list(texts), truncation=True, max_length=self._recipe.max_tokens)["input_ids"]
        rows = np.empty((len(texts), self.dimension), np.float32)
        for batch in batches([len(tokens) for tokens in ids], _TORCH_BATCH):
            rows[batch] = self._run([texts[index] for index in batch])
        return normalised(rows)

    def _run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        inputs: Any = self._tokenizer(
            list(texts), truncation=True, max_length=self._recipe.max_tokens, padding=True, return_tensors="pt"
        ).to(self._device)
        with self._torch.inference_mode():
            output = self._model(**inputs)
        if self._recipe.pooling == "pooler":
            return np.asarray(output.pooler_output.float().cpu().numpy())
        mask = inputs["attention_mask"].cpu().numpy()
        return pooled(output.last_hidden_state.float().cpu().numpy(), mask, self._recipe.pooling)


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
        return _OnnxEncoder(MINILM, weights, tokenizer, _MINILM_RECIPE, source=MINILM)
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
    exported = _onnx_weights(folder)
    if exported is not None:
        return _OnnxEncoder(name, exported, folder / "tokenizer.json", recipe, source=source)
    if not _torch_weights(folder):
        raise InputError(
            "holds no weights", where=str(folder), expected="model.onnx, *.safetensors or pytorch_model.bin"
        )
    return _TorchEncoder(name, folder, recipe, source=source)


def _from_hub(name: str) -> Path:
    fix = "Or bring its folder from another machine, and name that."
    with asked_of_hub("the encoder", purpose=f"the encoder hf:{name}", where=f"hf:{name}", fix=fix) as hub:
        there = hub.list_repo_files(name, token=False)
        weights = next((file for file in _HUB_WEIGHTS if file in there), "*.safetensors")
        return Path(hub.snapshot_download(name, allow_patterns=[*_HUB_FILES, weights], token=False))
