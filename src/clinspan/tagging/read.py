"""Reads an LLM's answer about one window: verified entities and a named state."""

from collections.abc import Sequence
from dataclasses import dataclass

from clinspan.document import Entity, WindowState
from clinspan.errors import BudgetError, LLMError
from clinspan.formats.base import Format, Reading
from clinspan.formats.fidelity import DriftKind, align_copy
from clinspan.grounding import GroundingSettings, ground
from clinspan.labels import LabelSet
from clinspan.messages import Completion, FinishReason, FoundSpan, Request


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
