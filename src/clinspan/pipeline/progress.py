"""What is told of each window as soon as it is read, long before its document is done."""

from collections.abc import Callable
from dataclasses import dataclass

from clinspan.document import Entity, Span, WindowState


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
