"""Candidates that the LLM lists before it is asked, to be looked up in the dictionary (DiRAG's first step).

Source: "LLMs in Biomedicine: A study on clinical Named Entity Recognition" (arXiv 2404.07376).
"""

from dataclasses import dataclass

from clinspan.dictionary.candidates import lookup_mentions, read_candidates
from clinspan.dictionary.match import Match
from clinspan.dictionary.store import Dictionary
from clinspan.errors import LLMError
from clinspan.labels import LabelSet
from clinspan.messages import Completion, FinishReason, Message, Place, Request
from clinspan.prompt import template

UNREAD = "the list of candidates was not read"
"""How the repairs of a window say that it was asked without the facts that a list would have given."""

_LIST_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a list gave: the terms that the dictionary knows; `fault` says why there is no list."""

    matches: tuple[Match, ...] = ()
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Proposer:
    """Asks for lists of candidates and looks up what they hold.

    Attributes:
        labels: what the candidates may be.
        dictionary: where they are looked up.
    """

    labels: LabelSet
    dictionary: Dictionary

    def request(self, text: str, about: Place | None = None) -> Request:
        """Asks for the list of candidates in a window."""
        asked = template("propose").render(labels=self.labels.labels, text=text)
        return Request((Message("user", asked),), _LIST_TOKENS, about=about)

    def read(self, answer: Completion | LLMError) -> Proposed:
        """Looks up what the answer lists. Never raises: what goes wrong is said in `fault`."""
        if isinstance(answer, LLMError):
            return Proposed(fault=f"{UNREAD}: {answer}")
        listed = read_candidates(answer.text)
        fault = None
        if listed.failed:
            fault = f"{UNREAD}: it is no list"
        elif answer.finish is FinishReason.LENGTH:
            fault = f"{UNREAD} to its end: cut off after {answer.completion_tokens} tokens"
        elif answer.finish is FinishReason.REFUSAL:
            fault = f"{UNREAD}: the model declined to answer"
        return Proposed(lookup_mentions(self.dictionary, listed.terms).matches, fault)
