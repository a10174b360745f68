"""The output folder of a run of tuning: what it goes on from, its log, and the card of what it made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from clinspan.errors import InputError, ModelError, OutputError
from clinspan.files import cannot_write, whole_file
from clinspan.models.adapters import CARD_FILE
from clinspan.models.registry import sha256_of
from clinspan.tuning.corpora import Gold

CHECKPOINT = "checkpoint"
"""The folder of what a run goes on from, in its output folder."""
LOG_FILE = "log.jsonl"
README_FILE = "README.md"
LIMITS = (
    "It marks what its corpora's annotators marked, in the kind of text they read; other text needs a check on gold.",
    "It neither nests mentions nor marks discontinuous ones.",
    "Its scores are probabilities only after `clinspan calibrate` on documents like yours.",
)
"""What a user of anything tuned must know."""


def check_output(folder: Path, *, checkpoints: Sequence[str], resume: bool, force: bool) -> None:
    """Makes the output folder.

    Args:
        checkpoints: patterns, relative to it, of what such a run can be resumed from.

    Raises:
        OutputError: when it has files and the run is neither resumed nor forced, or it cannot be made.
        InputError: when a run is to be resumed that left no checkpoint.
    """
    if resume and not any(True for pattern in checkpoints for _ in folder.glob(pattern)):
        raise InputError("has no checkpoint to resume from", where=str(folder), fix="Leave out --resume.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not (resume or force):
            raise OutputError(
                "is not empty", where=str(folder), fix="Go on with --resume, start over with --force, or name another."
            )
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", where=str(folder)) from error


def put(path: Path, text: str) -> None:
    """Writes a text file whole or not at all.

    Raises:
        OutputError: when it cannot be written.
    """
    with whole_file(path) as file:
        file.write(text)


@dataclass(frozen=True, slots=True)
class Log:
    """Loss and validation scores over time: `rows` in memory, the same in the folder's log.jsonl."""

    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, **row: Any) -> None:
        """Notes one row; a validation's has its score as `f1`."""
        self.rows.append(row)
        try:
            with (self.folder / LOG_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise cannot_write(self.folder / LOG_FILE, error) from error

    def restart(self) -> None:
        """Makes the file hold the rows and no others."""
        put(self.folder / LOG_FILE, "".join(json.dumps(row) + "\n" for row in self.rows))

    @property
    def scores(self) -> list[float]:
        """The F1 of each validation so far."""
        return [row["f1"] for row in self.rows if "f1" in row]

    def hopeless(self, patience: int) -> bool:
        """Whether none of the last `patience` validations was the best; never with 0."""
        scored = self.scores
        return bool(patience and len(scored) > patience and max(scored[-patience:]) < max(scored))


@dataclass(frozen=True, slots=True)
class Card:
    """All that is written down about an adapter or a classifier.

    Attributes:
        base: name and sha256 of the model it was made of.
        label_sets: the sets of label names that it marks together, each in the order in which they are asked for.
        about: what only one kind of model has; the template knows it.
        scores: a row for each scored corpus: its name, its split and what `validate.report` gives.
    """

    name: str
    base: Mapping[str, str]
    label_sets: Sequence[Sequence[str]]
    data: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]
    progress: Mapping[str, Any]
    about: Mapping[str, Any]
    scores: Sequence[Mapping[str, Any]] = ()
    limits: Sequence[str] = LIMITS

    def write(self, folder: Path, *, part: str, file: str) -> None:
        """Writes card.json and README.md beside the tuned weights.

        Args:
            part: what the card calls the weights: `adapter` or `weights`.

        Raises:
            OutputError: when they cannot be written.
        """
        content = {key: getattr(self, key) for key in self.__slots__ if key != "about"} | dict(self.about)
        template = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
        source = resources.files(__package__).joinpath("card.jinja").read_text(encoding="utf-8")
        weights = folder / file
        try:
            content[part] = {"file": file, "sha256": sha256_of(weights), "bytes": weights.stat().st_size}
        except OSError as error:
            raise OutputError(f"the card cannot be written: {error.strerror}", where=str(folder)) from error
        put(folder / CARD_FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        put(folder / README_FILE, template.from_string(source).render(content))


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


def check_same(known: Mapping[str, Any], run: Mapping[str, Any], checkpoint: Path) -> None:
    """Makes sure that a run goes on from a checkpoint of its own.

    Raises:
        ModelError: naming what differs.
    """
    for key, value in run.items():
        if key in known and known[key] != value:
            raise ModelError(
                f"the checkpoint has {key} {known[key]!r}, and this run {value!r}",
                where=str(checkpoint),
                fix="Resume with the same settings, or start anew in another folder.",
            )
