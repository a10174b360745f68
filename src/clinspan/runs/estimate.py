"""What a run will take, found out by making its requests without sending them."""

from collections.abc import Iterable, Iterator

from clinspan.llms.base import LLM
from clinspan.messages import Completion, Request
from clinspan.runs.answers import NOTHING, Answers, Tokens
from clinspan.runs.key import content_key
from clinspan.runs.recorded import prompt_tokens

COPY = 1.1
"""Tokens of an answer that repeats the text with entities marked, for each token of the text."""
LIST = 0.15
"""Tokens of an answer that lists entities, for each token that it may have."""


class Estimator:
    """Stands in for an LLM: counts what it would be asked, and answers nothing but what is known.

    Args:
        llm: counts tokens; it is not asked.
        known: where answers may be that need no request, in order.
    """

    def __init__(self, llm: LLM, known: Iterable[Answers] = ()):
        self.llm = llm
        self.name = llm.name
        self.context = llm.context
        self.constrains = llm.constrains
        self.requests = 0
        """That would be made."""
        self.known = 0
        """That need not be made."""
        self.tokens = NOTHING
        """That the requests would take, estimated."""
        self._known = tuple(known)
        self._counted: set[bytes] = set()

    def count_tokens(self, text: str) -> int:
        """As the LLM counts."""
        return self.llm.count_tokens(text)

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """An answer that is known, or an empty one, for each request."""
        for request in requests:
            yield self._answer(request)

    def _answer(self, request: Request) -> Completion:
        key = content_key(self.llm, request)
        found = next((answer for store in self._known if isinstance(answer := store.get(key), Completion)), None)
        if found is not None or key in self._counted:
            self.known += 1
            return found or Completion("")
        self._counted.add(key)
        self.requests += 1
        self.tokens += Tokens(prompt_tokens(self.llm, request), self._expected(request))
        return Completion("")

    def _expected(self, request: Request) -> int:
        if request.constraint is not None:
            return min(request.max_tokens, round(COPY * self.llm.count_tokens(request.constraint.text)))
        return round(LIST * request.max_tokens)
