"""Encoders turn texts into vectors whose dot product says how alike their meanings are: the contract and its terms."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from clinspan.errors import ConfigError, ModelError, did_you_mean
from clinspan.models.registry import sha256_of

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
