"""What a conversion has lost, found by reading the result and comparing; nothing is taken on trust."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from clinspan.corpora.offsets import Ruler, Unit
from clinspan.document import Document, Entity


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of thing that is not as it was: how often, and where first."""

    what: str
    count: int
    first: str

    def __str__(self) -> str:
        return f"{self.what}: {self.count} (the first in {self.first})"


def compare(before: Sequence[Document], after: Sequence[Document]) -> tuple[Loss, ...]:
    """What of the documents is not in those that were read back, by kind.

    Where the text has other white space, entities are compared by the characters they cover.
    """
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    if len(before) != len(after):
        counts["documents"] = abs(len(before) - len(after))
        kept = {document.text for document in after}
        first["documents"] = next((f"document {d.id!r}" for d in before if d.text not in kept), "the number of them")
        by_id = {document.id: document for document in after}
        found = [(document, by_id[document.id]) for document in before if document.id in by_id]
    else:
        found = list(zip(before, after, strict=True))
    for old, new in found:
        for what in _differences(old, new):
            counts[what] += 1
            first.setdefault(what, f"document {old.id!r}")
    return tuple(Loss(what, count, first[what]) for what, count in counts.items())


def _differences(old: Document, new: Document) -> Iterator[str]:
    if old.id != new.id:
        yield "ids of documents"
    same = old.text == new.text
    if not same:
        alike = old.text.split() == new.text.split()
        yield "white space of texts" if alike else "characters of texts"
    rulers = (None, None) if same else (Ruler(old.text, Unit.NO_SPACE), Ruler(new.text, Unit.NO_SPACE))
    left = [(_place(entity, rulers[1]), entity) for entity in new.entities]
    for entity in old.entities:
        place = _place(entity, rulers[0])
        found = _nearest(entity, [other for there, other in left if there == place])
        if found is None:
            yield "entities (their place or label)"
            continue
        left.remove((place, found))
        yield from _details(entity, found, rulers)
    if old.windows != new.windows:
        yield "reports of windows"
    for key, value in old.metadata.items():
        if key not in new.metadata or new.metadata[key] != value:
            yield f"metadata {key!r}"


def _place(entity: Entity, ruler: Ruler | None) -> tuple[int, int, str]:
    if ruler is None:
        return entity.start, entity.end, entity.label
    return ruler.units(entity.start), ruler.units(entity.end), entity.label


def _nearest(entity: Entity, others: list[Entity]) -> Entity | None:
    """Of those in the same place the one that is most alike: one place may hold several."""
    return max(others, key=lambda o: (o == entity, o.fragments == entity.fragments), default=None)


def _details(old: Entity, new: Entity, rulers: tuple[Ruler | None, Ruler | None]) -> Iterator[str]:
    def parts(entity: Entity, ruler: Ruler | None) -> list[tuple[int, int]]:
        if ruler is None:
            return [(part.start, part.end) for part in entity.fragments]
        return [(ruler.units(part.start), ruler.units(part.end)) for part in entity.fragments]

    if parts(old, rulers[0]) != parts(new, rulers[1]):
        yield "gaps in discontinuous entities"
    if old.score != new.score:
        yield "scores"
    if old.match != new.match:
        yield "kinds of match"
    if [(c.bare_id, c.source) for c in old.concepts] != [(c.bare_id, c.source) for c in new.concepts]:
        yield "concepts"
    elif [replace(c, id=c.bare_id) for c in old.concepts] != [replace(c, id=c.bare_id) for c in new.concepts]:
        yield "names, types or scores of concepts"
    if old.rules != new.rules:
        yield "rules that moved boundaries"
    for name, value in old.attributes.items():
        if new.attribute(name) != value:
            yield f"attributes {name!r}"
