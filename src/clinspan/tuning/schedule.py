"""How long training goes on, and how the learning rate falls until then."""

import math
from dataclasses import dataclass
from typing import Literal

from clinspan.errors import ConfigError

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
