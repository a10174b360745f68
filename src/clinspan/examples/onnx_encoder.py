"""Encoders as ONNX files, on the processor, without torch."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinspan.errors import ConfigError, MissingExtra, ModelError
from clinspan.examples.encoders import Recipe, batches, identity_of, normalised, pooled

_PLACES = ("model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx")
_BATCH_TOKENS = 256
"""Larger batches are slower on a processor: more padding, and activations that leave its cache."""
_MOST_THREADS = 4


def weights_in(folder: Path) -> Path | None:
    """The ONNX file of an encoder's folder, None where there is none."""
    return next((folder / place for place in _PLACES if (folder / place).is_file()), None)


class OnnxEncoder:
    """An encoder out of an ONNX file and a `tokenizer.json`.

    Args:
        name: see `Encoder`.
        weights: the ONNX file; what lies beside it with its name and a further ending belongs to it.
        tokenizer: the tokenizer's file.
        recipe: how its token vectors become one.
        source: see `Encoder`.

    Raises:
        MissingExtra: when the packages of the extra `encoders` are not installed.
        ModelError: when the files cannot be read, or are no encoder.
        ConfigError: when the model does not give what the pooling needs.
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
        """See `Encoder.encode`."""
        if self._recipe.lower:
            texts = [text.lower() for text in texts]
        encodings = self._tokenizer.encode_batch(list(texts))
        rows: list[Any] = [None] * len(texts)
        cut = list(batches([len(encoding.ids) for encoding in encodings], _BATCH_TOKENS))
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
