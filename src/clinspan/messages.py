"""What goes to an LLM and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from clinspan.document import Span

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place where the dictionary proposes an entity; `span` in the window's own offsets, `labels` best first."""

    span: Span
    labels: tuple[str, ...]


CandidateMode = Literal["off", "prefer", "only"]


@dataclass(frozen=True, slots=True)
class CopyConstraint:
    """Demands a TANL answer that is a copy of `text` with brackets put in; nothing else can be decoded.

    Attributes:
        text: the window, as the answer must repeat it.
        labels: the label names that may close a bracket, in the label set's order.
        candidates: where the dictionary proposes entities.
        candidate_mode: `off` ignores the candidates; `prefer` adds `candidate_bias` where one starts;
            `only` lets brackets open at candidates alone and close at their ends.
        open_bias: added to the log-odds of opening a bracket everywhere (the recall dial).
        label_bias: added to the log-odds of a label, by name.
        candidate_bias: added to the log-odds of opening where a candidate starts.
    """

    text: str
    labels: tuple[str, ...]
    candidates: tuple[Candidate, ...] = ()
    candidate_mode: CandidateMode = "off"
    open_bias: float = 0.0
    label_bias: Mapping[str, float] = field(default_factory=dict)
    candidate_bias: float = 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """The window that a request is about: its document's id and the part of it that the window answers for."""

    document: str
    core: Span


@dataclass(frozen=True, slots=True)
class Request:
    """One question to an LLM.

    Attributes:
        messages: the chat, whole.
        max_tokens: at most this many tokens are generated. An LLM that decodes by copying does not cut an answer with a
            `constraint`, which its text bounds.
        constraint: honoured by LLMs that can; the others answer freely and the reader checks the copy.
        json_schema: likewise, for formats that answer in JSON.
        about: for records; it is neither sent nor part of what tells two requests apart.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 512
    constraint: CopyConstraint | None = None
    json_schema: Mapping[str, object] | None = None
    about: Place | None = field(default=None, compare=False)


class FinishReason(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Completion:
    """An LLM's answer.

    Attributes:
        mention_scores: for a constrained answer, the probability (open x end x type) of each bracketed mention
            in the answer's order; None where the LLM gives none.
        constrained: True when the LLM itself kept to the request's constraint.
        prompt_tokens, completion_tokens: as counted by the LLM; 0 where unknown.
        cached_tokens: how many of the prompt tokens were taken from a prefix already evaluated.
        seconds: wall time of the attempt that was answered.
        attempts: how often the request was sent until it was answered.
    """

    text: str
    finish: FinishReason = FinishReason.STOP
    mention_scores: tuple[float, ...] | None = None
    constrained: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    attempts: int = 1
