"""Gold entities in the order in which formats write them."""

from collections.abc import Sequence

from clinspan.document import Entity
from clinspan.errors import ConfigError
from clinspan.labels import LabelSet


def in_order(text: str, entities: Sequence[Entity], labels: LabelSet) -> list[Entity]:
    """The entities by start, the longer first; those with one span stay in the order they were given in.

    Raises:
        ConfigError: when an entity does not stand in `text`.
        LabelError: when an entity's label is not in the set.
    """
    for entity in entities:
        labels[entity.label]
        if entity.span.of(text) != entity.text:
            raise ConfigError(f"the text has no {entity.text!r} at {entity.start}-{entity.end}")
    return sorted(entities, key=lambda e: (e.start, -e.end))


def parts(entity: Entity) -> tuple[str, ...]:
    """The strings of a discontinuous entity's parts; empty for a continuous one."""
    offset = entity.start
    return tuple(entity.text[f.start - offset : f.end - offset] for f in entity.fragments)
