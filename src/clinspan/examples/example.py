"""An example of a pool: a window of an annotated document."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter

from clinspan.document import Document, Entity, Span
from clinspan.text.windows import WindowSettings, windows

SENTENCE = WindowSettings(max_sentences=1, overlap_sentences=0)
"""A sentence with the heading over it, which is how the study cuts its pools."""


@dataclass(frozen=True, slots=True)
class PoolExample:
    """A window of an annotated document, with all entities that lie in it.

    Attributes:
        start: where the window begins in the document, in code points.
        entities: those that begin in it, with offsets within `text`.

    Raises:
        ValueError: when an entity's text is not what stands at its offsets.
    """

    document: str
    start: int
    text: str
    entities: tuple[Entity, ...] = ()

    def __post_init__(self) -> None:
        for entity in self.entities:
            if entity.span.of(self.text) != entity.text:
                raise ValueError(
                    f"example from {self.document!r}: {entity.text!r} is not at {entity.start}-{entity.end}"
                )


def cut(document: Document, settings: WindowSettings = SENTENCE) -> Iterator[PoolExample]:
    """The windows of a document as examples, in order; windows that an entity lies across are joined.

    An entity that ends outside its window could only be shown by half, or be left unmarked, and either would teach
    the model something false.
    """
    for span in _joined([window.core for window in windows(document.text, settings)], document.entities):
        inside = tuple(e.shift(-span.start) for e in document.entities if span.contains(e.span))
        yield PoolExample(document.id, span.start, span.of(document.text), inside)


PART_OF = "part of"
"""The metadata of a document that is a part of another: the other's id."""


def sentences(document: Document) -> Iterator[Document]:
    """Each example that `cut` gives as a document of its own; `whole` names the one that it was cut from."""
    for example in cut(document):
        id = f"{example.document}:{example.start}"
        yield Document(id, example.text, example.entities, metadata={PART_OF: example.document})


def whole(document: Document) -> str:
    """The id of the document that this one is a part of; its own id when it is whole."""
    return str(document.metadata.get(PART_OF, document.id))


def _joined(spans: list[Span], entities: tuple[Entity, ...]) -> Iterator[Span]:
    if not spans:
        return
    # White space between windows is in none of them; an entity that reaches into it is cut off as well.
    cuts = {
        number
        for number, (before, after) in enumerate(pairwise(spans), 1)
        if any(entity.start < after.start and before.end < entity.end for entity in entities)
    }
    start = spans[0].start
    for number, span in enumerate(spans, 1):
        if number not in cuts:
            yield Span(start, span.end)
            start = spans[number].start if number < len(spans) else 0


def documents_of(pool: Iterable[PoolExample]) -> Iterator[Document]:
    """A pool's examples, each as a document."""
    for example in pool:
        yield Document(f"{example.document}:{example.start}", example.text, example.entities)


def rejoined(pool: Iterable[PoolExample]) -> Iterator[Document]:
    """The documents that a pool was built from, without what it does not keep.

    A pool keeps no white space between examples: one that ends like a sentence is followed by a space where there was
    one character, any other by a new line. A window that an earlier document had, annotated alike, is missing.
    """
    for id, examples in groupby(pool, key=attrgetter("document")):
        text, end = "", 0
        entities: list[Entity] = []
        for example in examples:
            if text:
                text += " " if text.endswith((".", "!", "?")) and example.start == end + 1 else "\n"
            entities += (entity.shift(len(text)) for entity in example.entities)
            text += example.text
            end = example.start + len(example.text)
        yield Document(id, text, tuple(entities))
