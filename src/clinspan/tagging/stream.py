"""Puts the windows of documents to an LLM as it has room. Nothing waits for a batch to fill up.

A window that does not fit into the context is asked about in parts (`Halves`).
"""

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from types import TracebackType

from clinspan.document import READ_STATES, Document, WindowState
from clinspan.errors import ContextOverflow, LLMError
from clinspan.labels import LabelSet
from clinspan.llms.base import LLM, asking
from clinspan.messages import Completion, Place, Request
from clinspan.tagging.demonstrations import Nearby
from clinspan.tagging.evidence import WindowEvidence
from clinspan.tagging.knowledge import Knowledge, Proposed, Proposer
from clinspan.tagging.read import UNASKED, Outcome, Question, Stopwatch, Times, join
from clinspan.text.windows import Window, WindowEntities, WindowSettings, merge, tokens, windows


@dataclass(slots=True)
class Underway:
    """A document in windows, what the dictionary knows of it, and what became of its windows so far.

    Requests are not kept: a long note's prompts together are many times its size.

    Attributes:
        nearby: what examples are chosen from for its windows; None where nothing is chosen.
        outcomes: of the windows that were read, from the first on; offsets are the window's own.
        asked: for each window that was planned, whether the LLM is asked about it.
        told: how many of the windows read were told of.
        faults: for each window that was planned, why facts are missing from its questions; None where none are.
        times: what it took so far.
        beside: what an encoder that is heard before the LLM found.
        doubtful: the windows, by their index, that an LLM is to be asked about; None for no such choice.
    """

    document: Document
    windows: tuple[Window, ...]
    knowledge: Knowledge
    nearby: Nearby | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    asked: list[bool] = field(default_factory=list)
    faults: list[str | None] = field(default_factory=list)
    told: int = 0
    times: Times = field(default_factory=Times)
    beside: tuple[WindowEvidence, ...] | None = None
    doubtful: frozenset[int] | None = None
    _open: list[int] = field(default_factory=list)
    _read: list[Outcome] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """True when every window was read."""
        return len(self.outcomes) == len(self.windows)

    def plan(self, questions: int, fault: str | None = None) -> None:
        """The next window is one about which so many questions will be answered."""
        self.asked.append(questions > 0)
        self.faults.append(fault)
        self._open.append(questions)
        self._settle()

    def take(self, read: Outcome) -> None:
        """What one answer says; answers come in the order of the questions."""
        self._read.append(read)
        self._settle()

    def _settle(self) -> None:
        while len(self.outcomes) < len(self._open) and len(self._read) == self._open[len(self.outcomes)]:
            self.outcomes.append(join(self._read))
            self._read = []


log = logging.getLogger(__name__)

SHORTEST = 8
"""Tokens of the text: where so few do not fit, it is the prompt around them that does not."""

# A half and a little more, so that two parts with an overlap hold the whole.
_PART = 0.6

Ask = Callable[[Window, LabelSet], Question | None]
Read = Callable[[str, Question, Completion | LLMError], Outcome]


@dataclass(frozen=True, slots=True)
class Halves:
    """Asks about parts of a window, cut between sentences, else between words.

    Attributes:
        llm: is asked, while the results of other requests wait: windows that do not fit are to be rare.
        settings: how the document was cut.
        ask: the question about a part; None where the part needs no call.
        read: what an answer says.
    """

    llm: LLM
    settings: WindowSettings
    ask: Ask
    read: Read

    def of(self, window: Window, text: str, labels: LabelSet, fault: ContextOverflow) -> Outcome:
        """What the parts of a window say together, in the window's own offsets.

        Args:
            window: that did not fit.
            text: of its document.
            labels: what was asked for.
            fault: what the LLM said to the whole.
        """
        shown = window.span.of(text)
        parts = self._cut(shown)
        if len(parts) < 2:
            detail = (
                f"the window does not fit into the model's context, not even in parts: {fault}. "
                "Fewer examples make shorter prompts: --k 2, or --select fixed."
            )
            return Outcome(WindowState.OVER_BUDGET, detail=detail)
        log.warning("a window did not fit into the model's context and is asked about in parts: %s", fault)
        at = window.span.start
        placed = [Window(window.index, part.span.shift(at), part.core.shift(at)) for part in parts]
        questions = [self.ask(part, labels) for part in placed]
        with asking(self.llm, (question.request for question in questions if question is not None)) as answers:
            read = [
                UNASKED if question is None else self._read(part, text, question, next(answers))
                for part, question in zip(placed, questions, strict=True)
            ]
        return _joined(parts, read)

    def _cut(self, shown: str) -> tuple[Window, ...]:
        size = len(tokens(shown))
        if size <= SHORTEST:
            return ()
        most = max(4, int(size * _PART))
        settings = WindowSettings(
            max_tokens=most,
            overlap_sentences=min(1, self.settings.overlap_sentences),
            longest_mention=self.settings.longest_mention,
        )
        return windows(shown, settings)

    def _read(self, part: Window, text: str, question: Question, answer: Completion | LLMError) -> Outcome:
        if isinstance(answer, ContextOverflow):
            return self.of(part, text, question.labels, answer)
        return self.read(part.span.of(text), question, answer)


def _joined(parts: tuple[Window, ...], read: list[Outcome]) -> Outcome:
    if all(result is UNASKED for result in read):
        return UNASKED
    whole = join(read)
    entities = merge(
        [
            WindowEntities(
                part.span,
                part.core,
                tuple(entity.shift(part.span.start) for entity in result.entities),
                # A part that was not asked about says nothing about what its neighbours found.
                read=result is not UNASKED and result.state in READ_STATES,
            )
            for part, result in zip(parts, read, strict=True)
        ]
    )
    return Outcome(whole.state, entities, whole.detail, whole.unread, whole.repairs)


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
            raise LLMError("there was a result for no request", where=self._llm.name)
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
