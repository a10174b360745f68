"""The card of a tuned encoder: what it marks, what it learned from, how well it does and where it ends."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from clinspan.classifier.folder import CARD_FILE, KIND, WEIGHTS_FILE
from clinspan.errors import OutputError
from clinspan.models.registry import sha256_of

README_FILE = "README.md"
LIMITS = (
    "It marks what its corpora's annotators marked, in the kind of text they read; other text needs a check on gold.",
    "It neither nests mentions nor marks discontinuous ones.",
    "It reads a sentence at a time, without the rest of the note, a dictionary or instructions.",
    "Its scores are probabilities only after `clinspan calibrate` on documents like yours.",
)


@dataclass(frozen=True, slots=True)
class EncoderCard:
    """All that is written down about a tuned encoder.

    Attributes:
        name: of the classifier.
        base: its name and sha256.
        label_sets: the labels of each head, in the order of the model's outputs.
        attributes: name, values and labels of each attribute, whose outputs follow.
        parameters: how many weights it has.
        data: a row for each corpus.
        settings: of the run.
        progress: how far the run got.
        scores: a row for each scored corpus: its name, its split and what `validate.report` gives.
        limits: what a user must know.
    """

    name: str
    base: Mapping[str, str]
    label_sets: Sequence[Sequence[str]]
    attributes: Sequence[Mapping[str, Any]]
    parameters: int
    data: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]
    progress: Mapping[str, Any]
    scores: Sequence[Mapping[str, Any]] = ()
    limits: Sequence[str] = LIMITS


def write(card: EncoderCard, folder: Path) -> None:
    """Writes card.json and README.md beside the weights, which must be there.

    Raises:
        OutputError: when they cannot be written.
    """
    content: dict[str, Any] = {"kind": KIND, "scheme": "BIOES"}
    content |= {key.name: getattr(card, key.name) for key in fields(card)}
    template = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    source = resources.files(__package__).joinpath("card.jinja").read_text(encoding="utf-8")
    weights = folder / WEIGHTS_FILE
    try:
        content["weights"] = {"file": WEIGHTS_FILE, "sha256": sha256_of(weights), "bytes": weights.stat().st_size}
        (folder / CARD_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (folder / README_FILE).write_text(template.from_string(source).render(content), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"the card cannot be written: {error.strerror}", where=str(folder)) from error
