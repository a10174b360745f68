"""The bias on opening that suits a model, chosen on gold sentences: one that was not tuned opens nothing by itself."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from clinspan.document import Document, Entity
from clinspan.errors import ConfigError
from clinspan.llms.base import LLM, SeesLogits, Wrapper
from clinspan.messages import Completion, Request
from clinspan.tagging.tagger import Tagger

_HIGHER = 0.01
"""What the bias is above the log-odds of the last place that is to open, which has none to spare."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A bias, and how it was chosen.

    Attributes:
        bias: to be added to the log-odds of opening.
        f1: of the places that open under it against those that should, had all before each been right.
        places: where a mention may open.
        right: where one does.
    """

    bias: float
    f1: float
    places: int
    right: int


class _Listener(Wrapper):
    """Keeps the requests that a tagger makes of an LLM, and answers with the text as it is."""

    def __init__(self, llm: LLM):
        super().__init__(llm)
        self.heard: list[Request] = []

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            self.heard.append(request)
            yield Completion(request.constraint.text if request.constraint else "")


def choose_opening(llm: SeesLogits, taggers: Sequence[Tagger], sentences: Iterable[Document]) -> Opening:
    """The bias with the best F1 at the places where a mention may open, over the prompts of all taggers together.

    Args:
        llm: that all taggers ask; their own biases do not count.
        taggers: make the prompts.
        sentences: gold ones, each short enough for one window; one that is not is passed over.

    Raises:
        ConfigError: when no sentence has a place to judge by.
    """
    judged: list[tuple[float, bool]] = []
    sentences = tuple(sentences)
    for tagger in taggers:
        listener = _Listener(llm)
        listening = tagger.with_(llm=listener)
        for sentence in sentences:
            listener.heard.clear()
            listening.tag(replace(sentence, entities=()))
            if len(listener.heard) != 1:
                continue
            starts = {entity.start for entity in sentence.entities}
            for boundary in llm.open_log_odds(listener.heard[0], _outermost(sentence.entities)):
                judged.append((boundary.log_odds, boundary.at in starts))
    return _best(judged)


def _best(judged: Sequence[tuple[float, bool]]) -> Opening:
    right = sum(opens for _, opens in judged)
    if not right:
        raise ConfigError("no sentence has a mention to choose the bias on opening by", fix="Take more sentences.")
    best, bias, taken, hit = 0.0, 0.0, 0, 0
    ranked = sorted(judged, reverse=True)
    for number, (odds, opens) in enumerate(ranked):
        taken, hit = taken + 1, hit + opens
        last = number + 1 == len(ranked) or ranked[number + 1][0] < odds
        # Of equal ones the last, which opens more: what is opened wrongly can still be rejected.
        if last and (f1 := 2 * hit / (taken + right)) >= best:
            best, bias = f1, round(_HIGHER - odds, 2)
    return Opening(bias, best, len(judged), right)


def _outermost(entities: Sequence[Entity]) -> tuple[Entity, ...]:
    return tuple(e for e in entities if not any(o is not e and o.span.contains(e.span) for o in entities))
