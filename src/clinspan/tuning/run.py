"""A run of tuning: its settings, and its folder with what it goes on from, its log, and the card of what it made.

Apart from the code that trains, so that settings can be checked without its packages.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, StrictUndefined

from clinspan.errors import ConfigError, InputError, ModelError, OutputError
from clinspan.files import cannot_write, whole_file
from clinspan.models.adapters import CARD_FILE
from clinspan.models.registry import sha256_of
from clinspan.tuning.epochs import EpochSettings
from clinspan.tuning.gold import Gold

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
        scores: a row for each scored corpus: its name, its split and what `epochs.report` gives.
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


Shape = Literal["linear", "cosine"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A run's length, in minutes of training or in steps, and the learning rate over it.

    Attributes:
        peak: the highest learning rate.
        minutes: training ends after this many minutes, resumed runs counted together.
        steps: training ends after this many optimizer steps. Exactly one of the two is given.
        shape: `linear` falls in a straight line to zero, `cosine` along half a cosine.
        warmup: the share of the run over which the rate rises from zero to its peak.
    """

    peak: float
    minutes: float | None = None
    steps: int | None = None
    shape: Shape = "linear"
    warmup: float = 0.03

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ConfigError("a run's length is given in minutes or in steps, one of the two")
        if (self.minutes if self.minutes is not None else self.steps or 0) <= 0:
            raise ConfigError("a run's length must be above 0")
        if not 0 < self.peak < 1:
            raise ConfigError(f"a learning rate of {self.peak} is outside (0, 1)")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"a warm-up over {self.warmup} of the run is outside [0, 1)")

    def done(self, *, step: int, seconds: float) -> float:
        """The share of the run that lies behind, in [0, 1], after `step` steps and `seconds` of training."""
        share = seconds / (60 * self.minutes) if self.minutes is not None else step / (self.steps or 1)
        return min(1.0, share)

    def rate(self, done: float) -> float:
        """The learning rate when `done` of the run lies behind."""
        if done < self.warmup:
            return self.peak * max(done, 0.01 * self.warmup) / self.warmup
        left = (1 - done) / (1 - self.warmup)
        return self.peak * (left if self.shape == "linear" else 0.5 - 0.5 * math.cos(math.pi * left))


LossKind = Literal["choices", "answer"]


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """What an adapter is and how it is trained.

    Attributes:
        rank: of every low-rank pair.
        alpha: the pair's product is scaled by alpha / rank.
        loss: `choices` is the cross-entropy over what the constrained decoder chooses between, at the places where it
            chooses; `answer` that over the whole vocabulary at every token of the answer.
        tokens: padded tokens in one forward pass at most; a step's gradient is accumulated over several when needed.
        seed: of the adapter's start and of the order of pairs.
    """

    rank: int = 16
    alpha: int = 32
    loss: LossKind = "choices"
    batch: int = 16
    tokens: int = 2048
    clip: float = 1.0
    weight_decay: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        if min(self.rank, self.alpha, self.batch, self.tokens) < 1:
            raise ConfigError("rank, alpha, batch and tokens must be 1 or more")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a run is, but for its data and base.

    Attributes:
        epochs: how documents become pairs.
        minutes: training ends after so many minutes, resumed runs counted together; or
        passes: after so many passes over the documents. One of the two is given.
        checkpoint_minutes: between two checkpoints.
        validate_minutes: between two validations; the best adapter by F1 is kept, the last one where none was taken.
        validate_at: passes after which is validated, instead of by the clock; the end is validated in any case.
        patience: training ends after so many validations without a new best; 0 never.
    """

    lora: LoraSettings = field(default_factory=LoraSettings)
    epochs: EpochSettings = field(default_factory=EpochSettings)
    learning_rate: float = 1e-3
    minutes: float | None = None
    passes: float | None = None
    shape: Shape = "linear"
    checkpoint_minutes: float = 5.0
    validate_minutes: float = 20.0
    validate_at: tuple[float, ...] = ()
    patience: int = 0

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.passes is None):
            raise ConfigError("a run's length is given in minutes or in epochs, one of the two")
        if min(self.checkpoint_minutes, self.validate_minutes) <= 0 or self.patience < 0:
            raise ConfigError("minutes between checkpoints and validations must be above 0, patience 0 or more")
        if min(self.validate_at, default=1.0) <= 0:
            raise ConfigError(f"validation after {min(self.validate_at):g} passes", expected="more than 0")

    def schedule(self, steps_a_pass: int) -> Schedule:
        """The schedule of a run, given the steps of a pass."""
        steps = None if self.passes is None else max(1, round(self.passes * steps_a_pass))
        return Schedule(self.learning_rate, minutes=self.minutes, steps=steps, shape=self.shape)


CHECKPOINTS = (f"{CHECKPOINT}/checkpoint-*",)
"""What of an output folder a run can be resumed from; transformers' Trainer numbers its own."""


@dataclass(frozen=True, slots=True)
class EncoderRunSettings:
    """What a run is, but for its data and base.

    Attributes:
        learning_rate: at its highest; it rises over the first tenth of the run and then falls in a straight line.
        weight_decay: of all weights but biases and norms.
        keep_empty: the share of windows without a mention that is used.
        sentences: a window has at most so many; how many is drawn for each document, so that the encoder learns to
            read sentences alone and with those before them.
        max_tokens: of a window, by the encoder's own tokenizer.
        described: it learns to find what a label's definition says, rather than labels of its own.
        keep_words: the word vectors of the base, half of the weights of a small encoder, stay. A step is quicker,
            and encoders of one base can share them.
        bfloat16: compute in bf16, with weights in fp32; where the processor is fast in it when None.
        checkpoint_minutes: between two checkpoints; there is one after each pass too.
        patience: training ends after so many passes without a new best on held-out documents; 0 never.
        seed: of the head's start, of dropout and of the order of windows.
    """

    learning_rate: float = 2e-4
    passes: int = 10
    batch: int = 16
    weight_decay: float = 0.01
    clip: float = 1.0
    keep_empty: float = 1.0
    sentences: int = 1
    max_tokens: int = 128
    described: bool = False
    keep_words: bool = False
    bfloat16: bool | None = None
    checkpoint_minutes: float = 5.0
    patience: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        if min(self.passes, self.batch, self.sentences, self.max_tokens) < 1:
            raise ConfigError("passes, batch, sentences and max_tokens must be 1 or more")
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"a learning rate of {self.learning_rate} is outside (0, 1)")
        if not 0 <= self.keep_empty <= 1:
            raise ConfigError(f"keep_empty is {self.keep_empty}", expected="a share in [0, 1]")
        if self.checkpoint_minutes <= 0 or self.patience < 0:
            raise ConfigError("minutes between checkpoints must be above 0, patience 0 or more")
