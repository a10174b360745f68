"""Encoders turn texts into vectors whose dot product says how alike their meanings are; opened from disk or hub.

ONNX files run without torch, Hugging Face's folders with it.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from clinspan.errors import ConfigError, InputError, ModelError, did_you_mean
from clinspan.models import OnnxModel
from clinspan.models.hub import asked_of_hub, transformers_library
from clinspan.models.registry import path_of, sha256_of

Pooling = Literal["mean", "cls", "pooler"]
"""How a text's token vectors become one: their mean, the first of them, or the model's own pooling layer."""

_LONGEST = 512
_DECLARED: dict[str, Pooling] = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
_MODULES = frozenset({"Transformer", "Pooling", "Normalize"})


class Encoder(Protocol):
    """Turns texts into vectors.

    Attributes:
        name: as reports and `Pool.retriever` name it.
        identity: a hash of the weights and of all settings that change a vector.
        source: what `clinspan.examples.embed.open_encoder` opens it again with.
    """

    name: str
    source: str
    identity: str
    dimension: int
    pooling: Pooling

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A row for each text, `(n, dimension)`, of length 1."""
        ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the folder of an encoder is to be used.

    Attributes:
        max_tokens: what is longer is cut off.
        lower: whether texts are put into lower case first.
    """

    pooling: Pooling
    max_tokens: int
    lower: bool = False


def recipe_of(folder: Path, asked: str | None) -> Recipe:
    """The recipe that the folder's own sentence-transformers files state, or else the pooling that is asked for.

    Args:
        asked: the pooling that the user wants; None: the folder's own.

    Raises:
        ConfigError: when the folder states none and none is asked for, or states another than the one asked for, or
            has layers that are not supported.
    """
    if asked is not None and asked not in get_args(Pooling):
        raise ConfigError(f"no pooling {asked!r}", where="--pooling", fix=did_you_mean(asked, get_args(Pooling)))
    stated = _stated_pooling(folder)
    if stated and asked and stated != asked:
        raise ConfigError(
            f"--pooling {asked}, but the encoder was trained with the pooling {stated!r}",
            where=str(folder / "1_Pooling" / "config.json"),
            fix=f"Use --pooling {stated}, or leave it out.",
        )
    pooling = stated or asked
    if pooling is None:
        raise ConfigError(
            "the encoder's folder does not say how its token vectors become one",
            where=str(folder),
            expected="1_Pooling/config.json",
            fix="Say it: --pooling mean, cls or pooler, as the encoder's makers describe.",
        )
    settings = _json(folder / "sentence_bert_config.json")
    longest = settings.get("max_seq_length") or _positions(_json(folder / "config.json"))
    return Recipe(_as_pooling(pooling), min(int(longest), _LONGEST), bool(settings.get("do_lower_case")))


def _as_pooling(name: str) -> Pooling:
    return next(known for known in get_args(Pooling) if known == name)


def _stated_pooling(folder: Path) -> str | None:
    for module in _json(folder / "modules.json", []):
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind not in _MODULES:
            raise ConfigError(
                f"the encoder has a layer {kind!r} after its transformer",
                where=str(folder / "modules.json"),
                expected="one whose vectors are pooled token vectors",
            )
    path = folder / "1_Pooling" / "config.json"
    settings = _json(path)
    if not settings:
        return None
    modes = [key for key, value in settings.items() if key.startswith("pooling_mode_") and value is True]
    if isinstance(settings.get("pooling_mode"), str):
        modes = [f"pooling_mode_{settings['pooling_mode']}_token{'s' * (settings['pooling_mode'] == 'mean')}"]
    if len(modes) != 1 or modes[0] not in _DECLARED:
        raise ConfigError(
            f"the encoder's pooling {', '.join(modes)} is not supported", where=str(path), expected="mean or cls"
        )
    return _DECLARED[modes[0]]


def _positions(config: dict[str, Any]) -> int:
    positions = int(config.get("max_position_embeddings") or _LONGEST)
    # RoBERTa and its kin count positions from the padding's number on.
    return positions - 2 if positions % 64 == 2 else positions


def _json(path: Path, default: Any = None) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {} if default is None else default
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot be read: {error}", where=str(path)) from error


def identity_of(files: Iterable[Path], recipe: Recipe) -> str:
    """What tells encoders apart: a hash of their files' content and of the recipe."""
    digest = hashlib.sha256(repr(recipe).encode())
    for file in files:
        digest.update(sha256_of(file).encode())
    return digest.hexdigest()


def batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Indices in batches of about equal lengths, each of at most `tokens` tokens with its padding."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def pooled(states: NDArray[np.float32], mask: NDArray[np.int64], pooling: Pooling) -> NDArray[np.float32]:
    """A vector for each text out of those of its tokens, by their mean or the first.

    Args:
        states: `(texts, tokens, dimension)`.
        mask: `(texts, tokens)`, 1 where there is a token.
    """
    if pooling == "cls":
        return states[:, 0]
    weights = mask.astype(np.float32)
    return np.asarray(np.einsum("btd,bt->bd", states, weights) / weights.sum(1, keepdims=True))


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors at length 1; one of length 0 stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


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
        opened = OnnxModel.opened(weights, tokenizer, purpose=f"the encoder {name}")
        self.name = name
        self.source = source
        self.pooling = recipe.pooling
        self._recipe = recipe
        self._session, self._tokenizer = opened.session, opened.tokenizer
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
            "is not the folder of an encoder",
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
