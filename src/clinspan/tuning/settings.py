"""The settings of a tuning run; apart from the code that trains, so that they can be checked without its packages."""

import math
from dataclasses import dataclass, field
from typing import Literal

from clinspan.errors import ConfigError
from clinspan.tuning.epochs import EpochSettings
from clinspan.tuning.output import CHECKPOINT

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
