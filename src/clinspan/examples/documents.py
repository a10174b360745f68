"""What a pool holds as documents again: each example by itself, or those of one document put together."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter

from clinspan.document import Document, Entity
from clinspan.examples.example import PoolExample


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
