"""The settings of an encoder's tuning; apart from the code that trains, so that they need none of its packages."""

from dataclasses import dataclass

from clinspan.errors import ConfigError
from clinspan.tuning.output import CHECKPOINT

CHECKPOINTS = (f"{CHECKPOINT}/checkpoint-*",)
"""What of an output folder a run can be resumed from; transformers' Trainer numbers its own."""


@dataclass(frozen=True, slots=True)
class EncoderRunSettings:
    """What a run is, but for its data and base.

    Attributes:
        learning_rate: at its highest; it rises over the first tenth of the run and then falls in a straight line.
        passes: over the windows.
        batch: windows in one step.
        weight_decay: of all weights but biases and norms.
        clip: largest norm of a step's gradient.
        keep_empty: the share of windows without a mention that is used.
        sentences: a window has at most so many; how many is drawn for each document, so that the encoder learns to
            read sentences alone and with those before them.
        max_tokens: of a window, by the encoder's own tokenizer.
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
