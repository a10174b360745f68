"""A fused model: weights over what the sources say, as numbers in a JSON file.

For each label one logistic regression. It is asked twice: first without regard to the rest of the document, then with
what it thought of the same string elsewhere. The second may be boosted trees in its place. Where no LLM read, other
weights count than where one did.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clinspan.document import Entity
from clinspan.errors import ConfigError
from clinspan.fusion.features import ELSEWHERE, GROUPS, NAMES, Floats, Prior, by_label, elsewhere, rows
from clinspan.fusion.heard import Candidate, Gain, Heard, Source, chosen
from clinspan.fusion.trees import Trees
from clinspan.labels import LabelSet

KIND = "fused model"
VERSION = 2
"""Raised when features are counted otherwise, so that no weights are taken for others."""
FLOOR = 0.02
"""What an encoder gives at least to a candidate."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic regression for each label.

    Attributes:
        weights: a row for each label, a column for each feature.
        intercepts: for each label.
        means: of each feature where it was fitted; what a feature weighs is told against them.
    """

    weights: Floats
    intercepts: Floats
    means: Floats

    def __post_init__(self) -> None:
        labels, features = self.weights.shape
        if self.intercepts.shape != (labels,) or self.means.shape != (features,):
            raise ValueError(f"{labels} labels and {features} features, but other numbers of intercepts and means")
        if not all(np.isfinite(part).all() for part in (self.weights, self.intercepts, self.means)):
            raise ValueError("weights are finite numbers")

    def probabilities(self, features: Floats, labels: NDArray[np.intp]) -> Floats:
        """For each row of features, of a candidate with the label of that number."""
        odds = np.einsum("ij,ij->i", features, self.weights[labels]) + self.intercepts[labels]
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -50.0, 50.0))))

    def told(self, features: Floats, label: int) -> Floats:
        """What each feature of one candidate adds to the log-odds, against the mean of all candidates."""
        return np.asarray(self.weights[label] * (features - self.means))


Asked = Literal["without llm", "with llm"]


@dataclass(frozen=True, slots=True)
class Judge:
    """How candidates are judged, where an LLM read or where none did.

    Attributes:
        first: over `NAMES`.
        second: over `NAMES` and `ELSEWHERE`; whichever was better on documents that it was not fitted on.
        least: what an entity's probability is worth more than; the best set has the highest sum of what is above.
    """

    first: Weights
    second: Weights | Trees
    least: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.least <= 1.0:
            raise ValueError(f"least is {self.least}, which is not a probability")
        all_ = len(NAMES) + len(ELSEWHERE)
        fits = self.second.features <= all_ if isinstance(self.second, Trees) else self.second.weights.shape[1] == all_
        if self.first.weights.shape[1] != len(NAMES) or not fits:
            raise ValueError("there are not as many weights as features")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided of one candidate.

    Attributes:
        probability: that it is an entity, all sources heard.
        taken: whether it is reported.
        weights: what each group of features added to the log-odds, against a candidate like all others.
        together: of one that is reported, its probability, or what all candidates about its mention have together where
            none has enough alone.
    """

    candidate: Candidate
    probability: float
    taken: bool
    weights: Mapping[str, float]
    together: float = 0.0


@dataclass(frozen=True, slots=True)
class FusedModel:
    """Decides which candidates are entities.

    Attributes:
        labels: in the order of the weights.
        sources: for each source its name and version, as it was fitted over.
        tables: `without llm` always; `with llm` where one is among the sources.
        prior: how often strings are annotated in the notes that come with clinspan, or in other documents.
        learned_from: what it was made with, for reports.
        gain: where it pays to ask an LLM; None where none is among the sources.
    """

    labels: tuple[str, ...]
    sources: Mapping[Source, str]
    tables: Mapping[Asked, Judge]
    prior: Prior = field(default_factory=Prior)
    learned_from: Mapping[str, str] = field(default_factory=dict)
    gain: Gain | None = None

    def __post_init__(self) -> None:
        if "without llm" not in self.tables or ("with llm" in self.tables) != ("llm" in self.sources):
            raise ValueError(f"tables {sorted(self.tables)} do not suit the sources {sorted(self.sources)}")
        if (self.gain is not None) != ("llm" in self.sources):
            raise ValueError(f"what asking an LLM gains does not suit the sources {sorted(self.sources)}")
        if any(table.first.weights.shape[0] != len(self.labels) for table in self.tables.values()):
            raise ValueError("there are not weights for each label")

    def verdicts(self, heard: Heard, labels: LabelSet, *, explain: bool = False) -> list[Verdict]:
        """What is decided of each candidate, by place.

        Args:
            labels: whose types say what fits.
            explain: whether weights are told.
        """
        if not heard.candidates:
            return []
        table = [self._table(one) for one in heard.candidates]
        numbers = by_label(heard.candidates, self.labels)
        features = rows(heard, labels, self.prior)
        first = _each(table, "first", features, numbers)
        features = np.hstack([features, elsewhere(heard, first)])
        probabilities = _each(table, "second", features, numbers)
        taken = chosen(heard, probabilities, [own.least for own in table])
        return [
            Verdict(
                one,
                float(probabilities[number]),
                number in taken,
                _told(table[number].second, features[number], int(numbers[number])) if explain else {},
                taken.get(number, 0.0),
            )
            for number, one in enumerate(heard.candidates)
        ]

    def _table(self, one: Candidate) -> Judge:
        return self.tables["with llm" if one.asked and "with llm" in self.tables else "without llm"]

    def to_json(self) -> str:
        """As the file that `--fused` reads."""
        data = {
            "kind": KIND,
            "version": VERSION,
            "labels": list(self.labels),
            "sources": dict(self.sources),
            "learned_from": dict(self.learned_from),
            "features": [*NAMES, *ELSEWHERE],
            "tables": {name: _plain(table) for name, table in self.tables.items()},
            "prior": self.prior.to_dict(),
        }
        if self.gain is not None:
            data["gain"] = {"reach": _short(self.gain.reach), "reached": [_short(one) for one in self.gain.reached]}
        return json.dumps(data, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> "FusedModel":
        """The model in a file.

        Raises:
            ConfigError: naming the file, when it is none, or of another version.
        """
        try:
            return cls.parse(path.read_text(encoding="utf-8"), where=str(path))
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error
        except UnicodeDecodeError as error:
            raise ConfigError("is not a fused model", where=str(path), fix=_MAKE) from error

    @classmethod
    def parse(cls, text: str, *, where: str) -> "FusedModel":
        """The model that `to_json` wrote.

        Raises:
            ConfigError: naming the place, when it is none, or of another version.
        """
        try:
            data = json.loads(text)
            if data["kind"] != KIND:
                raise ValueError(f"it is a {data['kind']!r}")
            if data["version"] != VERSION or data["features"] != [*NAMES, *ELSEWHERE]:
                raise ConfigError(
                    f"was made by another version of clinspan (version {data['version']} of its features)",
                    where=where,
                    expected=f"version {VERSION}, with the same features",
                    fix=_MAKE,
                )
            return cls(
                tuple(data["labels"]),
                dict(data["sources"]),
                {name: _table(table) for name, table in data["tables"].items()},
                Prior.from_dict(data["prior"]),
                {str(name): str(value) for name, value in data["learned_from"].items()},
                Gain(float(data["gain"]["reach"]), tuple(data["gain"]["reached"])) if "gain" in data else None,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"is not a fused model: {error}", where=where, fix=_MAKE) from error

    def check(self, labels: Sequence[str], sources: Mapping[Source, str]) -> None:
        """Makes sure that it was fitted over these labels and sources; an LLM may be missing.

        Raises:
            ConfigError: naming what differs.
        """
        if set(labels) != set(self.labels):
            raise ConfigError(
                f"the fused model was fitted for {', '.join(self.labels)}, not for {', '.join(labels)}", fix=_MAKE
            )
        for source in ("dictionary", "encoder", "llm"):
            known, here = self.sources.get(source), sources.get(source)
            if known != here and not (source == "llm" and here is None):
                raise ConfigError(
                    f"the fused model was fitted over {source} {known or 'none'!r}, not over {here or 'none'!r}",
                    expected="the same sources in the same versions",
                    fix=_MAKE,
                )

    def fits(self, labels: Sequence[str], sources: Mapping[Source, str]) -> bool:
        """Whether `check` would let it through."""
        try:
            self.check(labels, sources)
        except ConfigError:
            return False
        return True


_MAKE = "Fit one on your gold documents: clinspan fuse GOLD -o fused.json."


def for_sources(labels: Sequence[str], sources: Mapping[Source, str]) -> FusedModel | None:
    """The fused model that comes with clinspan for these labels and sources; None where there is none."""
    for entry in sorted((resources.files(__package__) / "models").iterdir(), key=lambda one: one.name):
        text = entry.read_text(encoding="utf-8")
        # Labels and sources stand at the beginning: most files need not be read as a whole.
        model = FusedModel.parse(text, where=entry.name) if all(f'"{name}"' in text[:2000] for name in labels) else None
        if model is not None and model.fits(labels, sources):
            return model
    return None


def entity_of(verdict: Verdict) -> Entity:
    """The candidate as an entity with the probability that was decided."""
    return replace(verdict.candidate.entity, score=min(1.0, verdict.probability))


def _each(tables: Sequence[Judge], part: Literal["first", "second"], features: Floats, numbers: Any) -> Floats:
    """The probabilities of candidates that are judged by a table each."""
    found = np.zeros(len(tables))
    for table in {id(table): table for table in tables}.values():
        own = np.array([other is table for other in tables])
        found[own] = getattr(table, part).probabilities(features[own], numbers[own])
    return found


def _told(judge: Weights | Trees, features: Floats, label: int) -> dict[str, float]:
    """What each group of features adds to the log-odds, against other candidates."""
    added = dict(zip((*NAMES, *ELSEWHERE), judge.told(features, label), strict=True))
    told = {group: math.fsum(added[name] for name in members) for group, members in GROUPS.items()}
    return told | {"elsewhere": math.fsum(added[name] for name in ELSEWHERE)}


def _plain(table: Judge) -> dict[str, Any]:
    def told(weights: Weights | Trees) -> dict[str, Any]:
        if isinstance(weights, Trees):
            return weights.to_dict()
        return {
            "weights": [[_short(value) for value in row] for row in weights.weights],
            "intercepts": [_short(value) for value in weights.intercepts],
            "means": [_short(value) for value in weights.means],
        }

    return {"first": told(table.first), "second": told(table.second), "least": table.least}


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _table(data: Mapping[str, Any]) -> Judge:
    def weights(part: Mapping[str, Any]) -> Weights:
        return Weights(*(np.array(part[name], dtype=np.float64) for name in ("weights", "intercepts", "means")))

    second = data["second"]
    judge = Trees.from_dict(second) if "nodes" in second else weights(second)
    return Judge(weights(data["first"]), judge, float(data["least"]))
