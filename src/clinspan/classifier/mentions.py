"""The mentions that a classifier finds in a window under a request's constraint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from clinspan.classifier.lattice import Floats, Found, Lattice, decode, lattice
from clinspan.classifier.scheme import AttributeHead, Head
from clinspan.classifier.units import Unit
from clinspan.document import Entity, Span
from clinspan.messages import CopyConstraint


@dataclass(frozen=True, slots=True)
class Reading:
    """What the encoder says of one window: its units, and for each the log-probabilities of a head's tags.

    Attributes:
        values: for each attribute the log-probabilities of its values, a row for each unit.
    """

    units: tuple[Unit, ...]
    tags: Floats
    values: Mapping[str, Floats] = field(default_factory=dict)


def mentions(
    reading: Reading, head: Head, constraint: CopyConstraint, attributes: Sequence[AttributeHead] = ()
) -> list[Entity]:
    """The mentions of the constraint's labels, in text order, with their probabilities.

    The constraint's biases are added to the log-score of each mention they name, before all ways through the window are
    compared.
    """
    if not reading.units:
        return []
    scored = lattice(reading.tags)
    scored.mentions += constraint.open_bias
    scored.mentions += np.array([constraint.label_bias.get(label, 0.0) for label in head.labels])
    _use_candidates(scored, reading.units, head, constraint)
    entities = []
    for found in decode(scored):
        label = head.labels[found.label]
        if label in constraint.labels:
            span = Span(reading.units[found.first].span.start, reading.units[found.end - 1].span.end)
            said = {a.name: _value(reading, a, found) for a in attributes if label in a.labels}
            entities.append(Entity(span, label, span.of(constraint.text), found.score, attributes=said))
    return entities


def _value(reading: Reading, attribute: AttributeHead, found: Found) -> str:
    """The value that the units of a mention say together."""
    return attribute.values[int(reading.values[attribute.name][found.first : found.end].sum(axis=0).argmax())]


def _use_candidates(scored: Lattice, units: Sequence[Unit], head: Head, constraint: CopyConstraint) -> None:
    if constraint.candidate_mode == "off":
        return
    starts = {unit.span.start: i for i, unit in enumerate(units)}
    if constraint.candidate_mode == "prefer":
        for i in {starts[c.span.start] for c in constraint.candidates if c.span.start in starts}:
            scored.mentions[i] += constraint.candidate_bias
        return
    ends = {unit.span.end: i for i, unit in enumerate(units)}
    longest = scored.mentions.shape[1]
    allowed = np.zeros_like(scored.mentions, dtype=np.bool_)
    for candidate in constraint.candidates:
        first, last = starts.get(candidate.span.start), ends.get(candidate.span.end)
        if first is not None and last is not None and 0 <= last - first < longest:
            for label in candidate.labels:
                if label in head.labels:
                    allowed[first, last - first, head.labels.index(label)] = True
    scored.mentions[~allowed] = -np.inf
    scored.mentions += constraint.candidate_bias
