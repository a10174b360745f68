"""The most useful next notes: those the tagger was unsure of, and that say what many notes say and no reviewed one."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clinspan.review.measures import SIZE, Measures
from clinspan.review.note import Measured, State

UNKNOWN = 0.5
"""The doubt about a note of which nothing is known."""
_LEAST = 0.2
"""What a note that the tagger is sure of counts, beside one that it has a doubt of 1 about."""
_RARE = 0.01
"""What a word counts that stands in one note alone: to know it helps with no other."""
_Seen = npt.NDArray[np.bool_]
_Weights = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A note that is worth looking at.

    Attributes:
        key: the note's.
        doubt: how unsure the tagger was; None where that is not known.
        unseen: the share of its words and pairs of words that no reviewed note has, nor one chosen before it.
    """

    key: int
    doubt: float | None
    unseen: float


def most_useful(notes: Sequence[Measured], count: int, *, passed_over: Iterable[int] = ()) -> tuple[Chosen, ...]:
    """The new notes that are worth most, the best first; no text twice, and none that was reviewed.

    A note's worth is the product of doubt and variety. Doubt counts 0.2 + 0.8 of it. Variety is the sum over words and
    pairs of words that were not seen, each by the logarithm of the number of texts that have it, over the square root
    of the note's length. Notes are taken one at a time, since each makes those like it worth less. The terms were
    chosen on a part of MTSamples' train part; see `benchmarks/active.py`.

    Args:
        notes: all of them, the reviewed too.
        count: how many at most.
        passed_over: keys of notes that count as reviewed.
    """
    left_out = set(passed_over)
    reviewed = [one.measures for one in notes if one.state is not State.NEW or one.key in left_out]
    open_notes = [one for one in notes if one.state is State.NEW and one.key not in left_out]
    weights = _weights(notes)
    seen = np.zeros(SIZE, np.bool_)
    for measures in reviewed:
        seen[measures.runs] = True
    texts = {measures.same for measures in reviewed}
    chosen: list[Chosen] = []
    while len(chosen) < count:
        open_notes = [one for one in open_notes if one.measures.same not in texts]
        if not open_notes:
            break
        best = max(open_notes, key=lambda one: (_worth(one.measures, seen, weights), -one.key))
        chosen.append(Chosen(best.key, best.measures.doubt, _unseen(best.measures, seen)))
        seen[best.measures.runs] = True
        texts.add(best.measures.same)
    return tuple(chosen)


def _weights(notes: Sequence[Measured]) -> _Weights:
    """What each word and pair of words counts, by its place; of notes with the same words one counts."""
    runs = {one.measures.same: one.measures.runs for one in notes}
    texts = np.bincount(np.concatenate([*runs.values(), np.zeros(0, np.uint32)]).astype(np.int64), minlength=SIZE)
    weights: _Weights = np.log2(np.maximum(texts, 1)) + _RARE
    return weights


def _worth(measures: Measures, seen: _Seen, weights: _Weights) -> float:
    doubt = UNKNOWN if measures.doubt is None else measures.doubt
    new = float(weights[measures.runs[~seen[measures.runs]]].sum())
    return (_LEAST + (1.0 - _LEAST) * doubt) * new / math.sqrt(max(1, measures.words))


def _unseen(measures: Measures, seen: _Seen) -> float:
    return 1.0 - float(seen[measures.runs].mean()) if len(measures.runs) else 0.0
