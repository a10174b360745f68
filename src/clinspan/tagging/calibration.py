"""What was learned from gold documents: the recall dial, what scores mean, where mentions end."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from clinspan.document import Entity
from clinspan.errors import ConfigError, InputError
from clinspan.evaluation.probability import Points, interpolated
from clinspan.grounding.boundaries import BoundaryRules
from clinspan.tagging.promise import Promise, quoted


@dataclass(frozen=True, slots=True)
class Dial:
    """One label's dial.

    Attributes:
        min_score: entities with a lower raw score are dropped.
        slope, intercept: of the logistic curve that turns the log-odds of the raw score into a probability
            (Platt scaling).
        points: of the curve that is used in its place where there were enough entities to draw one, see
            `evaluation.probability.stepped`.
    """

    min_score: float = 0.0
    slope: float = 1.0
    intercept: float = 0.0
    points: Points = ()

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_score <= 1.0:
            raise ConfigError(f"min_score is {self.min_score}", expected="a number from 0 to 1")
        object.__setattr__(self, "points", tuple((float(at), float(p)) for at, p in self.points))
        rising = all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(self.points))
        if not rising or not all(0.0 <= p <= 1.0 for _, p in self.points):
            raise ConfigError("the points of a curve do not rise, or are not probabilities")

    def probability(self, score: float) -> float:
        """The raw score as a probability."""
        if self.points:
            return interpolated(self.points, log_odds(score))
        return 1.0 / (1.0 + math.exp(-(self.slope * log_odds(score) + self.intercept)))


def log_odds(score: float) -> float:
    """The log-odds of a score, held within ±20 so that 0 and 1 stay finite."""
    held = min(max(score, 2e-9), 1 - 2e-9)
    return math.log(held / (1.0 - held))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Applied to every entity that an LLM names; made by `clinspan calibrate`.

    Attributes:
        learned_from: what it was made with, for reports: LLM, label set, format, documents and their checksum.
        open_bias: added to the log-odds of opening a bracket, where the LLM decodes under a constraint.
        dials: by label.
        rules: boundary conventions.
        promise: thresholds that keep a recall or a precision, on raw scores; no dial drops anything beside them.
    """

    open_bias: float = 0.0
    dials: Mapping[str, Dial] = field(default_factory=dict)
    rules: BoundaryRules = field(default_factory=BoundaryRules)
    learned_from: Mapping[str, str] = field(default_factory=dict)
    promise: Promise | None = None

    def __post_init__(self) -> None:
        if self.promise is not None and (self.rules.rules or any(dial.min_score for dial in self.dials.values())):
            raise ConfigError(
                "a promise cannot be combined with dials or boundary rules, which change what is reported"
            )

    def apply(self, entity: Entity, text: str) -> Entity | None:
        """The entity with its score as a probability and its boundaries corrected; None when the dial drops it."""
        dial = self.dials.get(entity.label)
        if dial is not None and entity.score is not None:
            if entity.score < dial.min_score:
                return None
            entity = replace(entity, score=dial.probability(entity.score))
        return self.rules.apply(entity, text)

    def to_toml(self) -> str:
        """As the file that `--calibration` reads."""
        lines = [
            "# Made by `clinspan calibrate`; read by `clinspan tag --calibration`.",
            f"open_bias = {self.open_bias}",
        ]
        lines += ["", "[learned_from]"] + [f"{key} = {quoted(value)}" for key, value in self.learned_from.items()]
        for label, dial in self.dials.items():
            lines += ["", f"[dials.{quoted(label)}]", f"min_score = {dial.min_score}"]
            lines += [f"slope = {dial.slope}", f"intercept = {dial.intercept}"]
            if dial.points:
                lines.append(f"points = {[list(point) for point in dial.points]}")
        if self.promise is not None:
            lines += ["", self.promise.to_toml()]
        return "\n".join([*lines, "", self.rules.to_toml()])

    @classmethod
    def from_toml(cls, path: str | Path) -> "Calibration":
        """Reads the file back.

        Raises:
            ConfigError: naming the file, when it is not one.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error
        except UnicodeDecodeError as error:
            raise _no_calibration(error, str(path)) from error
        return cls.parse(text, where=str(path))

    @classmethod
    def parse(cls, text: str, *, where: str) -> "Calibration":
        """The calibration that `to_toml` wrote.

        Raises:
            ConfigError: naming the place, when it is not one.
        """
        try:
            data = tomllib.loads(text)
            return cls(
                open_bias=float(data["open_bias"]),
                dials={label: Dial(**dial) for label, dial in data.get("dials", {}).items()},
                rules=BoundaryRules.from_toml(data),
                learned_from=_texts(data.get("learned_from", {})),
                promise=Promise.from_toml(data["promise"]) if "promise" in data else None,
            )
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, InputError) as error:
            raise _no_calibration(error, where) from error


def _no_calibration(error: Exception, where: str) -> ConfigError:
    return ConfigError(f"is not a calibration: {error}", where=where, fix="Make it with `clinspan calibrate`.")


def _texts(table: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in table.items()}
