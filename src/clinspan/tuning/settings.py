"""The settings of a tuning run; apart from the code that trains, so that they can be checked without its packages."""

from dataclasses import dataclass, field
from typing import Literal

from clinspan.errors import ConfigError
from clinspan.tuning.epochs import EpochSettings
from clinspan.tuning.schedule import Schedule, Shape

LossKind = Literal["choices", "answer"]


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """What an adapter is and how it is trained.

    Attributes:
        rank: of every low-rank pair.
        alpha: the pair's product is scaled by alpha / rank.
        loss: `choices` is the cross-entropy over what the constrained decoder chooses between, at the places where it
            chooses; `answer` that over the whole vocabulary at every token of the answer.
        batch: pairs in one optimizer step.
        tokens: padded tokens in one forward pass at most; a step's gradient is accumulated over several when needed.
        clip: largest norm of a step's gradient.
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
        lora: the adapter and its loss.
        epochs: how documents become pairs.
        learning_rate: at its highest.
        minutes: training ends after so many minutes, resumed runs counted together; or
        passes: after so many passes over the documents. One of the two is given.
        shape: how the rate falls.
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
        """The schedule over a run whose passes have so many steps."""
        steps = None if self.passes is None else max(1, round(self.passes * steps_a_pass))
        return Schedule(self.learning_rate, minutes=self.minutes, steps=steps, shape=self.shape)
