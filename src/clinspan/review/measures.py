"""What is measured of a note when it enters the review room: its words, the tagger's doubt, what it is made of."""

import hashlib
import zlib
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from clinspan.dictionary.normalise import tokenise
from clinspan.document import READ_STATES, Document
from clinspan.tagging.promise import REVIEW

Places = npt.NDArray[np.uint32]
SIZE = 1 << 20
"""Words and pairs of words are known by the place of their hash in a table of this size."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What the choice of the next note goes by.

    Attributes:
        words: how many there are.
        doubt: how unsure the tagger was, from 0 to 1; None where nothing says.
        same: 16 bytes that are the same for texts with the same words in the same order.
        runs: the places of the text's words and pairs of words, in order, each once.
    """

    words: int
    doubt: float | None
    same: bytes
    runs: Places


def measured(document: Document) -> Measures:
    """The measures of a document; case, white space and punctuation do not count in `same` and `runs`."""
    words = [form for form in tokenise(document.text).forms if any(map(str.isalnum, form))]
    pairs = (f"{one} {other}" for one, other in pairwise(words))
    places = {zlib.crc32(run.encode()) % SIZE for run in (*words, *pairs)}
    same = hashlib.sha256(" ".join(words).encode() if words else document.text.encode()).digest()[:16]
    return Measures(len(document.text.split()), _doubt(document), same, np.array(sorted(places), np.uint32))


def _doubt(document: Document) -> float | None:
    """The mean over entities with a score and windows that were not read.

    An entity with the score s counts 2 (1 - s), at most 1: one that is as likely wrong as right is a doubt of 1. So are
    one that a promise left to a person, and a window that nobody read.
    """
    doubts = [1.0 for entity in document.entities if REVIEW in entity.attributes]
    doubts += [
        min(1.0, 2.0 * (1.0 - entity.score))
        for entity in document.entities
        if entity.score is not None and REVIEW not in entity.attributes
    ]
    doubts += [1.0 for window in document.windows if window.state not in READ_STATES]
    return sum(doubts) / len(doubts) if doubts else None
