"""What is asked of the LLM for one document, before anything is asked."""

from dataclasses import dataclass

from clinspan.document import Document
from clinspan.labels import LabelSet
from clinspan.messages import Request
from clinspan.pipeline.knowledge import Knowledge
from clinspan.text.windows import Window


@dataclass(frozen=True, slots=True)
class Question:
    """One request about one window, and the labels it asks for."""

    request: Request
    labels: LabelSet


@dataclass(frozen=True, slots=True)
class Cut:
    """A document in windows, with what the dictionary knows of it."""

    document: Document
    windows: tuple[Window, ...]
    knowledge: Knowledge


@dataclass(frozen=True, slots=True)
class Plan:
    """A document, its windows, and the questions to ask about each.

    Attributes:
        questions: one tuple for each window, in order; empty where the window needs no call, several where the format
            asks for one label at a time.
    """

    document: Document
    windows: tuple[Window, ...]
    questions: tuple[tuple[Question, ...], ...]
    knowledge: Knowledge
    faults: tuple[str | None, ...]

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests, window by window."""
        return tuple(question.request for asked in self.questions for question in asked)
