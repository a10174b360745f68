"""The folder of a tuned token classifier: weights and tokenizer as transformers writes them, with a card beside them.

transformers loads the folder too (`AutoModelForTokenClassification`); what its outputs mean stands in the card.
A folder that was exported holds `model.onnx` in their place, and needs no torch.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinspan.classifier.model import OnnxClassifier, TokenClassifier, TorchClassifier
from clinspan.classifier.scheme import AttributeHead, Head, attribute_heads, heads
from clinspan.errors import InputError, MissingExtra, ModelError
from clinspan.models.registry import sha256_of

CARD_FILE = "card.json"
WEIGHTS_FILE = "model.safetensors"
ONNX_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
KIND = "token classifier"


@dataclass(frozen=True, slots=True)
class ClassifierCard:
    """What the card of a token classifier says, as far as loading it goes.

    Attributes:
        name: as reports show it.
        heads: what its outputs mean.
        attributes: what the outputs after those mean.
        file: name of the weights' file.
        sha256: of that file.
        card: all of it.
    """

    name: str
    heads: tuple[Head, ...]
    attributes: tuple[AttributeHead, ...]
    file: str
    sha256: str
    card: dict[str, Any]

    @property
    def described(self) -> bool:
        """Whether it finds what a description before the text says, rather than labels of its own."""
        return bool(self.card.get("described", False))

    @property
    def twice(self) -> bool:
        """Whether it reads each window twice, whole and sentence by sentence."""
        return bool(self.card.get("twice", False))

    @property
    def reworded(self) -> bool:
        """Whether it reads a label told in several ways, where it finds what a description says."""
        return bool(self.card.get("reworded", False))


def read_card(folder: Path) -> ClassifierCard:
    """The card in `folder`.

    Raises:
        InputError: when there is none, it lacks something or is another kind of model's.
    """
    path = folder / CARD_FILE
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if card.get("kind") != KIND:
            raise InputError(
                "is not the card of a token classifier", where=str(path), fix="Make one: clinspan tune-encoder."
            )
        known = heads(card["label_sets"])
        told = [AttributeHead(a["name"], tuple(a["values"]), tuple(a["labels"]), 0) for a in card.get("attributes", ())]
        attributes = attribute_heads(told, known[-1].end if known else 0)
        weights = card["weights"]
        return ClassifierCard(card["name"], known, attributes, weights["file"], weights["sha256"], card)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"there is no encoder in {folder}", fix=_names()) from None
    except OSError as error:
        raise InputError(
            f"the classifier's card cannot be read: {error.strerror}",
            where=str(path),
            expected="a folder made by clinspan tune-encoder",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"is not a classifier's card: {error!r}", where=str(path)) from error


def _names() -> str:
    """What a user can name who wants an encoder to find entities."""
    known = [card.name for _, card in shipped()]
    return f"Name {', '.join(known)}, or a folder made by clinspan tune-encoder."


def shipped() -> tuple[tuple[Path, ClassifierCard], ...]:
    """The classifiers that come with clinspan, with their folders, by name."""
    root = resources.files("clinspan") / "encoders"
    with resources.as_file(root) as folder:
        return tuple((card.parent, read_card(card.parent)) for card in sorted(folder.glob(f"*/{CARD_FILE}")))


def named(given: str | Path) -> Path:
    """The folder that a user means: one of his own, or by its name one that comes with clinspan."""
    path = Path(given)
    known = {card.name: folder for folder, card in shipped()}
    return path if path.exists() else known.get(str(given), path)


def for_labels(names: Collection[str]) -> Path | None:
    """The folder of the classifier that comes with clinspan and decides by default where these labels are asked for."""
    for folder, card in shipped():
        if any(set(names) == set(known) for known in card.card.get("default_for", ())):
            return folder
    return None


def for_descriptions() -> Path | None:
    """The folder of the encoder that comes with clinspan and finds what a description says."""
    return next((folder for folder, card in shipped() if card.described), None)


def calibrations(folder: Path) -> dict[str, str]:
    """What the scores of the classifier in `folder` mean: the TOML of its calibrations, by their sets of labels."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("calibration/*.toml"))}


def load(folder: Path, *, threads: int | None = None) -> tuple[ClassifierCard, TokenClassifier]:
    """The classifier in `folder`, ready to read. Fetches nothing.

    Args:
        threads: that read; as many as there are processors where None.

    Raises:
        MissingExtra: when the packages of the extra `train`, or `encoders` for one as ONNX, are not installed.
        InputError: see `read_card`.
        ModelError: when the weights are missing, damaged or not what the card describes.
    """
    card = read_card(folder)
    if card.file != ONNX_FILE:
        loaded = load_torch(folder)
        if threads is not None:
            import torch

            torch.set_num_threads(threads)
        return loaded
    check(folder, card)
    given = {"words": words(folder, card), "context": card.card["context"], "threads": threads}
    return card, OnnxClassifier(folder / card.file, tokenizer(folder, card), card.heads, card.attributes, **given)


def tokenizer(folder: Path, card: ClassifierCard) -> Path:
    """The file of the classifier's tokenizer: its own, or one beside its folder that it shares with others.

    Raises:
        ModelError: when a shared one is missing or not what the card describes.
    """
    told = card.card.get("tokenizer")
    return folder / TOKENIZER_FILE if told is None else _shared(folder, told, "tokenizer")


def words(folder: Path, card: ClassifierCard) -> Mapping[str, NDArray[Any]]:
    """The word vectors that the classifier in `folder` shares with others of its base, by the name of their tensor.

    They lie beside the folders of those who share them. Nothing where the weights' file holds its own.

    Raises:
        ModelError: when they are missing or not what the card describes.
    """
    told = card.card.get("words")
    if told is None:
        return {}
    path = _shared(folder, told, "word vectors")
    return {told["tensor"]: np.fromfile(path, dtype=told["type"]).reshape(told["shape"])}


def _shared(folder: Path, told: Mapping[str, Any], what: str) -> Path:
    path = folder.parent / str(told["file"])
    if not path.is_file():
        raise ModelError(f"a file that the classifier shares with others is missing: its {what}", where=str(path))
    if sha256_of(path) != told["sha256"]:
        raise ModelError(f"not the {what} that the card describes (checksum)", where=str(path))
    return path


def load_torch(folder: Path) -> tuple[ClassifierCard, TorchClassifier]:
    """The classifier in `folder` as transformers runs it, so that it can be trained, measured or exported.

    Raises:
        MissingExtra: when the packages of the extra `train` are not installed.
        InputError: see `read_card`.
        ModelError: when the weights are missing, damaged, not what the card describes, or exported already.
    """
    card = read_card(folder)
    if card.file == ONNX_FILE:
        raise ModelError(
            "was exported as ONNX, which transformers does not run",
            where=str(folder),
            fix="Name the folder that it was exported from.",
        )
    check(folder, card)
    try:
        import torch
        import transformers
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train", purpose="an encoder") from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model = transformers.AutoModelForTokenClassification.from_pretrained(
            str(folder), local_files_only=True, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"cannot be loaded as a token classifier: {error}", where=str(folder)) from error
    if torch.cuda.is_available():
        model = model.to("cuda")
    return card, TorchClassifier(model.eval(), tokenizer, card.heads, card.attributes)


def check(folder: Path, card: ClassifierCard) -> None:
    """Makes sure that the weights in `folder` are those that its card describes.

    Raises:
        ModelError: when they are missing or damaged.
    """
    weights = folder / card.file
    if not weights.is_file():
        raise ModelError("the classifier's weights are missing", where=str(weights))
    if sha256_of(weights) != card.sha256:
        raise ModelError("are not the weights the card describes (checksum)", where=str(weights))
