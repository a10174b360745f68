"""Which entity a detail belongs to, such as the drug of a dose: by nearness in its sentence, list item or table row.

A label set declares that a label is a detail of another (`of = "drug"`). The detail then carries the attribute `of`
with the id of its owner. The rules were chosen on the development notes of clinspan's own corpus; docs/results.md has
the figures and their command.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clinspan.document import OF, Document, Entity, Span
from clinspan.labels import LabelSet
from clinspan.text.sentences import sentences

_REACH = 250
"""An owner in an earlier sentence ends at most so many characters before its detail."""
_TOUCHES = re.compile(r"(?:\s+|\s*-\s*)(?:of\s+)?(?:the\s+)?", re.IGNORECASE)
"""What may stand between a detail and the owner or detail that it goes with: "5 mL of lidocaine"."""
_ITEM = re.compile(r"^([ \t]*)(?:(\d{1,3})[.)]|([-*•·]))[ \t]+|^[ \t]*$", re.MULTILINE)
"""Where an item of a list begins, with a number or a sign, and empty lines, which end a list."""


def numbered(document: Document) -> Document:
    """The document with an id for each entity: `e1`, `e2` and so on in order; ids that are there stay."""
    taken = {entity.id for entity in document.entities}
    if None not in taken and len(taken) == len(document.entities):
        return document
    made: list[Entity] = []
    given: set[str] = set()
    for number, entity in enumerate(document.entities, 1):
        id = entity.id
        if id is None or id in given:
            free = (f"e{n}" for n in range(number, number + len(taken) + len(document.entities) + 1))
            id = next(one for one in free if one not in taken and one not in given)
        given.add(id)
        made.append(entity if entity.id == id else replace(entity, id=id))
    return replace(document, entities=tuple(made))


def related(document: Document, labels: LabelSet, *, keep: bool = False) -> Document:
    """The document with an id for each entity, and the attribute `of` of each detail whose owner is found.

    Args:
        document: whose entities may overlap.
        labels: say which labels are details, and of what.
        keep: whether an `of` that names an entity of the document stays.
    """
    named = numbered(document)
    owner_of = {label.name: label.of for label in labels.labels if label.of}
    if not any(entity.label in owner_of for entity in named.entities):
        return named
    nearness = {owner: _Nearness.of(named, owner, owner_of) for owner in set(owner_of.values())}
    ids = {entity.id for entity in named.entities}
    return replace(
        named,
        entities=tuple(
            entity
            if entity.label not in owner_of or (keep and entity.attribute(OF) in ids)
            else _belonging(entity, nearness[owner_of[entity.label]].owner(entity))
            for entity in named.entities
        ),
    )


def _belonging(detail: Entity, owner: Entity | None) -> Entity:
    others = {name: value for name, value in detail.attributes.items() if name != OF}
    return replace(detail, attributes={**others, OF: owner.id} if owner is not None and owner.id else others)


@dataclass(frozen=True, slots=True)
class _Nearness:
    """Where the owners of one label stand in a text.

    Attributes:
        owners: the entities of the label, in text order.
        joined: where each of them and each of their details begins, with where it ends.
        starts: of the text's sentences.
    """

    text: str
    owners: Sequence[Entity]
    joined: Mapping[int, int]
    starts: Sequence[int]

    @classmethod
    def of(cls, document: Document, owner: str, owner_of: Mapping[str, str]) -> "_Nearness":
        owners = sorted((e for e in document.entities if e.label == owner), key=lambda e: (e.start, e.end))
        details = [e for e in document.entities if owner_of.get(e.label) == owner]
        joined = {e.start: e.end for e in details}
        starts = [sentence.span.start for sentence in sentences(document.text)]
        return cls(document.text, owners, joined, starts)

    def owner(self, detail: Entity) -> Entity | None:
        """The owner that the detail stands in, goes with, or is nearest to."""
        around = [one for one in self.owners if one.span.contains(detail.span)]
        if around:
            return around[-1]
        before = [one for one in self.owners if one.end <= detail.start]
        after = [one for one in self.owners if one.start >= detail.end]
        last, following = (before[-1] if before else None), (after[0] if after else None)
        if last is not None and self._in_the_next_item(last, detail):
            last = None
        if following is not None and self._goes_with(detail.span, following) and not self._follows(last, detail):
            return following
        if last is not None and self._sentence(last.start) == self._sentence(detail.start):
            return last
        if following is not None and self._sentence(following.start) == self._sentence(detail.start):
            return following
        return last if last is not None and detail.start - last.end <= _REACH else None

    def _in_the_next_item(self, owner: Entity, detail: Entity) -> bool:
        """Whether the two stand in items of one list, so that the detail belongs to what nobody found in its own."""
        first, second = self._item(owner.start), self._item(detail.start)
        if first is None or second is None or first.start() == second.start():
            return False
        return (first[1], first[2] is None, first[3]) == (second[1], second[2] is None, second[3])

    def _item(self, at: int) -> re.Match[str] | None:
        """The beginning of the list item that the place is in."""
        found = None
        line = self.text.find("\n", at)
        for begun in _ITEM.finditer(self.text, max(0, at - 2 * _REACH), line if line >= 0 else len(self.text)):
            found = begun if begun[0].strip() else None
        return found

    def _sentence(self, at: int) -> int:
        return bisect_right(self.starts, at)

    def _goes_with(self, detail: Span, owner: Entity) -> bool:
        """Whether nothing but further details stands between the detail and the owner after it."""
        at = detail.end
        while at < owner.start:
            gap = _TOUCHES.match(self.text, at, owner.start)
            at = gap.end() if gap is not None else at
            if at == owner.start:
                return True
            if at not in self.joined:
                return False
            at = self.joined[at]
        return at == owner.start

    def _follows(self, owner: Entity | None, detail: Entity) -> bool:
        """Whether nothing but details stands between the owner and the detail after it."""
        if owner is None:
            return False
        at = owner.end
        while at < detail.start:
            gap = _TOUCHES.match(self.text, at, detail.start)
            at = gap.end() if gap is not None else at
            if at == detail.start:
                return True
            if at not in self.joined:
                return False
            at = self.joined[at]
        return at == detail.start
