"""What an encoder says of a window, and the mentions and values that follow from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from clinspan.classifier.scheme import (
    AttributeHead,
    Floats,
    Found,
    Head,
    Lattice,
    Unit,
    considered,
    decode,
    lattice,
    together,
)
from clinspan.document import Attributes, Entity, Span
from clinspan.messages import CopyConstraint


@dataclass(frozen=True, slots=True)
class WindowTags:
    """What the encoder says of one window: its units, and for each the log-probabilities of a head's tags.

    Attributes:
        values: for each attribute the log-probabilities of its values, a row for each unit.
    """

    units: tuple[Unit, ...]
    tags: Floats
    values: Mapping[str, Floats] = field(default_factory=dict)


def mentions(
    reading: WindowTags, head: Head, constraint: CopyConstraint, attributes: Sequence[AttributeHead] = ()
) -> list[Entity]:
    """The mentions of the constraint's labels, in text order, with their probabilities.

    The constraint's biases are added to the log-score of each mention they name, before all ways through the window are
    compared.
    """
    if not reading.units:
        return []
    entities = []
    for found in _decided(lattice(reading.tags), reading.units, head.labels, constraint):
        label = head.labels[found.label]
        if label in constraint.labels:
            said = _values(reading, range(found.first, found.end), label, attributes)
            entities.append(_entity(found, reading.units, label, constraint.text, said))
    return entities


def described_mentions(readings: Sequence[WindowTags], constraint: CopyConstraint) -> list[Entity]:
    """The mentions of labels that were each read by its description, in text order, with their probabilities.

    The readings are of one window, one for each of the constraint's labels in their order. Each says for itself what is
    inside and what is outside; the odds of its mentions against its own outside are compared, and the best set of
    mentions that do not overlap is taken.
    """
    found = readings[0].units
    if not found:
        return []
    scored = together([lattice(reading.tags) for reading in readings])
    return [
        _entity(one, found, constraint.labels[one.label], constraint.text, {})
        for one in _decided(scored, found, constraint.labels, constraint)
    ]


def _decided(scored: Lattice, found: Sequence[Unit], labels: Sequence[str], constraint: CopyConstraint) -> list[Found]:
    """The best mentions of a lattice, under the constraint's biases and candidates, and those to be considered too."""
    scored.mentions += constraint.open_bias
    scored.mentions += np.array([constraint.label_bias.get(label, 0.0) for label in labels])
    _use_candidates(scored, found, labels, constraint)
    _part_at_blank_lines(scored, found, constraint.text)
    best = decode(scored)
    if constraint.consider is None:
        return best
    return sorted({*best, *considered(scored, constraint.consider)}, key=lambda one: (one.first, -one.end, one.label))


def _entity(one: Found, found: Sequence[Unit], label: str, text: str, said: Mapping[str, tuple[str, float]]) -> Entity:
    span = Span(found[one.first].span.start, found[one.end - 1].span.end)
    values = Attributes({name: value for name, (value, _) in said.items()})
    scores = tuple((name, score) for name, (_, score) in said.items())
    return Entity(span, label, span.of(text), one.score, attributes=values, attribute_scores=scores)


def values_at(
    reading: WindowTags, spans: Sequence[tuple[Span, str]], attributes: Sequence[AttributeHead]
) -> list[dict[str, tuple[str, float]]]:
    """What the attributes' heads say of mentions that are given.

    Args:
        spans: in the window, each with its label.

    Returns:
        For each of them the value of each attribute that its label has, with its probability; nothing where the encoder
        has no unit there.
    """
    found: list[dict[str, tuple[str, float]]] = []
    for span, label in spans:
        covered = [i for i, unit in enumerate(reading.units) if unit.span.overlaps(span)]
        found.append(_values(reading, covered, label, attributes) if covered else {})
    return found


def _values(
    reading: WindowTags, covered: Sequence[int], label: str, attributes: Sequence[AttributeHead]
) -> dict[str, tuple[str, float]]:
    """The value that the units of a mention say together, and its probability, for each attribute of its label."""
    said = {}
    for attribute in attributes:
        if label in attribute.labels:
            # The mean of the units' log-probabilities: they speak of one mention, and are not independent.
            means = reading.values[attribute.name][list(covered)].mean(axis=0)
            shares = np.exp(means - np.logaddexp.reduce(means))
            best = int(shares.argmax())
            said[attribute.name] = (attribute.values[best], min(1.0, float(shares[best])))
    return said


def _part_at_blank_lines(scored: Lattice, units: Sequence[Unit], text: str) -> None:
    """Lets no mention run over a blank line: what stands above one and below it is never one phrase."""
    for number, (before, after) in enumerate(pairwise(units)):
        if text.count("\n", before.span.end, after.span.start) > 1:
            for first in range(max(0, number - scored.mentions.shape[1] + 2), number + 1):
                scored.mentions[first, number + 1 - first :] = -np.inf


def _use_candidates(scored: Lattice, units: Sequence[Unit], labels: Sequence[str], constraint: CopyConstraint) -> None:
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
                if label in labels:
                    allowed[first, last - first, labels.index(label)] = True
    scored.mentions[~allowed] = -np.inf
    scored.mentions += constraint.candidate_bias
