"""What tags can say: entities without gaps that do not overlap."""

from dataclasses import replace

from clinspan.document import Document, Entity


def flat(document: Document) -> Document:
    """The document with discontinuous entities as their hulls and, of those that overlap, the longest alone.

    Of two of one length the first is kept, and of two in one place the one that was listed first.
    """
    kept: list[Entity] = []
    taken: set[int] = set()
    for entity in sorted(document.entities, key=lambda e: (-len(e.span), e.start)):
        covered = range(entity.start, entity.end)
        if taken.isdisjoint(covered):
            taken.update(covered)
            kept.append(replace(entity, fragments=()))
    return replace(document, entities=tuple(sorted(kept, key=lambda e: e.span)))
