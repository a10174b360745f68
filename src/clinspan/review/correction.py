"""A correction: the entities as a person marked them, checked, with what was known of those that stayed.

No fault repeats a label, a value or a text that was sent: the service passes these messages on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from clinspan.document import NO_ATTRIBUTES, OF, Attributes, Entity, Span
from clinspan.errors import InputError
from clinspan.labels import Label
from clinspan.tagging.calibration import REVIEW, YES


@dataclass(frozen=True, slots=True)
class Mark:
    """An entity as a person marked it; offsets are code points.

    Attributes:
        fragments: the parts of a discontinuous entity; empty where it is continuous.
        id: of an entity that was there, or that a detail names as its owner.
    """

    start: int
    end: int
    label: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    fragments: tuple[tuple[int, int], ...] = ()
    id: str | None = None


def corrected(
    marks: Sequence[Mark], text: str, before: Sequence[Entity], labels: Sequence[Label], *, accepted: bool = False
) -> tuple[Entity, ...]:
    """The entities of a corrected note, in the order of the text.

    A mark with the place and label of an entity that was there keeps its score, concepts and kind of match, and its
    attributes that the label does not declare. One that was moved or relabelled, or is new, has none of them: nobody
    scored it. A detail whose owner was deleted belongs to none. What a promise left to a person (`review`) is settled
    once the note is accepted.

    Args:
        marks: all entities that the note now has.
        text: the note's.
        before: the entities that the person saw.
        labels: those that may be given.
        accepted: whether the person says that the note is right.

    Raises:
        InputError: naming the entity by its number, from 0, and the fault.
    """
    known = {label.name: label for label in labels}
    origins = _origins(marks, before)
    ids = [mark.id or (origin.id if origin is not None else None) for mark, origin in zip(marks, origins, strict=True)]
    named = [id for id in ids if id]
    if len(set(named)) < len(named):
        raise InputError("two entities have one id", where="entities")
    # What the tagger says beyond the label set goes along when a boundary is moved.
    carried = {(REVIEW, YES), *(pair for entity in before for pair in entity.attributes.items())}
    found: dict[Entity, None] = {}
    for number, (mark, origin, id) in enumerate(zip(marks, origins, ids, strict=True)):
        where = f"entities[{number}]"
        if mark.label not in known:
            raise InputError("has a label that this note cannot have", where=where, expected=", ".join(known))
        entity = _entity(mark, text, origin, id, where=where)
        said = _attributes(mark, known[mark.label], origin, named, carried, where=where)
        if accepted:
            said.pop(REVIEW, None)
        found[_with(entity, said, origin)] = None
    places = [(entity.span, entity.label, entity.fragments) for entity in found]
    if len(set(places)) < len(places):
        raise InputError("one place has one label twice, with different attributes", where="entities")
    return tuple(sorted(found, key=lambda entity: (entity.start, -entity.end, entity.label)))


def _entity(mark: Mark, text: str, origin: Entity | None, id: str | None, *, where: str) -> Entity:
    """The entity without its attributes."""
    if not 0 <= mark.start < mark.end <= len(text):
        raise InputError(
            "does not lie in the text", where=where, expected=f"0 <= start < end <= {len(text)}, in code points"
        )
    span = Span(mark.start, mark.end)
    if not span.of(text).strip():
        raise InputError("covers nothing but white space", where=where)
    try:
        fragments = tuple(Span(start, end) for start, end in mark.fragments)
        if not fragments and origin is not None:
            fragments = origin.fragments
        made = Entity(span, mark.label, span.of(text), fragments=fragments, id=id)
    except ValueError:
        raise InputError("has parts that do not cover it from its start to its end", where=where) from None
    if origin is None or origin.fragments != fragments:
        return made
    return replace(origin, id=id, attributes=NO_ATTRIBUTES, attribute_scores=())


def _with(entity: Entity, said: Mapping[str, str], origin: Entity | None) -> Entity:
    """The entity with attributes; one that was not changed keeps its probability."""
    had = origin.attributes if origin is not None else NO_ATTRIBUTES
    scores = origin.attribute_scores if origin is not None else ()
    kept = tuple((name, score) for name, score in scores if name in said and said[name] == had[name])
    return replace(entity, attributes=Attributes(said), attribute_scores=kept)


def _origins(marks: Sequence[Mark], before: Sequence[Entity]) -> list[Entity | None]:
    """For each mark the entity that it repeats, each entity once: of its place and label, and of several there the one
    with its id, its parts and its attributes."""
    there: dict[tuple[int, int, str], list[Entity]] = {}
    for entity in before:
        there.setdefault((entity.start, entity.end, entity.label), []).append(entity)
    origins: list[Entity | None] = []
    for mark in marks:
        alike = there.get((mark.start, mark.end, mark.label), [])
        origin = max(alike, key=partial(_likeness, mark), default=None)
        if origin is not None:
            alike.remove(origin)
        origins.append(origin)
    return origins


def _likeness(mark: Mark, entity: Entity) -> tuple[bool, bool, bool]:
    parts = tuple((part.start, part.end) for part in entity.fragments)
    return entity.id == mark.id, parts == mark.fragments, entity.attributes == mark.attributes


def _attributes(
    mark: Mark, label: Label, origin: Entity | None, ids: Sequence[str], carried: set[tuple[str, str]], *, where: str
) -> dict[str, str]:
    declared = {attribute.name: attribute.value_names for attribute in label.attributes}
    had = dict(origin.attributes) if origin is not None else {}
    said = {name: value for name, value in had.items() if name not in declared and name != OF}
    for name, value in mark.attributes.items():
        if name in declared and value not in declared[name]:
            raise InputError(
                "has a value that its attribute cannot have",
                where=f"{where}.attributes",
                expected=f"{name}: {', '.join(declared[name])}",
            )
        if name not in declared and name != OF and (name, value) not in carried:
            raise InputError(
                "has an attribute that its label does not declare",
                where=f"{where}.attributes",
                expected=", ".join(declared) or "none",
            )
        if name != OF or value in ids:
            said[name] = value
    # In the order in which they were, so that what was not changed is the same.
    return {name: said[name] for name in (*had, *said) if name in said}
