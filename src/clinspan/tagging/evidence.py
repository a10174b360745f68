"""Where evidence from the dictionary, an encoder and an LLM meets, and becomes the entities of a document.

Each source says what it found in each window that it read. Offsets are shifted to the document once, in
`WindowEvidence.of`. A rule decides what is believed; `first_rule` is the one in use. Where there is a fused model, it
decides in the rule's place (`Fused`): what the sources say becomes candidates, and the best of them entities. A new
rule, or a new kind of evidence, begins here.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor
from typing import Any, Protocol

import numpy as np

from clinspan.assertion.assess import Reads, Told
from clinspan.dictionary.link import LabelTypes
from clinspan.dictionary.store import Dictionary
from clinspan.document import READ_STATES, Document, Entity, MatchKind, Span, WindowState
from clinspan.formats import by_name
from clinspan.fusion.heard import Heard, Source, gathered, window_of
from clinspan.fusion.model import FusedModel, entity_of
from clinspan.fusion.reasons import reasons
from clinspan.grounding import GroundingSettings
from clinspan.labels import LabelSet
from clinspan.llms.base import LLM, ReadsAttributes, asking
from clinspan.messages import CopyConstraint, Request
from clinspan.tagging.calibration import Calibration, Thresholds, sort_out
from clinspan.tagging.knowledge import Knowledge
from clinspan.tagging.read import Question, read_answer
from clinspan.tagging.settings import NAMED, profile_name
from clinspan.text.placeholders import outside
from clinspan.text.windows import Window, WindowEntities, merge, windows


@dataclass(frozen=True, slots=True)
class Evidence:
    """That one source names an entity.

    Attributes:
        entity: in the document's offsets, with what the source says of it.
        source: who names it.
        features: what else a rule may weigh, by name.
    """

    entity: Entity
    source: Source
    features: Mapping[str, float] = field(default_factory=dict)

    @property
    def span(self) -> Span:
        """In the document's offsets."""
        return self.entity.span

    @property
    def label(self) -> str:
        """The entity's label."""
        return self.entity.label

    @property
    def score(self) -> float | None:
        """The source's own probability; None where it gives none."""
        return self.entity.score

    @property
    def match(self) -> MatchKind:
        """How the mention was found in the text."""
        return self.entity.match


@dataclass(frozen=True, slots=True)
class WindowEvidence:
    """What one source found in one window.

    Attributes:
        source: who read it.
        span: the part of the document that the source was shown.
        core: the part that the window answers for.
        found: what it names.
        read: False where the source was not asked or its answer could not be read; it then says nothing about what
            other windows found.
    """

    source: Source
    span: Span
    core: Span
    found: tuple[Evidence, ...]
    read: bool

    @classmethod
    def of(cls, source: Source, window: Window, entities: Sequence[Entity], *, read: bool) -> "WindowEvidence":
        """The evidence of a window whose entities are in the window's own offsets."""
        found = tuple(Evidence(entity.shift(window.span.start), source) for entity in entities)
        return cls(source, window.span, window.core, found, read)

    def in_core(self) -> list[Evidence]:
        """What begins in the part that the window answers for."""
        return [one for one in self.found if self.core.start <= one.span.start < self.core.end]


TERM = "term"
"""The feature of a proposal that is one of its label's own `terms`, which are of the label wherever they stand."""

Rule = Callable[[Sequence[WindowEvidence], Sequence[Evidence]], Sequence[Evidence]]
"""Gets what was found in windows, and what the dictionary proposes in the document; gives what is believed."""


def first_rule(read: Sequence[WindowEvidence], proposals: Sequence[Evidence]) -> list[Evidence]:
    """The LLM decides where it was asked and read, an encoder elsewhere; the dictionary where there is neither."""
    llm = [window for window in read if window.source == "llm"]
    encoder = [window for window in read if window.source == "encoder"]
    if not llm and not encoder:
        return list(proposals)
    believed = merged(llm)
    if encoder:
        decided = [window.core for window in llm if window.read]
        taken = [one.span for one in believed]
        believed += [one for one in merged(encoder) if _is_free(one.span, decided, taken)]
    return believed if llm else with_terms(believed, [one for one in proposals if TERM in one.features])


def with_terms(believed: Sequence[Evidence], terms: Sequence[Evidence]) -> list[Evidence]:
    """What is believed, with the terms that the user lists for a label put in.

    A term within a longer mention of its label adds nothing; all else that overlaps it gives way.
    """
    kept = list(believed)
    for term in terms:
        if any(one.label == term.label and one.span.contains(term.span) for one in kept):
            continue
        kept = [one for one in kept if not one.span.overlaps(term.span)]
        kept.append(term)
    return kept


def merged(read: Sequence[WindowEvidence]) -> list[Evidence]:
    """What the overlapping windows of one source say together; see `text.windows.merge`."""
    if not read:
        return []
    by_place = {(one.span, one.label): one for window in reversed(read) for one in window.found}
    kept = merge(
        [
            WindowEntities(window.span, window.core, tuple(one.entity for one in window.found), read=window.read)
            for window in read
        ]
    )
    return [replace(by_place[entity.span, entity.label], entity=entity) for entity in kept]


def _is_free(span: Span, decided: Sequence[Span], taken: Sequence[Span]) -> bool:
    owned = any(core.start <= span.start < core.end for core in decided)
    return not owned and not any(span.overlaps(other) for other in taken)


def encoded(encoder: LLM, text: str, labels: LabelSet, *, consider: float | None = None) -> list[WindowEvidence]:
    """What an encoder finds in a document, in windows of its own, beside an LLM that reads longer ones."""
    cut = windows(text, NAMED[profile_name(encoder)].windows, count=encoder.count_tokens)
    places = [CopyConstraint(window.span.of(text), labels.names, consider=consider) for window in cut]
    questions = [Question(Request((), constraint=place), labels) for place in places]
    found = []
    with asking(encoder, (question.request for question in questions)) as answers:
        for window, question, answer in zip(cut, questions, answers, strict=True):
            shown = window.span.of(text)
            read = read_answer(shown, question, answer, form=by_name("tanl"), settings=GroundingSettings())
            found.append(WindowEvidence.of("encoder", window, read.entities, read=read.state in READ_STATES))
    return found


@dataclass(frozen=True, slots=True)
class Decider:
    """Makes entities of evidence.

    Attributes:
        calibration: what was learned about the source that decides.
        source: that one; the scores of others stay as they are.
        scores: whether probabilities are reported that no calibration says the meaning of.
        rule: says what is believed.
        terms: for each label those of its terms that stand whatever a model says, in lower case.
        thresholds: what was promised asks for in the document at hand.
    """

    calibration: Calibration
    source: Source
    scores: bool
    rule: Rule = first_rule
    terms: Mapping[str, frozenset[str]] = field(default_factory=dict)
    thresholds: Thresholds = field(default_factory=dict)

    def about(self, document: Document) -> "Decider":
        """The same with the thresholds that what was promised asks for in a document."""
        promise = self.calibration.promise
        return self if promise is None else replace(self, thresholds=promise.thresholds(document))

    def entities(self, read: Sequence[WindowEvidence], proposals: Sequence[Entity], text: str) -> tuple[Entity, ...]:
        """The entities of a document.

        Args:
            read: what was found in each window.
            proposals: what the dictionary alone would tag.
            text: of the document.
        """
        return self.learned(self.rule(read, [self._proposed(entity) for entity in proposals]), text)

    def _proposed(self, entity: Entity) -> Evidence:
        listed = entity.text.casefold() in self.terms.get(entity.label, ())
        return Evidence(entity, "dictionary", {TERM: 1.0} if listed else {})

    def learned(self, believed: Sequence[Evidence], text: str) -> tuple[Entity, ...]:
        """Applies the calibration, keeps placeholders out; of entities that then fall together the likelier stays."""
        kept: dict[tuple[Span, str], Entity] = {}
        for one in believed:
            calibrated = self._calibrated(one, text)
            sorted_out = sort_out(calibrated, one.score, self.thresholds) if calibrated is not None else None
            learned = outside(sorted_out, text) if sorted_out is not None else None
            if learned is None:
                continue
            place = (learned.span, learned.label)
            if place not in kept or (learned.score or 0.0) > (kept[place].score or 0.0):
                kept[place] = learned
        return tuple(sorted(kept.values(), key=lambda e: (e.start, -e.end, e.label)))

    def _calibrated(self, one: Evidence, text: str) -> Entity | None:
        if one.source != self.source:
            return one.entity
        learned = self.calibration.apply(one.entity, text)
        if learned is not None and not self.scores and learned.label not in self.calibration.dials:
            return replace(learned, score=None)
        return learned


def state_of(state: WindowState, core: Span, starts: Sequence[int]) -> WindowState:
    """`ok` or `empty` by whether one of the document's entities, which begin at `starts`, begins in a read window."""
    if state not in READ_STATES:
        return state
    found = bisect_left(starts, core.start) < bisect_left(starts, core.end)
    return WindowState.OK if found else WindowState.EMPTY


def reads(encoder: LLM | None, taught: str | None = None) -> Reads | None:
    """What says attributes of given entities; None where the encoder has no heads for any.

    Args:
        taught: a label whose attributes it was taught, as which every entity is shown; by its own label where None.
    """
    if not isinstance(encoder, ReadsAttributes) or not encoder.known_attributes:
        return None
    cut = NAMED[profile_name(encoder)].windows

    def read(document: Document, among: Collection[int] | None = None) -> Sequence[Mapping[str, Told]]:
        found: list[Mapping[str, Told]] = [{} for _ in document.entities]
        shown, numbers = [], []
        asked = range(len(document.entities)) if among is None else sorted(among)
        for window in windows(document.text, cut, count=encoder.count_tokens):
            core, start = window.core, window.span.start
            inside = [number for number in asked if core.start <= document.entities[number].start < core.end]
            if inside:
                here = (document.entities[number] for number in inside)
                spans = [(one.span.shift(-start), taught or one.label) for one in here]
                shown.append((window.span.of(document.text), spans))
                numbers.append(inside)
        for inside, said in zip(numbers, encoder.values(shown), strict=True):
            for number, values in zip(inside, said, strict=True):
                found[number] = values
        return found

    return read


def heard(read: Sequence[WindowEvidence], known: Knowledge, text: str) -> Heard:
    """What was heard of a document, with what the dictionary proposes in it."""
    llm = [window for window in read if window.source == "llm"]
    told: list[tuple[Source, Entity]] = [("llm", one.entity) for one in merged(llm)]
    for window in read:
        if window.source == "encoder":
            told += [("encoder", one.entity) for one in window.in_core()]
    told += [("dictionary", entity) for entity in known.proposals]
    asked = [window.core for window in llm if window.read]
    defined = known.written.defined if known.written is not None else ()
    return Heard(text, gathered(told, asked), known.terms, tuple(defined))


MOST = 3
"""Times the share that is asked about at most in one document: it may leave more doubt than others, not any amount."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The entities of a document, by place, and why, where that is asked for; see `fusion.reasons`."""

    entities: tuple[Entity, ...]
    reasons: list[dict[str, Any]] | None = None


class Decides(Protocol):
    """What makes entities of all that was heard of a document."""

    def doubtful(self, found: Heard, windows: Sequence[Window], share: float) -> frozenset[int]:
        """The windows, by their index, in which an LLM may change what is decided."""
        ...

    def decide(self, found: Heard) -> Decided:
        """The entities, by place."""
        ...


@dataclass(frozen=True, slots=True)
class Fused:
    """A fused model at work.

    Attributes:
        labels: what is asked for.
        explain: whether reasons are kept.
    """

    model: FusedModel
    labels: LabelSet
    explain: bool = False

    def doubtful(self, found: Heard, windows: Sequence[Window], share: float) -> frozenset[int]:
        """The windows, by their index, about which asking an LLM is expected to gain most; see `fusion.heard.Gain`.

        Args:
            found: before any LLM was asked.
            share: of the windows. As large a share of the windows that the model was fitted on gain as much as these;
                of one document it may be `MOST` times the share, and one window always.
        """
        gain = self.model.gain
        if gain is None:
            raise ValueError("a fused model that was fitted without an LLM does not know where one gains")
        verdicts = self.model.verdicts(found, self.labels)
        starts = [window.core.start for window in windows]
        gains = gain.of_windows(
            np.array([verdict.probability for verdict in verdicts]),
            self.model.tables["without llm"].least,
            window_of([verdict.candidate for verdict in verdicts], starts),
            len(windows),
        )
        worth = gain.worth(share)
        paying = [number for number in range(len(windows)) if gains[number] > 0 and gains[number] >= worth]
        most = max(1, floor(MOST * share * len(windows) + 0.5))
        return frozenset(windows[number].index for number in sorted(paying, key=lambda n: -gains[n])[:most])

    def decide(self, found: Heard) -> Decided:
        """The best set of candidates, with probabilities, and without placeholders of de-identified text."""
        verdicts = self.model.verdicts(found, self.labels, explain=self.explain)
        kept = (outside(entity_of(verdict), found.text) for verdict in verdicts if verdict.taken)
        entities = sorted((one for one in kept if one is not None), key=lambda e: (e.start, -e.end, e.label))
        return Decided(tuple(entities), reasons(self.model, found, verdicts) if self.explain else None)


@dataclass(slots=True)
class Listener:
    """Decides nothing, and keeps what was heard of each document."""

    heard: list[Heard] = field(default_factory=list)

    def doubtful(self, found: Heard, windows: Sequence[Window], share: float) -> frozenset[int]:
        """Every window: all is to be heard."""
        del found, share
        return frozenset(window.index for window in windows)

    def decide(self, found: Heard) -> Decided:
        """Nothing."""
        self.heard.append(found)
        return Decided(())


def sources_of(
    labels: LabelSet, llm: LLM | None, encoder: LLM | None, dictionary: Dictionary | None
) -> Mapping[Source, str]:
    """The sources of a tagger, each with its name and version; of a dictionary those that its labels look at."""
    sources: dict[Source, str] = {}
    if dictionary is not None:
        seen = LabelTypes(labels).seen(dictionary).info.sources
        sources["dictionary"] = ", ".join(f"{source.name} {source.version}" for source in seen)
    if encoder is not None:
        sources["encoder"] = encoder.name
    if llm is not None:
        sources["llm"] = llm.name
    return sources
