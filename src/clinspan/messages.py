"""What goes to an LLM and what comes back, and how an answer is written as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal

from clinspan.document import NO_ATTRIBUTES, Attributes, Span, check_attribute_scores
from clinspan.errors import LLMError

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


@dataclass(frozen=True, slots=True)
class AskedAttribute:
    """An attribute that an answer may say of a mention: each of its values, and how an answer writes it."""

    name: str
    values: tuple[tuple[str, str], ...]


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
        attributes: what is asked of the mentions of a label, by its name, in the order in which an answer writes it.
        consider: name each mention that has at least this probability too, though it is not in the likeliest set; they
            may overlap. For those that know the probabilities of all, as encoders do. None: the likeliest set alone.
    """

    text: str
    labels: tuple[str, ...]
    candidates: tuple[Candidate, ...] = ()
    candidate_mode: CandidateMode = "off"
    open_bias: float = 0.0
    label_bias: Mapping[str, float] = field(default_factory=dict)
    candidate_bias: float = 0.0
    attributes: Mapping[str, tuple[AskedAttribute, ...]] = field(default_factory=dict)
    consider: float | None = None


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
        json_schema: the schema of a right answer, for formats that answer in JSON; LLMs that cannot use it ignore it.
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
class FoundSpan:
    """A mention that was found in the request's text.

    Attributes:
        span: in the text of the request's constraint.
        score: its probability, where known.
        attributes: what else is said of it.
        attribute_scores: probabilities of attributes' values, where known; see `Entity`.
    """

    span: Span
    label: str
    score: float | None = None
    attributes: Mapping[str, str] = NO_ATTRIBUTES
    attribute_scores: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise ValueError(f"a score is a probability in [0, 1], not {self.score}")
        if not isinstance(self.attributes, Attributes):
            object.__setattr__(self, "attributes", Attributes(self.attributes))
        check_attribute_scores(self.attribute_scores, self.attributes)


@dataclass(frozen=True, slots=True)
class Completion:
    """An LLM's answer.

    Attributes:
        spans: what the LLM found, where it knows the places itself (a constrained decoder, an encoder). `text` then
            says the same, and need not be read. None: `text` is all there is.
        constrained: True when the LLM itself kept to the request's constraint.
        prompt_tokens, completion_tokens: as counted by the LLM; 0 where unknown.
        cached_tokens: how many of the prompt tokens were taken from a prefix already evaluated.
        seconds: wall time of the attempt that was answered.
        attempts: how often the request was sent until it was answered.
    """

    text: str
    finish: FinishReason = FinishReason.STOP
    spans: tuple[FoundSpan, ...] | None = None
    constrained: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    attempts: int = 1


def dump_spans(spans: Sequence[FoundSpan]) -> list[list[Any]]:
    """The spans as JSON: start, end, label, score and attributes of each, and the attributes' scores where known."""
    return [
        [f.span.start, f.span.end, f.label, f.score, dict(f.attributes)]
        + ([dict(f.attribute_scores)] if f.attribute_scores else [])
        for f in spans
    ]


def load_spans(data: Sequence[Sequence[Any]]) -> tuple[FoundSpan, ...]:
    """The spans that `dump_spans` wrote.

    Raises:
        ValueError, TypeError: when the data are something else.
    """
    return tuple(
        FoundSpan(Span(start, end), label, score, Attributes(said), tuple(scores[0].items()) if scores else ())
        for start, end, label, score, said, *scores in data
    )


def dump_result(result: Completion | LLMError) -> dict[str, Any]:
    """An answer or a failure as JSON."""
    if isinstance(result, LLMError):
        said = {"what": result.what, "where": result.where, "expected": result.expected, "fix": result.fix}
        return {"error": {"kind": type(result).__name__, **said, "attempts": result.attempts}}
    answer: dict[str, Any] = {part.name: getattr(result, part.name) for part in fields(result)}
    answer["spans"] = None if result.spans is None else dump_spans(result.spans)
    return {"answer": answer}


def load_result(data: Mapping[str, Any]) -> Completion | LLMError:
    """What `dump_result` wrote; an error comes back as the kind of error that it was.

    Raises:
        ValueError, KeyError, TypeError: when the data are something else.
    """
    if "error" in data:
        said = dict(data["error"])
        attempts = said.pop("attempts")
        error = LLMError.of_kind(said.pop("kind"), said.pop("what"), **said)
        error.attempts = attempts
        return error
    answer = dict(data["answer"])
    spans = answer.pop("spans")
    finish = FinishReason(answer.pop("finish"))
    return Completion(**answer, finish=finish, spans=None if spans is None else load_spans(spans))
