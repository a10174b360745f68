"""Documents through an LLM as it has room: nothing waits for a batch to be full or to be done."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from types import TracebackType

from clinspan.document import Document
from clinspan.errors import ContextOverflow, LLMError
from clinspan.labels import LabelSet
from clinspan.llms.base import LLM, asking
from clinspan.messages import Completion, Place, Request
from clinspan.pipeline.halves import Halves
from clinspan.pipeline.outcome import Outcome
from clinspan.pipeline.propose import Proposed, Proposer
from clinspan.pipeline.question import Question
from clinspan.pipeline.times import Stopwatch, Times
from clinspan.pipeline.underway import Underway
from clinspan.text.windows import Window, WindowSettings

_LISTED_TOGETHER = 8

_Shown = tuple[Underway, Window, Proposed]


@dataclass(frozen=True, slots=True)
class Steps:
    """What the tagger does for a stream.

    Attributes:
        begin: cuts a document.
        ask: the questions about a window.
        read: what an answer to one of them says.
        cut: how documents are cut, should a window have to be cut again.
        proposer: for a first call in which the LLM lists candidates for a window; None where there is none.
    """

    begin: Callable[[Document], Underway]
    ask: Callable[[Underway, Window, Proposed], tuple[Question, ...]]
    read: Callable[[str, Question, Completion | LLMError], Outcome]
    cut: WindowSettings
    proposer: Proposer | None


class Stream:
    """Puts the windows of documents to an LLM, in order.

    The LLM pulls requests (see `LLM.complete`), and that makes them: documents are read, cut and looked up no sooner
    than there is room for their first question. Used once.

    Args:
        llm: is asked.
        steps: what is done with each document, window and answer.
        ahead: windows that may be held behind the document that is next to be given. Where so many are (an LLM that
            pulls without end, or note after note about which nothing needs to be asked), what was asked is finished
            first.
    """

    def __init__(self, llm: LLM, steps: Steps, *, ahead: int):
        self._llm = llm
        self._steps = steps
        self._ahead = ahead
        self._held: deque[Underway] = deque()
        self._weight = 0
        self._asked: deque[tuple[Underway, Window, Proposed, Question]] = deque()
        self._fault = Fault()
        self._ended = False

    def run(self, documents: Iterable[Document]) -> Generator[Underway, None, None]:
        """Each document in order whenever one or more of its windows were read, for the last time when it is done.

        Raises:
            Exception: what `documents` raises, once all that came before it were given.
            LLMError: when the LLM gives more or fewer results than there were requests.
        """
        source = iter(documents)
        while not self._ended:
            with asking(self._llm, self._requests(source)) as answers:
                for answer in answers:
                    self._take(answer)
                    yield from self._news()
            if self._asked:
                raise LLMError(f"{len(self._asked)} requests were left without a result", where=self._llm.name)
            yield from self._news()
        if self._fault.error is not None:
            raise self._fault.error

    def _take(self, answer: Completion | LLMError) -> None:
        if not self._asked:
            raise LLMError("there was a result without a request", where=self._llm.name)
        underway, window, proposed, question = self._asked.popleft()
        text, times = underway.document.text, underway.times
        _add(times, answer)
        lap = Stopwatch()
        if isinstance(answer, ContextOverflow):
            read = self._halves(underway, proposed).of(window, text, question.labels, answer)
            times.llm += lap()
        else:
            read = self._steps.read(window.span.of(text), question, answer)
        underway.take(read)
        times.reading += lap()

    def _halves(self, underway: Underway, proposed: Proposed) -> Halves:
        def ask(part: Window, labels: LabelSet) -> Question | None:
            questions = self._steps.ask(underway, part, proposed)
            return next((question for question in questions if question.labels == labels), None)

        return Halves(self._llm, self._steps.cut, ask, self._steps.read)

    def _news(self) -> Iterator[Underway]:
        while self._held and self._held[0].done:
            given = self._held.popleft()
            self._weight -= _weight(given)
            yield given
        if self._held:
            yield self._held[0]

    def _requests(self, source: Iterator[Document]) -> Generator[Request, None, None]:
        waiting: Question | None = None
        with closing(self._proposed(source)) as shown:
            for underway, window, proposed in shown:
                about = Place(underway.document.id, window.core)
                asked = self._steps.ask(underway, window, proposed)
                questions = [Question(replace(each.request, about=about), each.labels) for each in asked]
                underway.plan(len(questions), proposed.fault)
                for question in questions:
                    # One behind, so that a document is known to be done when the last question about it is answered,
                    # though windows about which nothing is asked follow.
                    if waiting is not None:
                        yield waiting.request
                    self._asked.append((underway, window, proposed, question))
                    waiting = question
                if waiting is not None and window.index == len(underway.windows) - 1:
                    yield waiting.request
                    waiting = None

    def _proposed(self, source: Iterator[Document]) -> Generator[_Shown, None, None]:
        """Every window with what the LLM lists for it, where that is wanted."""
        proposer = self._steps.proposer
        if proposer is None:
            for underway, window in self._begun(source):
                yield underway, window, Proposed()
            return
        shown: deque[tuple[Underway, Window]] = deque()

        def requests() -> Generator[Request, None, None]:
            for underway, window in self._begun(source):
                shown.append((underway, window))
                yield proposer.request(window.span.of(underway.document.text), Place(underway.document.id, window.core))

        with asking(self._llm, requests()) as answers:
            # Some together, since a model in this process evaluates what consecutive prompts share only once.
            while lists := list(islice(answers, _LISTED_TOGETHER)):
                for answer in lists:
                    underway, window = shown.popleft()
                    _add(underway.times, answer)
                    lap = Stopwatch()
                    listed = proposer.read(answer)
                    underway.times.dictionary += lap()
                    yield underway, window, listed

    def _begun(self, source: Iterator[Document]) -> Iterator[tuple[Underway, Window]]:
        while self._room() and (document := self._next(source)) is not None:
            underway = self._steps.begin(document)
            self._held.append(underway)
            self._weight += _weight(underway)
            for window in underway.windows:
                yield underway, window

    def _room(self) -> bool:
        return not self._held or self._weight - _weight(self._held[0]) < self._ahead

    def _next(self, source: Iterator[Document]) -> Document | None:
        document = None
        with self._fault:
            document = next(source, None)
        self._ended = document is None
        return document


def _add(times: Times, answer: Completion | LLMError) -> None:
    if isinstance(answer, Completion):
        times.llm += answer.seconds


def _weight(underway: Underway) -> int:
    # An empty document has no window, and is held all the same.
    return len(underway.windows) + 1


class Fault:
    """Keeps what is raised inside it, to be raised in its turn; Ctrl-C and the like go through."""

    error: Exception | None = None

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self.error = error
        return isinstance(error, Exception)
