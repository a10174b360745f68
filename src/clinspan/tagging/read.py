"""What was read: an LLM's answer about one window, as verified entities and a named state; and what a run says of that.

A run tells of windows as they are read, of times by stage, of counts and remarks.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from clinspan.document import READ_STATES, Document, Entity, Span, WindowState
from clinspan.errors import BudgetError, LLMError
from clinspan.formats.base import Format, Reading
from clinspan.formats.fidelity import DriftKind, align_copy
from clinspan.grounding import GroundingSettings, ground
from clinspan.labels import LabelSet
from clinspan.messages import Completion, FinishReason, FoundSpan, Request
from clinspan.tagging.calibration import REVIEW


@dataclass(frozen=True, slots=True)
class Question:
    """One request about one window, and the labels it asks for."""

    request: Request
    labels: LabelSet


# Where the questions about one window end differently, the window has the state that needs attention most.
_WORST_FIRST = (
    WindowState.FAILED,
    WindowState.OVER_BUDGET,
    WindowState.REFUSED,
    WindowState.TRUNCATED,
    WindowState.UNREADABLE,
    WindowState.OK,
    WindowState.EMPTY,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one window; offsets of `entities` are the window's own."""

    state: WindowState
    entities: tuple[Entity, ...] = ()
    detail: str | None = None
    unread: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()


UNASKED = Outcome(WindowState.EMPTY)
"""A window in which no entity is possible, so that no LLM was asked."""


def read_answer(
    text: str,
    question: Question,
    answer: Completion | LLMError,
    *,
    form: Format,
    settings: GroundingSettings,
) -> Outcome:
    """Reads and verifies one answer about the window `text`. Never raises, whatever the answer."""
    if isinstance(answer, BudgetError):
        return Outcome(WindowState.OVER_BUDGET, detail=str(answer))
    if isinstance(answer, LLMError):
        return Outcome(WindowState.FAILED, detail=str(answer))
    if answer.spans is not None:
        return _found(text, question, answer, answer.spans)
    reading = form.parse(answer.text, question.labels)
    grounded = ground(text, reading.mentions, copy=reading.copy, settings=settings)
    state, detail = _judge(text, reading, answer, bool(grounded.entities))
    return Outcome(
        state,
        grounded.entities,
        detail,
        unread=tuple(f"{part.reason}: {part.text!r}" for part in reading.unread)
        + tuple(f"{left.reason}: {left.mention.text!r} ({left.mention.label})" for left in grounded.ungrounded),
        repairs=tuple(repair.what for repair in reading.repairs),
    )


def join(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a window about which several questions were asked."""
    if not outcomes:
        return UNASKED
    if len(outcomes) == 1:
        return outcomes[0]
    worst = min(outcomes, key=lambda outcome: _WORST_FIRST.index(outcome.state))
    return Outcome(
        worst.state,
        tuple(entity for outcome in outcomes for entity in outcome.entities),
        worst.detail,
        tuple(part for outcome in outcomes for part in outcome.unread),
        tuple(part for outcome in outcomes for part in outcome.repairs),
    )


def _found(text: str, question: Question, answer: Completion, spans: Sequence[FoundSpan]) -> Outcome:
    """What became of a window in which the LLM names the places itself."""
    entities, unread = [], []
    for found in sorted(spans, key=lambda found: (found.span.start, -found.span.end, found.label)):
        span, label = found.span, found.label
        if span.end > len(text):
            unread.append(f"the window ends before: {label} at {span.start}-{span.end}")
        elif label not in question.labels:
            unread.append(f"not a label that was asked for: {label!r}")
        else:
            said, scores = found.attributes, found.attribute_scores
            entity = Entity(span, label, span.of(text), found.score, attributes=said, attribute_scores=scores)
            entities.append(entity)
    state, detail = _ended(answer) or _whole(unread, bool(entities))
    return Outcome(state, tuple(entities), detail, unread=tuple(unread))


def _ended(answer: Completion) -> tuple[WindowState, str] | None:
    """The state that the end of an answer tells of by itself."""
    if answer.finish is FinishReason.REFUSAL:
        return WindowState.REFUSED, "the model declined to answer"
    if answer.finish is FinishReason.LENGTH:
        return WindowState.TRUNCATED, f"the answer was cut off after {answer.completion_tokens} tokens"
    return None


def _whole(lost: Sequence[str], found: bool) -> tuple[WindowState, str | None]:
    """The state of a window whose answer is whole, but for what was not understood."""
    if lost:
        return WindowState.UNREADABLE, f"{len(lost)} parts of the answer were not understood, first: {lost[0]}"
    return (WindowState.OK if found else WindowState.EMPTY), None


def _judge(text: str, reading: Reading, answer: Completion, found: bool) -> tuple[WindowState, str | None]:
    ended = _ended(answer)
    drift = align_copy(reading.copy, text).drift if reading.copy is not None else None
    # A faithful copy of a note that sounds like a refusal ("I cannot sleep") is none.
    if reading.refused and (drift is None or not drift.faithful):
        return WindowState.REFUSED, "the model declined to answer"
    if ended is not None:
        return ended
    if drift is not None and drift.kind is DriftKind.TRUNCATED:
        return WindowState.TRUNCATED, f"the answer repeats the text only up to character {drift.reached}"
    if drift is not None and drift.kind is DriftKind.OTHER:
        return WindowState.UNREADABLE, "the answer is no copy of the text"
    return _whole([part.reason for part in reading.unread if not part.harmless], found)


@dataclass(frozen=True, slots=True)
class Remark:
    """One line of a summary; `warns` says that the user should look at it."""

    name: str
    value: str
    warns: bool = False


@dataclass(slots=True)
class Times:
    """Seconds by the clock that one document took; grows as the document goes its way.

    All but `llm` are of the thread that asks for documents, and add up. `llm` is the sum of what each request took: an
    LLM that has several under way gives more seconds than passed, and an answer that was known gives those that it took
    when it was asked for.

    Attributes:
        windows: cutting the text.
        dictionary: finding its terms in the text, ranking facts, linking what was found.
        retrieval: looking up and choosing examples.
        prompt: building the chat.
        llm: answers, lists of candidates included.
        reading: parsing answers, grounding and merging what they name.
    """

    windows: float = 0.0
    dictionary: float = 0.0
    retrieval: float = 0.0
    prompt: float = 0.0
    llm: float = 0.0
    reading: float = 0.0


Timed = Callable[[str, Times], None]
"""Is told a document's id and its times, when it is done."""


class Stopwatch:
    """Each call gives the seconds since the one before, or since it was made."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = perf_counter()

    def __call__(self) -> float:
        """Seconds of this lap."""
        last, self._last = self._last, perf_counter()
        return self._last - last


@dataclass(frozen=True, slots=True)
class WindowRead:
    """One window of a document, and what was verified in it.

    Attributes:
        document: the document's id.
        index, of: which of its windows this is, from 0, and how many there are.
        span: the part of the text that the window answers for.
        state: what became of it.
        entities: those that begin in the span. When the document is done, neighbouring windows that were shown the same
            place have been heard too, so a few may still go, or come.
        words: in the span.
    """

    document: str
    index: int
    of: int
    span: Span
    state: WindowState
    entities: tuple[Entity, ...]
    words: int


Progress = Callable[[WindowRead], None]


@dataclass(slots=True)
class Summary:
    """Counts that grow with every document added; memory does not depend on how many."""

    documents: int = 0
    characters: int = 0
    words: int = 0
    problems: int = 0
    """Inputs that could not be read."""
    asked: int = 0
    """Windows about which the LLM was asked."""
    ungrounded: int = 0
    """Mentions and parts of answers that were not reported, since the text does not bear them or they were unread."""
    unread_lists: int = 0
    """Windows whose list of candidates could not be had or read, so that they were asked without its facts."""
    linked: int = 0
    """Entities that the dictionary has a concept for."""
    reviewed: int = 0
    """Entities that a person is to look at."""
    states: Counter[WindowState] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)

    def add(self, document: Document) -> None:
        """Counts one tagged document."""
        self.documents += 1
        self.characters += len(document.text)
        self.words += len(document.text.split())
        for window in document.windows:
            self.states[window.state] += 1
            self.asked += window.asked
            self.ungrounded += len(window.unread)
            self.unread_lists += window.unlisted is not None
        for entity in document.entities:
            self.labels[entity.label] += 1
            self.linked += bool(entity.concepts)
            self.reviewed += entity.attribute(REVIEW) is not None

    @property
    def unread_windows(self) -> int:
        """Windows that did not end in `ok` or `empty`."""
        return sum(count for state, count in self.states.items() if state not in READ_STATES)

    @property
    def entities(self) -> int:
        """Entities of all labels."""
        return self.labels.total()

    @property
    def exit_status(self) -> int:
        """0 when everything was read, 3 when an input or a window was not."""
        return 3 if self.unread_windows or self.problems else 0
