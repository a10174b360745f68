"""The most useful next notes: those the tagger was unsure of, and that say what no reviewed note says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from clinspan.review.measures import SIZE, Measures
from clinspan.review.note import Measured, State

UNKNOWN = 0.5
"""The doubt about a note of which nothing is known."""
_LEAST = 0.2
"""What a note that the tagger is sure of counts, beside one that it has a doubt of 1 about."""


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

    A note's worth is the product of doubt and variety: (0.2 + 0.8 doubt) times the share of its words and pairs of
    words that were not seen. Notes are taken one at a time, since each makes those like it worth less.

    Args:
        notes: all of them, the reviewed too.
        count: how many at most.
        passed_over: keys of notes that count as reviewed.
    """
    left_out = set(passed_over)
    reviewed = [one.measures for one in notes if one.state is not State.NEW or one.key in left_out]
    open_notes = [one for one in notes if one.state is State.NEW and one.key not in left_out]
    seen = np.zeros(SIZE, np.bool_)
    for measures in reviewed:
        seen[measures.runs] = True
    texts = {measures.same for measures in reviewed}
    chosen: list[Chosen] = []
    while len(chosen) < count:
        open_notes = [one for one in open_notes if one.measures.same not in texts]
        if not open_notes:
            break
        best = max(open_notes, key=lambda one: (_worth(one.measures, seen), -one.key))
        chosen.append(Chosen(best.key, best.measures.doubt, _unseen(best.measures, seen)))
        seen[best.measures.runs] = True
        texts.add(best.measures.same)
    return tuple(chosen)


def _worth(measures: Measures, seen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    doubt = UNKNOWN if measures.doubt is None else measures.doubt
    return (_LEAST + (1.0 - _LEAST) * doubt) * _unseen(measures, seen)


def _unseen(measures: Measures, seen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    return 1.0 - float(seen[measures.runs].mean()) if len(measures.runs) else 0.0
