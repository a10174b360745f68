"""What a run says of itself: windows as they are read, times by stage, counts and remarks."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from clinspan.document import READ_STATES, Document, Entity, Span, WindowState
from clinspan.tagging.calibration import REVIEW


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
