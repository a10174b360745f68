"""What was learned from gold documents: the recall dial, what scores mean, where mentions end, what was promised.

A promise says on which data it was made, and what becomes of each entity by its score. `clinspan calibrate --recall`
and `--precision` choose its thresholds (`evaluation.thresholds` says what is promised); they stand in the calibration
file, and the tagger goes by them.
"""

import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from clinspan.document import Document, Entity
from clinspan.errors import ConfigError, InputError
from clinspan.evaluation.match import Rule, checksum
from clinspan.evaluation.probability import Points, interpolated
from clinspan.evaluation.thresholds import Asked, Threshold, judged, threshold
from clinspan.grounding.boundaries import BoundaryRules

REVIEW = "review"
"""The attribute of an entity that a person is to look at; its value is `YES`."""
YES = "yes"
PROMISE = "promise"
"""The metadata field of a tagged document that says what was promised."""
BY_ID = "id"
"""In place of a metadata field: the kind of a document is the letters that its id begins with."""

Thresholds = Mapping[str, Threshold]
"""By label."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The threshold of a label: for documents of one kind, or for all where `kind` is empty."""

    label: str
    kind: str
    threshold: Threshold


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised, and how it is kept.

    Attributes:
        asked: recall, precision and the confidence of each.
        rule: when a mention is right, one of `evaluation.thresholds.RULES`.
        data: the name of the gold documents.
        sha256: of them, see `evaluation.match.checksum`.
        documents, mentions: how many of them there were.
        model: the name of the model whose scores were looked at.
        by: what tells the kind of a document: a metadata field, `BY_ID`, or nothing.
        consider: the least probability of what was looked at beside the likeliest set; None: that set alone.
        kept: a threshold for each label, and those for kinds of documents that have one of their own.
    """

    asked: Asked
    rule: Rule
    data: str
    sha256: str
    documents: int
    mentions: int
    model: str
    by: str
    consider: float | None
    kept: tuple[Kept, ...]

    def __post_init__(self) -> None:
        places = [(one.label, one.kind) for one in self.kept]
        if not {label for label, kind in places if not kind} or len(set(places)) < len(places):
            raise ValueError("a promise needs one threshold for each label, and one at most for a label of a kind")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it is for."""
        return tuple(one.label for one in self.kept if not one.kind)

    def thresholds(self, document: Document) -> Thresholds:
        """Those for a document: of its kind where there are any, else those for all."""
        kind = kind_of(document, self.by)
        general = {one.label: one.threshold for one in self.kept if not one.kind}
        return general | {one.label: one.threshold for one in self.kept if kind and one.kind == kind}

    def check(self, model: str, labels: Sequence[str]) -> None:
        """Makes sure that the promise is for what will be done.

        Args:
            model: the name of what names the entities.
            labels: that are asked for.

        Raises:
            ConfigError: when another model was looked at, or a label was not.
        """
        fix = "Promise anew: clinspan calibrate with --recall or --precision."
        if model != self.model:
            raise ConfigError(f"the promise was made for {self.model!r}, and this run tags with {model!r}", fix=fix)
        missing = [label for label in labels if label not in self.labels]
        if missing:
            known = ", ".join(self.labels)
            raise ConfigError(f"nothing was promised for the label {missing[0]!r}", expected=f"among {known}", fix=fix)

    @property
    def said(self) -> str:
        """The promise in a line: what, how sure, on what data."""
        parts = (("recall", self.asked.recall), ("precision", self.asked.precision))
        what = " and ".join(f"{name} of at least {value:g}" for name, value in parts if value is not None)
        kinds = [f"{one.label} in {one.kind}" for one in self.kept if one.kind]
        apart = f"; apart for {', '.join(kinds)}" if kinds else ""
        return (
            f"{what} for each of {', '.join(self.labels)} ({self.rule.value}, mean over documents, confidence "
            f"{self.asked.confidence:g} each), on documents like the {self.documents} of {self.data} with "
            f"{self.mentions} mentions, sha256 {self.sha256[:12]}{apart}"
        )

    def told(self, reviewed: int) -> dict[str, object]:
        """What a document's metadata say of it.

        Args:
            reviewed: how many of the document's entities a person is to look at.
        """
        return {"said": self.said, "sha256": self.sha256, REVIEW: reviewed}

    def to_toml(self) -> str:
        """As tables of the calibration file."""
        asked = self.asked
        numbers = {"recall": asked.recall, "precision": asked.precision, "confidence": asked.confidence}
        numbers["consider"] = self.consider
        texts = {"rule": self.rule.value, "data": self.data, "sha256": self.sha256, "model": self.model, "by": self.by}
        lines = ["[promise]", *(f"{name} = {value}" for name, value in numbers.items() if value is not None)]
        lines += [f"{name} = {quoted(value)}" for name, value in texts.items()]
        lines += [f"documents = {self.documents}", f"mentions = {self.mentions}"]
        for one in self.kept:
            lines += ["", "[[promise.kept]]", f"label = {quoted(one.label)}", f"kind = {quoted(one.kind)}"]
            lines += [f"{part.name} = {getattr(one.threshold, part.name)}" for part in fields(Threshold)]
        return "\n".join(lines)

    @classmethod
    def from_toml(cls, data: Mapping[str, Any]) -> "Promise":
        """Reads back what `to_toml` wrote, from the parsed table.

        Raises:
            KeyError, TypeError, ValueError, InputError: when it is something else.
        """
        rest = dict(data)
        asked = Asked(rest.pop("recall", None), rest.pop("precision", None), rest.pop("confidence"))
        kept = []
        for table in rest.pop("kept"):
            numbers = dict(table)
            kept.append(Kept(str(numbers.pop("label")), str(numbers.pop("kind")), Threshold(**numbers)))
        consider = rest.pop("consider", None)
        return cls(asked=asked, rule=Rule(rest.pop("rule")), consider=consider, kept=tuple(kept), **rest)


def quoted(value: str) -> str:
    """A TOML basic string."""
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value)
    return f'"{escaped}"'


def kind_of(document: Document, by: str) -> str:
    """The kind of a document; empty where nothing tells it."""
    if by == BY_ID:
        letters = re.match(r"[^\W\d_]+", document.id)
        return letters[0] if letters else ""
    value = document.metadata.get(by) if by else None
    return value if isinstance(value, str) else ""


def sort_out(entity: Entity, score: float | None, thresholds: Thresholds) -> Entity | None:
    """The entity where it is reported, marked where a person is to look at it; None where it is dropped.

    What has no score goes to a person: it was not among what the promise was learned from.

    Args:
        entity: as it will be reported.
        score: its raw score, by which the thresholds were chosen.
        thresholds: those for its document.
    """
    known = thresholds.get(entity.label)
    if known is None:
        return entity
    if score is not None and score < known.review:
        return None
    if score is not None and score >= known.report:
        return entity
    return replace(entity, attributes={**entity.attributes, REVIEW: YES})


def make(
    gold: Sequence[Document],
    found: Iterable[Document],
    asked: Asked,
    *,
    labels: Sequence[str],
    model: str,
    data: str,
    rule: Rule = Rule.STRICT,
    by: str = "",
    consider: float | None = None,
) -> Promise:
    """Chooses the thresholds that keep what is asked.

    Args:
        gold: annotated documents like those that will be tagged, from which neither model nor dictionary learned.
        found: the same documents, by id, as they were tagged without calibration.
        asked: what is to be promised, for each label.
        labels: that will be asked for.
        model: the name of what tagged them.
        data: the name of the gold documents.
        rule: when a mention is right.
        consider: the setting that they were tagged with.
        by: what tells the kind of a document. A kind for which the promise can be kept gets thresholds of its own.

    Raises:
        InputError: when gold has no mention of a label, a document was not tagged, an entity has no score, or what is
            asked cannot be promised; the error says what could be.
    """
    by_id = _matched(gold, found)
    empty = [label for label in labels if not any(one.label == label for document in gold for one in document.entities)]
    if empty:
        raise InputError(
            f"the gold documents have no {empty[0]!r}, so nothing can be promised for it",
            expected=f"mentions of {', '.join(labels)}",
            fix="Ask for the labels that gold has (--labels), or annotate the others.",
        )
    kept = [Kept(label, "", threshold(judged(gold, by_id, label, rule), asked, label=label)) for label in labels]
    for kind in sorted({kind_of(document, by) for document in gold} - {""}):
        of_kind = [document for document in gold if kind_of(document, by) == kind]
        for label in labels:
            rows = judged(of_kind, by_id, label, rule)
            try:
                kept.append(Kept(label, kind, threshold(rows, asked, label=label)))
            except InputError:
                # Too few of the kind, or too hard: the thresholds for all documents stand, and `said` names the others.
                continue
    mentions = sum(one.label in labels for document in gold for one in document.entities)
    return Promise(asked, rule, data, checksum(gold), len(gold), mentions, model, by, consider, tuple(kept))


def _matched(gold: Sequence[Document], found: Iterable[Document]) -> dict[str, Document]:
    by_id = {document.id: document for document in found}
    for document in gold:
        if document.id not in by_id or by_id[document.id].text != document.text:
            fault = "has another text than" if document.id in by_id else "is not among"
            fix = "Tag this gold with `clinspan tag --calibration none`."
            raise InputError(f"document {document.id!r} {fault} what was tagged", fix=fix)
    return by_id


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

    def check(self, model: str) -> None:
        """Makes sure that it was learned from the scores of what will be asked.

        Raises:
            ConfigError: when it says that it was learned from another model: the scores of two mean different things.
        """
        learned = self.learned_from.get("model", model)
        # Recorded answers have the scores of the model that gave them.
        if learned not in (model, model.removeprefix("replay:").partition("#")[0]):
            raise ConfigError(
                f"the calibration was learned with {learned!r}, and this run tags with {model!r}",
                where="--calibration",
                fix="Learn it anew (clinspan calibrate), or tag with the model that it names.",
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
            fix = "Make one with: clinspan calibrate GOLD -o FILE, or leave --calibration out."
            raise ConfigError(f"cannot be read: {error.strerror}", where=str(path), fix=fix) from error
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
