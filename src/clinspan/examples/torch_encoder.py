"""Encoders in Hugging Face's layout, through transformers and torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinspan.errors import ConfigError, MissingExtra, ModelError
from clinspan.examples.encoders import Recipe, batches, identity_of, normalised, pooled

_BATCH_TOKENS = 2048
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


def weights_in(folder: Path) -> list[Path]:
    """The weights of a folder in Hugging Face's layout, in the first of the forms in which it has any."""
    return next((found for pattern in _WEIGHTS if (found := sorted(folder.glob(pattern)))), [])


class TorchEncoder:
    """An encoder that transformers loads from a folder.

    Args:
        name: see `Encoder`.
        folder: with configuration, weights and tokenizer.
        recipe: how its token vectors become one.
        source: see `Encoder`.

    Raises:
        MissingExtra: when torch or transformers is not installed.
        ModelError: when the folder cannot be loaded.
        ConfigError: when the model has no pooling layer and the pooling needs one.
    """

    def __init__(self, name: str, folder: Path, recipe: Recipe, *, source: str):
        try:
            import torch
            import transformers
        except ModuleNotFoundError as error:
            raise MissingExtra(error.name or "torch", "train", purpose=f"the encoder {name}") from error
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
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
        self.identity = identity_of([folder / "config.json", *weights_in(folder), *tokenizer], recipe)
        self.dimension = int(self._model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Encoder.encode`."""
        if self._recipe.lower:
            texts = [text.lower() for text in texts]
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        ids = self._tokenizer(list(texts), truncation=True, max_length=self._recipe.max_tokens)["input_ids"]
        rows = np.empty((len(texts), self.dimension), np.float32)
        for batch in batches([len(tokens) for tokens in ids], _BATCH_TOKENS):
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
