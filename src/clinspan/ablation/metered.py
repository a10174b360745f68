"""An LLM that asks nothing twice and says what it was asked about each document."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator

from clinspan.ablation.folder import Asked
from clinspan.errors import LLMError
from clinspan.llms.base import LLM, Wrapper, asking
from clinspan.messages import Completion, Request
from clinspan.runs.answers import Answers
from clinspan.runs.budget import Budget
from clinspan.runs.ledger import Ledger
from clinspan.runs.recorded import Recorded


class Metered(Wrapper):
    """Wraps an LLM.

    Args:
        llm: is asked what is not known.
        cache: answers of other runs, where they are wanted.
    """

    def __init__(self, llm: LLM, *, ledger: Ledger, cache: Answers | None, budget: Budget):
        super().__init__(llm)
        self._recorded = Recorded(llm, ledger=ledger, cache=cache, budget=budget, told=self._told)
        self._asked: dict[str, Asked] = {}
        self._known: set[int] = set()
        """The results that are on their way and were not asked for, by identity: two answers may be equal."""

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        """As the wrapped LLM answers.

        Raises:
            OutputError: when an answer cannot be kept.
        """
        whose: deque[str] = deque()

        def passed_on() -> Generator[Request, None, None]:
            for request in requests:
                whose.append(request.about.document if request.about is not None else "")
                yield request

        with asking(self._recorded, passed_on()) as answers:
            for answer in answers:
                self._count(whose.popleft(), answer)
                yield answer

    def take(self, document: str) -> Asked:
        """What was asked about a document since the last time that this was wanted."""
        return self._asked.pop(document, Asked())

    def _told(self, result: Completion | LLMError, *, known: bool) -> None:
        if known:
            self._known.add(id(result))

    def _count(self, document: str, answer: Completion | LLMError) -> None:
        known = id(answer) in self._known
        self._known.discard(id(answer))
        one = Asked(1, int(known))
        if isinstance(answer, Completion):
            one = Asked(1, int(known), answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens)
        self._asked[document] = self._asked.get(document, Asked()) + one
