"""The tags of a token classifier: BIOES, one head for each set of labels that is asked for together.

A mention of several units has the tags B, I ... I, E; one of a single unit S; everything outside O. Source of the
scheme, under the name BILOU: Ratinov and Roth 2009, "Design Challenges and Misconceptions in Named Entity Recognition".
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clinspan.document import Entity, Span
from clinspan.errors import ConfigError
from clinspan.text.windows import tokens

OUTSIDE = "O"
ASKED = "asked"
"""The one label of an encoder that reads descriptions: whatever was described."""
PARTS = ("B", "I", "E", "S")


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """The units `first` up to `end`, which is not included, as a mention of `label`."""

    first: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Head:
    """The tags for one set of labels, a run of a classifier's outputs.

    Two corpora may mark different things, and what one does not mark is not outside for the other. So each set of
    labels has outputs of its own over the encoder that all share.

    Attributes:
        labels: in the set's order.
        first: index of its tag O among the classifier's outputs.
    """

    labels: tuple[str, ...]
    first: int = 0

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags in the order of the outputs: O, then B, I, E and S of each label."""
        return (OUTSIDE, *(f"{part}-{label}" for label in self.labels for part in PARTS))

    @property
    def end(self) -> int:
        """One past its last output."""
        return self.first + 1 + len(PARTS) * len(self.labels)

    def encode(self, segments: Iterable[Segment], count: int) -> list[int]:
        """The output that is right for each of `count` units.

        Raises:
            ConfigError: when segments overlap, go past the last unit, or have a label that is not the head's.
        """
        outputs = [self.first] * count
        for segment in segments:
            if segment.label not in self.labels:
                raise ConfigError(f"the label {segment.label!r} has no tags", expected=", ".join(self.labels))
            if not 0 <= segment.first < segment.end <= count:
                raise ConfigError(f"units {segment.first} to {segment.end} are not among {count}")
            if any(output != self.first for output in outputs[segment.first : segment.end]):
                raise ConfigError("segments overlap, and a unit has one tag")
            begin, inside, end, single = range(self._of(segment.label), self._of(segment.label) + len(PARTS))
            last = segment.end - 1
            outputs[segment.first : segment.end] = [inside] * (segment.end - segment.first)
            outputs[segment.first], outputs[last] = begin, end
            if segment.first == last:
                outputs[last] = single
        return outputs

    def _of(self, label: str) -> int:
        return self.first + 1 + len(PARTS) * self.labels.index(label)


@dataclass(frozen=True, slots=True)
class AttributeHead:
    """The outputs for one attribute: a value for each unit of a mention, of which the mention has their mean.

    Attributes:
        labels: whose mentions have the attribute.
        first: index of its first value among the classifier's outputs.
    """

    name: str
    values: tuple[str, ...]
    labels: tuple[str, ...]
    first: int

    @property
    def end(self) -> int:
        """One past its last output."""
        return self.first + len(self.values)


def attribute_heads(attributes: Iterable[AttributeHead], after: int) -> tuple[AttributeHead, ...]:
    """The heads one after the other, from the output `after` on; those that ask the same share one.

    Raises:
        ConfigError: when two have one name and other values.
    """
    made: dict[str, AttributeHead] = {}
    for head in attributes:
        known = made.get(head.name)
        if known is not None and known.values != head.values:
            raise ConfigError(
                f"the attribute {head.name!r} has the values {', '.join(known.values)} in one label set and "
                f"{', '.join(head.values)} in another",
                fix="Give one of them another name.",
            )
        labels = dict.fromkeys((*(known.labels if known is not None else ()), *head.labels))
        made[head.name] = AttributeHead(head.name, head.values, tuple(labels), 0)
    placed: list[AttributeHead] = []
    for head in made.values():
        placed.append(AttributeHead(head.name, head.values, head.labels, placed[-1].end if placed else after))
    return tuple(placed)


def heads(label_sets: Iterable[Sequence[str]]) -> tuple[Head, ...]:
    """A head for each set of labels, one after the other; sets with the same labels share one."""
    made: list[Head] = []
    for names in label_sets:
        if not any(set(head.labels) == set(names) for head in made):
            made.append(Head(tuple(names), made[-1].end if made else 0))
    return tuple(made)


def head_for(known: Sequence[Head], names: Collection[str]) -> Head:
    """The head for labels that are asked for together: the one of just these, else the smallest that has them all.

    Raises:
        ConfigError: when no head has them all.
    """
    fitting = [head for head in known if set(names) <= set(head.labels)]
    if not fitting:
        expected = " or ".join(", ".join(head.labels) for head in known)
        raise ConfigError(f"the classifier was not tuned for {', '.join(names)} together", expected=expected)
    return min(fitting, key=lambda head: len(head.labels))


def names_of(known: Sequence[Head], attributes: Sequence[AttributeHead] = ()) -> tuple[str, ...]:
    """A name for every output, as a model's configuration lists them; heads are told apart where there are several."""
    values = tuple(f"{head.name}={value}" for head in attributes for value in head.values)
    if len(known) == 1:
        return (*known[0].tags, *values)
    return (*(f"{'+'.join(head.labels)}/{tag}" for head in known for tag in head.tags), *values)


@dataclass(frozen=True, slots=True)
class Unit:
    """A word of the text, or several where the encoder reads them as one token.

    Attributes:
        span: where it stands, in code points.
        token: index of the encoder's token that speaks for it, its first; None where the encoder has none (a character
            that its vocabulary drops).
    """

    span: Span
    token: int | None


def units(text: str, offsets: Sequence[tuple[int, int]]) -> tuple[Unit, ...]:
    """The units of `text` in order; each code point that is not white space lies in exactly one. Linear time.

    Args:
        text: a window.
        offsets: for each of the encoder's tokens the code points it covers, in order; empty for special tokens.
    """
    real = [(index, start, end) for index, (start, end) in enumerate(offsets) if start < end]
    found: list[Unit] = []
    at = 0
    for word in tokens(text):
        while at < len(real) and real[at][2] <= word.start:
            at += 1
        token = real[at][0] if at < len(real) and real[at][1] < word.end else None
        if token is not None and found and found[-1].token == token:
            # One token has one tag, so words that share it cannot be told apart.
            found[-1] = Unit(Span(found[-1].span.start, word.end), token)
        else:
            found.append(Unit(word, token))
    return tuple(found)


def segments(found: Sequence[Unit], entities: Iterable[Entity]) -> tuple[Segment, ...]:
    """The entities as tags can mark them, in text order.

    An entity that begins or ends inside a unit is widened to the whole of it, and of entities that overlap the longest
    stays; the hull stands for a discontinuous one.
    """
    widened = []
    for entity in entities:
        covered = [i for i, unit in enumerate(found) if unit.span.overlaps(entity.span)]
        if covered:
            widened.append(Segment(covered[0], covered[-1] + 1, entity.label))
    kept: list[Segment] = []
    for segment in sorted(widened, key=lambda s: (s.first - s.end, s)):
        if all(segment.end <= other.first or other.end <= segment.first for other in kept):
            kept.append(segment)
    return tuple(sorted(kept))


LONGEST = 24
"""Units in the longest mention. The longest of 5,145 mentions in NCBI-disease's training part has 22."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    """The units `first` up to `end` as a mention of the head's label number `label`, with its probability."""

    first: int
    end: int
    label: int
    score: float


@dataclass(slots=True)
class Lattice:
    """The log-scores of everything that may happen in a window.

    Attributes:
        outside: of the tag O at each of n units; shape (n,).
        mentions: at [i, k, l], of a mention of label l on the k + 1 units from i; minus infinity where none can be;
            shape (n, LONGEST, labels). May be raised or lowered before decoding.
    """

    outside: Floats
    mentions: Floats


def lattice(tags: Floats) -> Lattice:
    """The lattice of a window.

    Args:
        tags: log-probabilities of a head's tags, in its order; shape (n, 1 + 4 * labels).
    """
    count = len(tags)
    begin, inside, end, single = tags[:, 1:].reshape(count, -1, 4).transpose(2, 0, 1)
    longest = min(LONGEST, max(1, count))
    mentions = np.full((count, longest, begin.shape[1]), -np.inf)
    mentions[:, 0] = single
    before = np.concatenate([np.zeros((1, begin.shape[1])), np.cumsum(inside, axis=0)])
    for k in range(1, longest):
        last = count - k
        between = before[k : k + last] - before[1 : 1 + last]
        mentions[:last, k] = begin[:last] + between + end[k:]
    return Lattice(tags[:, 0].copy(), mentions)


def together(lattices: Sequence[Lattice]) -> Lattice:
    """One lattice of several that say of the same units, each for one label, what is inside and what is outside.

    A mention's log-score is that of its tags less that of its units being outside by the same lattice, so that labels
    which were read apart can be compared; outside itself has the log-score 0.
    """
    shape = lattices[0].mentions.shape
    count, longest = shape[0], shape[1]
    joint = np.full((count, longest, len(lattices)), -np.inf)
    stops = np.minimum(np.arange(count)[:, None] + np.arange(1, longest + 1), count)
    for number, one in enumerate(lattices):
        outside = np.concatenate([[0.0], np.cumsum(one.outside)])
        joint[:, :, number] = one.mentions[:, :, 0] - (outside[stops] - outside[:count, None])
    return Lattice(np.zeros(count), joint)


def decode(scored: Lattice) -> list[Found]:
    """The best mentions that do not overlap, in order."""
    best = _best(scored)
    if not best:
        return []
    prefixes, suffixes = _prefixes(scored), _suffixes(scored)
    return [
        Found(at, at + k + 1, label, _probability(prefixes[at] + way + suffixes[at + k + 1], prefixes[-1]))
        for at, k, label in best
        for way in (scored.mentions[at, k, label],)
    ]


def considered(scored: Lattice, least: float) -> list[Found]:
    """Every mention whose probability is at least `least`, by place; they may overlap.

    The probability of a mention is the share of all ways through the window, each with its score, that have it.
    """
    prefixes, suffixes = _prefixes(scored), _suffixes(scored)
    count, longest, _ = scored.mentions.shape
    stops = np.minimum(np.arange(count)[:, None] + np.arange(1, longest + 1), count)
    ways = prefixes[:count, None, None] + scored.mentions + suffixes[stops][:, :, None] - prefixes[-1]
    return [
        Found(int(at), int(at + k + 1), int(label), _probability(float(ways[at, k, label]), 0.0))
        for at, k, label in np.argwhere(ways >= np.log(least))
    ]


def _probability(way: float, all_ways: float) -> float:
    # Rounding may carry the sum of one way a hair above that of all.
    return float(min(1.0, np.exp(way - all_ways)))


def _ending_at(scored: Lattice, end: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Starts and length indices of the mentions that could end before unit `end`."""
    lengths = np.arange(min(scored.mentions.shape[1], end))
    return end - 1 - lengths, lengths


def _best(scored: Lattice) -> list[tuple[int, int, int]]:
    count = len(scored.outside)
    outside = np.concatenate([[0.0], np.cumsum(scored.outside)])
    stops = np.minimum(np.arange(count)[:, None] + np.arange(1, scored.mentions.shape[1] + 1), count)
    gains = scored.mentions - (outside[stops] - outside[:count, None])[:, :, None]
    if not np.any(gains > 0):
        return []
    value = np.zeros(count + 1)
    choice: list[tuple[int, int, int] | None] = [None] * (count + 1)
    for end in range(1, count + 1):
        value[end] = value[end - 1]
        starts, lengths = _ending_at(scored, end)
        ways = value[starts, None] + gains[starts, lengths]
        top = int(np.argmax(ways))
        way, label = divmod(top, ways.shape[1])
        if ways[way, label] > value[end]:
            value[end] = ways[way, label]
            choice[end] = (int(starts[way]), int(lengths[way]), label)
    found: list[tuple[int, int, int]] = []
    at = count
    while at > 0:
        taken = choice[at]
        if taken is None:
            at -= 1
        else:
            found.append(taken)
            at = taken[0]
    return found[::-1]


def _prefixes(scored: Lattice) -> Floats:
    """At [i], the log of the summed scores of all ways through the units before i."""
    count = len(scored.outside)
    sums = np.zeros(count + 1)
    for end in range(1, count + 1):
        starts, lengths = _ending_at(scored, end)
        ways = sums[starts, None] + scored.mentions[starts, lengths]
        sums[end] = np.logaddexp(sums[end - 1] + scored.outside[end - 1], np.logaddexp.reduce(ways, axis=None))
    return sums


def _suffixes(scored: Lattice) -> Floats:
    """At [i], the log of the summed scores of all ways through the units from i on."""
    count = len(scored.outside)
    sums = np.zeros(count + 1)
    for start in range(count - 1, -1, -1):
        lengths = np.arange(min(scored.mentions.shape[1], count - start))
        ways = sums[start + 1 + lengths, None] + scored.mentions[start, lengths]
        sums[start] = np.logaddexp(sums[start + 1] + scored.outside[start], np.logaddexp.reduce(ways, axis=None))
    return sums
