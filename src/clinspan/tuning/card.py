"""The card of an adapter: what it is for, what it learned from, how well it does and where it ends."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from clinspan.errors import OutputError
from clinspan.models.adapters import ADAPTER_FILE, CARD_FILE
from clinspan.models.registry import sha256_of
from clinspan.tuning.corpora import Gold
from clinspan.tuning.epochs import lone_labels

README_FILE = "README.md"
LIMITS = (
    "It was trained for copy-constrained decoding and the brief prompt; free generation may drift from the text.",
    "It marks what its corpora's annotators marked, in the kind of text they read; other text needs a check on gold.",
    "It neither nests mentions nor marks discontinuous ones.",
    "Its scores are probabilities only after `clinspan calibrate` on documents like yours.",
)


@dataclass(frozen=True, slots=True)
class Card:
    """All that is written down about an adapter.

    Attributes:
        name: of the adapter.
        base: its name and sha256.
        label_sets: the sets of label names it was asked with, each in the prompt's order.
        format: of its answers.
        data: a row for each corpus.
        settings: of the run.
        progress: how far the run got.
        scores: a row for each scored corpus: its name, its split and what `validate.report` gives.
        limits: what a user must know.
        prompt_style: of the prompts it knows.
        facts: whether prompts told what the dictionary would tag.
        adapter: its file; filled in when the card is written.
    """

    name: str
    base: Mapping[str, str]
    label_sets: Sequence[Sequence[str]]
    format: str
    data: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]
    progress: Mapping[str, Any]
    scores: Sequence[Mapping[str, Any]] = ()
    limits: Sequence[str] = LIMITS
    prompt_style: str = "brief"
    facts: bool = False
    adapter: Mapping[str, Any] = field(default_factory=dict)


def data_row(gold: Gold, split: str) -> dict[str, Any]:
    """What the card says of a corpus."""
    return {
        "name": gold.name,
        "split": split,
        "sha256": gold.sha256,
        "labels": list(gold.labels.names),
        "documents": len(gold.documents),
        "left_out": gold.left_out,
        "mentions": gold.mentions,
    }


def label_sets(corpora: Sequence[Gold], *, alone: bool = True) -> list[list[str]]:
    """The sets of labels that training asks for together, each in the prompt's order.

    Args:
        corpora: what is learned from.
        alone: whether labels that one corpus alone has were also asked for by themselves.
    """
    asked = [list(gold.labels.names) for gold in corpora]
    if alone:
        asked += [[name] for gold in corpora for name in lone_labels(gold.labels, corpora)]
    return [names for i, names in enumerate(asked) if names not in asked[:i]]


def write(card: Card, folder: Path) -> None:
    """Writes card.json and README.md beside the adapter's file, which must be there.

    Raises:
        OutputError: when they cannot be written.
    """
    file = folder / ADAPTER_FILE
    content = {key.name: getattr(card, key.name) for key in fields(card)}
    template = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    source = resources.files(__package__).joinpath("card.jinja").read_text(encoding="utf-8")
    try:
        content["adapter"] = {"file": ADAPTER_FILE, "sha256": sha256_of(file), "bytes": file.stat().st_size}
        (folder / CARD_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (folder / README_FILE).write_text(template.from_string(source).render(content), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"the card cannot be written: {error.strerror}", where=str(folder)) from error
