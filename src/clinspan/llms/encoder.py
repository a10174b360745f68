"""A tuned encoder as an LLM: it answers a request to copy with the copy that its tags mean, brackets put in."""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from clinspan.classifier.folder import calibrations, load
from clinspan.classifier.model import (
    Encoded,
    TokenClassifier,
    WindowTags,
    after,
    described_mentions,
    mentions,
    values_at,
)
from clinspan.classifier.scheme import Floats, Head, head_for
from clinspan.document import Entity, Span
from clinspan.errors import ConfigError, LLMError
from clinspan.formats.base import Format
from clinspan.formats.tanl_marks import render
from clinspan.labels import Label, LabelSet
from clinspan.llms.base import Traits
from clinspan.messages import Completion, CopyConstraint, FoundSpan, Request
from clinspan.text.windows import WindowSettings, windows

_AHEAD = 4
_TOGETHER = 64
"""Windows that go through the encoder in one pass at most, so that many labels need no more memory than few."""
TUNED = Traits("encoder", "tuned")
"""An encoder that learned to read one sentence at a time."""


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How the encoder is run.

    Attributes:
        batch: windows that are read in one pass.
        threads: that read; as many as there are processors where None. With torch it holds for the whole process.
    """

    batch: int = 16
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(f"a batch of {self.batch}", expected="1 or more")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"{self.threads} threads", expected="one or more")


class EncoderLLM:
    """Answers requests that have a copy constraint, and only these: a classifier writes nothing of its own.

    Of a request it reads the window and the labels alone; instructions, examples and facts are nothing to it.

    Args:
        classifier: what reads.
        settings: how it is run.
        name: names it in reports and cache keys.
        traits: see `LLM`.
    """

    constrains = True

    def __init__(
        self,
        classifier: TokenClassifier,
        settings: EncoderSettings = EncoderSettings(),
        *,
        name: str = "encoder",
        traits: Traits = TUNED,
    ) -> None:
        self.classifier, self.settings, self.name, self.traits = classifier, settings, name, traits
        self.context: int | None = classifier.context

    @classmethod
    def opened(
        cls,
        folder: str | Path,
        settings: EncoderSettings = EncoderSettings(),
        *,
        labels: LabelSet | None = None,
        once: bool = False,
    ) -> "EncoderLLM":
        """The encoder in a folder that `clinspan tune-encoder` made.

        Args:
            labels: what will be asked for; one that reads descriptions takes them from here.
            once: whether it reads each window once, though its card says twice.

        Raises:
            ConfigError: when it reads descriptions, and there are none.
            ClinspanError: see `classifier.folder.load`.
        """
        card, classifier = load(Path(folder), threads=settings.threads)
        # One that learned to read several sentences together is shown several.
        profile = "read" if card.card.get("settings", {}).get("sentences", 1) > 1 else "tuned"
        traits = Traits("encoder", profile, calibrations(Path(folder)), threads=settings.threads)
        name = f"encoder:{card.name}:{card.sha256[:12]}"
        if not card.described and card.twice and not once:
            # Scores mean something else than in one reading, so what was fitted on those is not for these.
            return TwiceEncoder(classifier, settings, name=f"{name}:twice", traits=traits)
        if not card.described:
            return cls(classifier, settings, name=name, traits=traits)
        if labels is None:
            raise ConfigError(
                f"{card.name} finds what a description says, and was not given one", expected="a label set"
            )
        traits = Traits("encoder", "described", calibrations(Path(folder)), threads=settings.threads)
        return DescribedEncoder(classifier, labels, settings, reworded=card.reworded, name=name, traits=traits)

    @property
    def known_attributes(self) -> tuple[str, ...]:
        """See `ReadsAttributes`."""
        return tuple(attribute.name for attribute in self.classifier.attributes)

    def values(
        self, windows: Sequence[tuple[str, Sequence[tuple[Span, str]]]]
    ) -> Iterator[list[dict[str, tuple[str, float]]]]:
        """What it says of mentions that are given, whoever found them; see `values_at`.

        Args:
            windows: texts, each with spans in it and their labels; one that is too long is read as far as it goes.
        """
        head, most = self.classifier.heads[0], self.classifier.context
        for at in range(0, len(windows), self.settings.batch):
            part = windows[at : at + self.settings.batch]
            encoded = [self.classifier.encode(text) for text, _ in part]
            fitting = [(ids[:most], tuple(u for u in found if (u.token or 0) < most)) for ids, found in encoded]
            readings = self.classifier.read(fitting, [head] * len(part))
            for reading, (_, spans) in zip(readings, part, strict=True):
                yield values_at(reading, spans, self.classifier.attributes)

    def check(self, labels: Sequence[str], form: Format) -> None:
        """See `Particular`."""
        head_for(self.classifier.heads, labels)
        if not form.repeats_text:
            raise ConfigError(f"an encoder does not answer in {form.name}", expected="tanl")

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` by the encoder's own tokenizer."""
        return self.classifier.count_tokens(text)

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        """One result for each request, in order; a failed one gives its error and the others go on.

        At most four batches are pulled ahead of the results given.

        Raises:
            ConfigError: when labels are asked for together that the encoder was not tuned for.
        """
        waiting = iter(requests)
        # Windows of like length are read together, so a few batches are looked at at once.
        while taken := list(islice(waiting, self.settings.batch * _AHEAD)):
            yield from self._answer(taken)

    def _answer(self, requests: Sequence[Request]) -> list[Completion | LLMError]:
        answers: dict[int, Completion | LLMError] = {}
        asked: dict[int, _Asked] = {}
        for number, request in enumerate(requests):
            if request.constraint is None:
                answers[number] = LLMError(
                    "an encoder answers only by copying the text", where=self.name, fix="Use the format tanl."
                )
                continue
            one = self._asked(request.constraint)
            if one.longest > self.classifier.context:
                answers[number] = LLMError(
                    f"the window of {one.longest} tokens does not fit into the encoder's {self.classifier.context}",
                    where=self.name,
                    fix=self._too_long,
                )
                continue
            asked[number] = one
        by_length = sorted(asked, key=lambda number: asked[number].longest)
        for at in range(0, len(by_length), self.settings.batch):
            batch = by_length[at : at + self.settings.batch]
            started = time.perf_counter()
            readings = iter(self._read([asked[number] for number in batch]))
            for number in batch:
                one = asked[number]
                found = self._mentions([next(readings) for _ in one.windows], one)
                answers[number] = Completion(
                    render(one.constraint.text, found if one.constraint.consider is None else _apart(found)),
                    spans=tuple(FoundSpan(e.span, e.label, e.score, e.attributes, e.attribute_scores) for e in found),
                    constrained=True,
                    prompt_tokens=sum(len(ids) for ids, _ in one.windows),
                    seconds=(time.perf_counter() - started) / len(batch),
                )
        return [answers[number] for number in range(len(requests))]

    _too_long = "Use shorter windows."

    def _read(self, batch: Sequence["_Asked"]) -> list[WindowTags]:
        windows = [(window, one.head) for one in batch for window in one.windows]
        found: list[WindowTags] = []
        for at in range(0, len(windows), _TOGETHER):
            part = windows[at : at + _TOGETHER]
            found += self.classifier.read([window for window, _ in part], [head for _, head in part])
        return found

    def _asked(self, constraint: CopyConstraint) -> "_Asked":
        head = head_for(self.classifier.heads, constraint.labels)
        return _Asked(constraint, head, [self.classifier.encode(constraint.text)])

    def _mentions(self, readings: Sequence[WindowTags], asked: "_Asked") -> list[Entity]:
        (reading,) = readings
        return mentions(reading, asked.head, asked.constraint, self.classifier.attributes)


_SENTENCE = WindowSettings(max_tokens=1_000_000, max_sentences=1, overlap_sentences=0)
"""A sentence with the headings before it, however long."""


class TwiceEncoder(EncoderLLM):
    """An encoder that reads a window twice, whole and sentence by sentence; see `agreed`."""

    def _asked(self, constraint: CopyConstraint) -> "_Asked":
        whole = super()._asked(constraint)
        parts = [window.span for window in windows(constraint.text, _SENTENCE)]
        if len(parts) < 2:
            return whole
        read = [self.classifier.encode(span.of(constraint.text)) for span in parts]
        return replace(whole, windows=[*whole.windows, *read], parts=parts)

    def _mentions(self, readings: Sequence[WindowTags], asked: "_Asked") -> list[Entity]:
        whole, *alone = readings
        return super()._mentions([agreed(whole, list(zip(asked.parts, alone, strict=True)))], asked)


def agreed(whole: WindowTags, parts: Sequence[tuple[Span, WindowTags]]) -> WindowTags:
    """What two readings of a window say together: for each unit the mean of the tags' probabilities.

    A unit that the parts do not have, or cut otherwise, keeps what the whole says of it, and so do attributes.

    Args:
        parts: of the window, each with its place in it and its reading.
    """
    alone = {
        unit.span.shift(span.start): row
        for span, reading in parts
        for unit, row in zip(reading.units, reading.tags, strict=True)
    }
    rows = [
        _mean([row, alone[unit.span]]) if unit.span in alone else row
        for unit, row in zip(whole.units, whole.tags, strict=True)
    ]
    return WindowTags(whole.units, np.array(rows), whole.values)


class DescribedEncoder(EncoderLLM):
    """An encoder that finds what a description says: it reads each window for each label, after its description.

    Args:
        classifier: has one head with one label, for what was described.
        labels: what may be asked for; their names, definitions, guidelines and examples are all that it is told.
        reworded: whether a label is told in several ways, each of which is read; what they say has one weight each.
    """

    def __init__(
        self,
        classifier: TokenClassifier,
        labels: LabelSet,
        settings: EncoderSettings = EncoderSettings(),
        *,
        reworded: bool = False,
        name: str = "encoder",
        traits: Traits = TUNED,
    ) -> None:
        told = {label.name: tellings(label, labels)[: None if reworded else 1] for label in labels.labels}
        digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        super().__init__(classifier, settings, name=f"{name}:{digest[:8]}", traits=traits)
        self._labels = labels
        self._told = {
            name: [classifier.tokens(text)[:LONGEST_DESCRIPTION] for text in texts] for name, texts in told.items()
        }

    def check(self, labels: Sequence[str], form: Format) -> None:
        """See `Particular`."""
        for name in labels:
            self._labels[name]
        if not form.repeats_text:
            raise ConfigError(f"an encoder does not answer in {form.name}", expected="tanl")

    _too_long = "Use shorter windows, or shorter definitions."

    def _asked(self, constraint: CopyConstraint) -> "_Asked":
        window = self.classifier.encode(constraint.text)
        unknown = [name for name in constraint.labels if name not in self._told]
        if unknown:
            raise ConfigError(
                f"the encoder was not given a description of {unknown[0]!r}", expected=", ".join(self._told)
            )
        told = [after(telling, window) for name in constraint.labels for telling in self._told[name]]
        return _Asked(constraint, self.classifier.heads[0], told)

    def _mentions(self, readings: Sequence[WindowTags], asked: "_Asked") -> list[Entity]:
        waiting = iter(readings)
        each = [list(islice(waiting, len(self._told[name]))) for name in asked.constraint.labels]
        together = [replace(found[0], tags=_mean([one.tags for one in found])) for found in each]
        return described_mentions(together, asked.constraint)


def _mean(logs: Sequence[Floats]) -> Floats:
    """The logarithm of the mean of probabilities, from their logarithms."""
    mean: Floats = np.logaddexp.reduce(logs) - np.log(len(logs))
    return mean


def _apart(found: Sequence[Entity]) -> list[Entity]:
    """The likeliest of mentions that overlap, in order: brackets cannot cross."""
    kept: list[Entity] = []
    for one in sorted(found, key=lambda entity: -(entity.score or 0.0)):
        if not any(one.span.overlaps(other.span) for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda entity: entity.start)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an encoder reads to answer one request.

    Attributes:
        parts: where the windows after the first stand in the text, where the first is the text.
    """

    constraint: CopyConstraint
    head: Head
    windows: list[Encoded]
    parts: Sequence[Span] = ()

    @property
    def longest(self) -> int:
        return max(len(ids) for ids, _ in self.windows)


LONGEST_DESCRIPTION = 200
"""Tokens of a description that are read; what comes after them is not."""

MOST_OTHERS = 8
"""Other labels of the set whose names are told with a label's description."""

_SHOWN = 8


def tellings(label: Label, labels: LabelSet) -> tuple[str, ...]:
    """What an encoder that reads descriptions is told of a label: what the set says of it, and which other labels.

    The mentions are those of the label in the set's examples, the first eight of them.

    Returns:
        The whole, then without the other labels, without the guideline, and without the name, as far as these differ.
    """
    given = (entity.text for example in labels.examples for entity in example.entities if entity.label == label.name)
    shown = list(dict.fromkeys(given))[:_SHOWN]
    listed = f" For example: {', '.join(shown)}." if shown else ""
    others = [name for name in labels.names if name != label.name][:MOST_OTHERS]
    rule = " ".join(label.guideline.split())
    whole, short = (f"{label.name}: {label.definition} {more}".strip() + listed for more in (rule, ""))
    nameless = f"{label.definition} {rule}".strip() + listed
    return tuple(dict.fromkeys((beside(whole, others), whole, beside(short, others), beside(nameless, others))))


def beside(told: str, others: Sequence[str]) -> str:
    """A description with the names of other labels that are asked for, so that each leaves the others theirs."""
    return f"{told} Other labels: {'; '.join(others)}." if others else told
