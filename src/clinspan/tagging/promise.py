"""What was promised of a tagger's entities, on which data, and what becomes of each entity by its score.

`clinspan calibrate --recall` and `--precision` choose the thresholds (`evaluation.thresholds` says what is promised);
they stand in the calibration file, and the tagger goes by them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from clinspan.document import Document, Entity
from clinspan.errors import ConfigError, InputError
from clinspan.evaluation.match import Rule, checksum
from clinspan.evaluation.thresholds import Asked, Threshold, judged, threshold

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
