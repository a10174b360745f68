"""The loop between tagger and people: which note comes next, how far two people agree, and what accepted notes become.

The way back: accepted notes become examples for prompts, and gold to calibrate and tune with.
"""

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clinspan.corpora.writer import JsonlWriter
from clinspan.document import OF, Document
from clinspan.errors import InputError, OutputError
from clinspan.evaluation import Rule, pair, tally
from clinspan.evaluation.breakdown import MISSING, attribute_scores
from clinspan.evaluation.score import Score
from clinspan.examples import build
from clinspan.examples.check import Gate, Rules
from clinspan.examples.pool import Pool
from clinspan.files import private_folder
from clinspan.formats import by_name
from clinspan.review.note import SIZE, Measured, Measures, State
from clinspan.review.store import Store

UNKNOWN = 0.5
"""The doubt about a note of which nothing is known."""
_LEAST = 0.2
"""What a note that the tagger is sure of counts, beside one that it has a doubt of 1 about."""
_RARE = 0.01
"""What a word counts that stands in one note alone: to know it helps with no other."""
_MOST_SAID = 1000
_Seen = npt.NDArray[np.bool_]
_Weights = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NextNote:
    """A note that is worth looking at.

    Attributes:
        key: the note's.
        doubt: how unsure the tagger was; None where that is not known.
        unseen: the share of its words and pairs of words that no reviewed note has, nor one chosen before it.
    """

    key: int
    doubt: float | None
    unseen: float


def most_useful(notes: Sequence[Measured], count: int, *, passed_over: Iterable[int] = ()) -> tuple[NextNote, ...]:
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
    chosen: list[NextNote] = []
    while len(chosen) < count:
        open_notes = [one for one in open_notes if one.measures.same not in texts]
        if not open_notes:
            break
        best = max(open_notes, key=lambda one: (_worth(one.measures, seen, weights), -one.key))
        chosen.append(NextNote(best.key, best.measures.doubt, _unseen(best.measures, seen)))
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


@dataclass(frozen=True, slots=True)
class AttributeAgreement:
    """Agreement on one attribute, over the entities of one place and label to which both gave a value.

    Attributes:
        kappa: Cohen's; None where both gave one and the same value to all, so that chance alone would agree as often.
    """

    name: str
    entities: int
    same: int
    kappa: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of two people on their last versions of the notes that both saved.

    Attributes:
        notes: how many those are.
        strict: F1 and counts of entities with the same place and label, by label too.
        relaxed: the same where entities of one label need only overlap.
    """

    notes: int
    strict: Score
    relaxed: Score
    attributes: tuple[AttributeAgreement, ...]


def agreement(one: Iterable[Document], other: Iterable[Document]) -> Agreement:
    """The agreement on the documents that both have, by their ids. F1 is the same whoever is named first.

    Raises:
        InputError: when there is no such document.
    """
    theirs = {document.id: document for document in one}
    ours = {document.id: document for document in other}
    both = [id for id in theirs if id in ours]
    if not both:
        raise InputError("there is no note that both saved", expected="two names, each with versions of one note")
    sides = [theirs[id] for id in both], [ours[id] for id in both]
    labels = dict.fromkeys(entity.label for side in sides for document in side for entity in document.entities)
    pairing = pair(*sides, labels=tuple(labels))
    scores = tally(pairing, [Rule.STRICT, Rule.RELAXED])
    told = []
    for score in attribute_scores(pairing):
        table = {values: count for values, count in score.confusion.items() if MISSING not in values}
        if score.name != OF and table:
            same = sum(count for (a, b), count in table.items() if a == b)
            told.append(AttributeAgreement(score.name, sum(table.values()), same, kappa(table)))
    return Agreement(len(both), scores[Rule.STRICT], scores[Rule.RELAXED], tuple(told))


def kappa(table: Mapping[tuple[str, str], int]) -> float | None:
    """Cohen's kappa of a table of how often one value met another; None where it is not defined.

    Source: J. Cohen, "A coefficient of agreement for nominal scales", 1960.
    """
    total = sum(table.values())
    values = {value for values in table for value in values}
    observed = sum(count for (a, b), count in table.items() if a == b) / total if total else 0.0
    by_chance = sum(
        sum(count for (a, _), count in table.items() if a == value)
        * sum(count for (_, b), count in table.items() if b == value)
        for value in values
    )
    expected = by_chance / total**2 if total else 1.0
    return (observed - expected) / (1.0 - expected) if expected < 1.0 else None


class Chooser:
    """Says which note comes next, to many who ask at once: an answer stands until a note changes, and one is worked out
    at a time."""

    def __init__(self, store: Store):
        self._store = store
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._said: dict[frozenset[int], NextNote | None] = {}

    def next(self, passed_over: Iterable[int] = ()) -> NextNote | None:
        """The note that is worth most, as `most_useful` says; None where all are reviewed."""
        asked = frozenset(passed_over)
        with self._lock:
            stamp = self._store.stamp()
            if stamp != self._stamp or len(self._said) >= _MOST_SAID:
                self._stamp = stamp
                self._said.clear()
            if asked not in self._said:
                self._said[asked] = next(iter(most_useful(self._store.measured(), 1, passed_over=asked)), None)
            return self._said[asked]


POOL = "pool"
GOLD = "gold.jsonl"
_FORM = "tanl"
"""The format that must be able to show an example; the others show all that it does."""


@dataclass(frozen=True, slots=True)
class Reviews:
    """Notes under review.

    Attributes:
        store: where they are; the caller closes it.
        output: the folder that pool and gold of the accepted ones are written to.
    """

    store: Store
    output: Path


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the accepted notes.

    Attributes:
        accepted: how many there are.
        pooled: documents in the pool; None where it was not built.
        examples: of the pool.
        left_out: documents that the pool did not take, by reason.
        gold: documents in the gold file; None where it was not written.
    """

    accepted: int
    pooled: int | None = None
    examples: int | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    gold: int | None = None


def write(store: Store, folder: Path, *, pool: bool = True, gold: bool = True) -> Written:
    """Writes the accepted notes as they now are to `pool` and `gold.jsonl` in a folder, in place of earlier ones.

    Both are made anew from all accepted notes: one that was corrected again or taken back leaves nothing behind.

    Raises:
        InputError: when no note was accepted, or none of them can be an example.
        OutputError: when the folder cannot be written.
    """
    documents = tuple(store.documents())
    if not documents:
        raise InputError("no note was accepted yet", fix="Accept a note first.")
    try:
        private_folder(folder)
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", where=str(folder)) from error
    if gold:
        with JsonlWriter(folder / GOLD, force=True) as writer:
            for document in documents:
                writer.write(document)
        (folder / GOLD).chmod(0o600)
    pooled, examples, left_out = _pooled(store, documents, folder / POOL) if pool else (None, None, {})
    return Written(len(documents), pooled, examples, left_out, len(documents) if gold else None)


def _pooled(store: Store, documents: tuple[Document, ...], folder: Path) -> tuple[int, int, Mapping[str, int]]:
    labels = [label.name for label in store.labels()]
    gate = Gate(Rules(form=by_name(_FORM), skip_wrong=True))
    build.build(gate.admit(documents), folder, labels=labels)
    made = Pool.open(folder)
    try:
        return made.info.documents, len(made), dict(gate.left_out)
    finally:
        made.close()
