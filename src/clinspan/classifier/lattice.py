"""From the scores of tags to mentions: the best way through a window that the scheme allows, and how sure it is.

Every mention is scored whole, by the tags it would have, so what comes out is always well formed; and since all ways
through a window are summed over, a mention's probability counts every reading of its neighbours.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LONGEST = 24
"""Units in the longest mention. Of the 5,145 mentions of NCBI-disease's training part none has more than 22."""

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
