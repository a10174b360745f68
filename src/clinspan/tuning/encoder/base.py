"""Loads the encoder that is tuned, from the registry, a Hugging Face folder or a hub's name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from clinspan.classifier.model import TokenClassifier
from clinspan.classifier.scheme import AttributeHead, Head, names_of
from clinspan.errors import InputError, ModelError
from clinspan.models.registry import entries, find, path_of, sha256_of

DEFAULT_ENCODER = "all-minilm-l6-v2-torch"


@dataclass(frozen=True, slots=True)
class EncoderBase:
    """An encoder before it is tuned.

    Attributes:
        name: as the card gives it.
        sha256: of the weights' file; empty for a hub's name and where there are several files.
        source: what transformers is given.
    """

    name: str
    sha256: str
    source: str

    def classifier(
        self, heads: tuple[Head, ...], attributes: tuple[AttributeHead, ...] = (), *, seed: int
    ) -> TokenClassifier:
        """The encoder with fresh outputs for these heads.

        Raises:
            ModelError: when it cannot be loaded as an encoder with a tokenizer that knows offsets.
        """
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
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
        return TokenClassifier(model, tokenizer, heads, attributes)


def find_base(where: str) -> EncoderBase:
    """The encoder that a user names.

    Args:
        where: a model of the registry, a folder in Hugging Face's layout, or `hf:NAME` for one that transformers finds
            or fetches.

    Raises:
        InputError: when nothing is there.
        ModelError: when a registered model was not pulled or is no encoder.
    """
    if where.startswith("hf:"):
        return EncoderBase(where[3:], "", where[3:])
    if where in entries():
        if find(where).kind != "encoder" or not path_of(where).name.endswith(".safetensors"):
            raise ModelError(f"{where!r} cannot be tuned as an encoder", expected=DEFAULT_ENCODER)
        for file in find(where).files:
            path_of(where, file.name)
        return EncoderBase(where, find(where).files[0].sha256, str(find(where).folder))
    folder = Path(where)
    if not (folder / "config.json").is_file():
        raise InputError(
            "is no encoder",
            where=where,
            expected="a folder in Hugging Face's layout, or a model of the registry",
            fix="A hub's name is given as hf:NAME.",
        )
    weights = sorted(folder.glob("*.safetensors"))
    return EncoderBase(folder.name, sha256_of(weights[0]) if len(weights) == 1 else "", str(folder))
