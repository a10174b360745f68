"""What the sources say of one document: candidates, what the dictionary knows around them, and the best set of them.

And what an LLM that is asked about a part of it is expected to gain there, by what is thought before. It moves the
probability of a candidate up or down; only where that crosses the threshold is something else decided.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clinspan.dictionary.match import Match
from clinspan.dictionary.written import Abbreviation
from clinspan.document import Entity, Span

Source = Literal["dictionary", "encoder", "llm"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span with a label that a source names, or holds for possible.

    Attributes:
        entity: in the document's offsets, as the source gives it that knows most of it: LLM, encoder, dictionary.
        said: for each source that names it its probability; None where the source gives none.
        asked: whether an LLM read the window in which it begins.

    Raises:
        ValueError: when no source names it.
    """

    entity: Entity
    said: Mapping[Source, float | None]
    asked: bool = False

    def __post_init__(self) -> None:
        if not self.said:
            raise ValueError(f"no source names {self.entity.text!r} as {self.entity.label}")

    @property
    def span(self) -> Span:
        """In the document's offsets."""
        return self.entity.span

    @property
    def label(self) -> str:
        """The entity's label."""
        return self.entity.label


@dataclass(frozen=True, slots=True)
class Heard:
    """All that was heard of one document.

    Attributes:
        candidates: by place, each span with each label once.
        matches: every term of the dictionary in the text, of any type; they may overlap.
        defined: the short forms that the text defines.
    """

    text: str
    candidates: tuple[Candidate, ...]
    matches: tuple[Match, ...] = ()
    defined: tuple[Abbreviation, ...] = field(default=())

    def without_llm(self) -> "Heard":
        """The same as if no LLM had been asked."""
        return self.asked_in(())

    def asked_in(self, parts: Sequence[Span]) -> "Heard":
        """The same as if an LLM had been asked about these parts of the document alone."""
        kept = []
        for one in self.candidates:
            asked = one.asked and any(part.start <= one.span.start < part.end for part in parts)
            said: dict[Source, float | None] = {
                source: score for source, score in one.said.items() if asked or source != "llm"
            }
            if said:
                kept.append(Candidate(one.entity, said, asked))
        return Heard(self.text, tuple(kept), self.matches, self.defined)


def gathered(told: Sequence[tuple[Source, Entity]], asked: Sequence[Span]) -> tuple[Candidate, ...]:
    """The candidates that sources name, by place.

    Args:
        told: what each source names; of one that names a place twice the likelier counts.
        asked: the parts of the document that an LLM read.
    """
    said: dict[tuple[Span, str], dict[Source, Entity]] = {}
    for source, entity in told:
        named = said.setdefault((entity.span, entity.label), {})
        if source not in named or (entity.score or 0.0) > (named[source].score or 0.0):
            named[source] = entity
    candidates = []
    for (span, _), named in sorted(said.items(), key=lambda item: item[0]):
        knows_most: Sequence[Source] = ("llm", "encoder", "dictionary")
        entity = next(named[source] for source in knows_most if source in named)
        scores = {source: None if source == "dictionary" else one.score for source, one in named.items()}
        read = any(part.start <= span.start < part.end for part in asked)
        candidates.append(Candidate(entity, scores, read))
    return tuple(candidates)


def best_apart(spans: Sequence[Span], gains: Sequence[float]) -> list[int]:
    """The numbers of the spans that do not overlap and have the highest sum of gains, in text order.

    Spans without a gain above 0 are never taken. Weighted interval scheduling by dynamic programming, over a whole
    document: n log n for n spans.

    Raises:
        ValueError: when there are more spans than gains, or fewer.
    """
    worth = sorted(
        ((span, gain, number) for number, (span, gain) in enumerate(zip(spans, gains, strict=True)) if gain > 0),
        key=lambda item: item[0].end,
    )
    ends = [span.end for span, _, _ in worth]
    value = [0.0]
    before: list[int | None] = []
    for number, (span, gain, _) in enumerate(worth):
        # Of those that end where this one begins or earlier, the best value is known already.
        fitting = bisect_right(ends, span.start, 0, number)
        with_it = value[fitting] + gain
        before.append(fitting if with_it > value[number] else None)
        value.append(max(with_it, value[number]))
    taken: list[int] = []
    at = len(worth)
    while at > 0:
        fitting_before = before[at - 1]
        if fitting_before is None:
            at -= 1
        else:
            taken.append(worth[at - 1][2])
            at = fitting_before
    return taken[::-1]


Floats = NDArray[np.float64]

_ABOUT_ONE = 0.7
"""Candidates of one label that overlap speak of one mention. Where none of them reaches its threshold, and together
they have at least this probability, the mention is there and only its bounds are in doubt. Chosen among .6 to .9 on 36
development notes and MTSamples train: strict F1 stays as it is, and relaxed F1 gains .006 on both."""
_LIKELY = 0.2
"""The likeliest of them has at least this probability."""


def chosen(heard: Heard, probabilities: Sequence[float] | Floats, least: Sequence[float]) -> dict[int, float]:
    """The numbers of the candidates that are reported: the best set, and the likeliest of those about one mention.

    Args:
        probabilities: of each candidate.
        least: the threshold of each.

    Returns:
        By the number of a candidate its own probability, or what all that are about its mention have together where
        none reaches its threshold.
    """
    spans = [one.span for one in heard.candidates]
    own = [float(p) for p in probabilities]
    best = best_apart(spans, [p - t for p, t in zip(own, least, strict=True)])
    taken = {number: own[number] for number in best}
    places = sorted(spans[number] for number in best)
    for number in sorted((n for n, p in enumerate(own) if p >= _LIKELY and n not in taken), key=lambda n: -own[n]):
        at = bisect_right(places, spans[number])
        if any(place.overlaps(spans[number]) for place in places[max(0, at - 1) : at + 1]):
            continue
        label = heard.candidates[number].label
        about = [n for n, one in enumerate(heard.candidates) if one.label == label and one.span.overlaps(spans[number])]
        together = sum(own[n] for n in about)
        if together >= _ABOUT_ONE:
            taken[number] = min(1.0, together)
            places.insert(at, spans[number])
    return taken


_WIDE = 2.0
"""Root mean squares of a move that count as its reach: few moves are longer."""
_NEAR = 0.3
"""From the threshold: candidates nearer than this say how far an LLM moves those about which there is doubt."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a gold document says of an LLM that was asked everywhere; it took part in no fit that judges it.

    Attributes:
        before: probabilities of the candidates that were there without the LLM.
        after: of the same candidates, with it.
        window: for each of them the number of the window in which it begins.
        windows: how many windows there are.
    """

    before: Floats
    after: Floats
    window: NDArray[np.intp]
    windows: int

    @classmethod
    def of(
        cls,
        quiet: tuple[Sequence[Candidate], Floats],
        full: tuple[Sequence[Candidate], Floats],
        starts: Sequence[int],
    ) -> "Moved":
        """What candidates and their probabilities say, those without the LLM and those with it.

        Args:
            starts: where the windows begin, in order.
        """
        with_it = {(one.span, one.label): float(p) for one, p in zip(*full, strict=True)}
        after = np.array([with_it[one.span, one.label] for one in quiet[0]])
        return cls(quiet[1], after, window_of(quiet[0], starts), len(starts))


def window_of(candidates: Sequence[Candidate], starts: Sequence[int]) -> NDArray[np.intp]:
    """For each candidate the number of the window in which it begins, by where the windows begin, in order."""
    begins = [one.span.start for one in candidates]
    return np.maximum(0, np.searchsorted(starts, begins, side="right") - 1)


@dataclass(frozen=True, slots=True)
class Gain:
    """Where asking pays.

    A candidate with the probability p is worth max(0, p - t) to the best set, t being the threshold. Where an LLM moves
    p by r, up or down alike, it is worth max(0, r - |p - t|) / 2 more, on average, to know before deciding: the value
    of information (Howard 1966). A window is worth the sum over the candidates that begin in it.

    Attributes:
        reach: r, in probability.
        reached: the gain that 1 %, 2 %, ..., 100 % of the windows of the gold reach, falling.

    Raises:
        ValueError: when these are no such numbers.
    """

    reach: float
    reached: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 0.0 <= self.reach <= 1.0:
            raise ValueError(f"an LLM cannot move a probability by {self.reach}")
        if len(self.reached) != 100 or list(self.reached) != sorted(self.reached, reverse=True):
            raise ValueError("the gains that each percent of the windows reach are not 100 falling numbers")

    def of_windows(self, probabilities: Floats, least: float, window: NDArray[np.intp], windows: int) -> Floats:
        """The expected gain of each window.

        Args:
            probabilities: of candidates, before an LLM is asked.
            least: the threshold.
            window: for each candidate the number of its window.
            windows: how many there are.
        """
        return _summed(self.reach, probabilities, least, window, windows)

    def worth(self, share: float) -> float:
        """The gain that so many windows of the gold reach, as a share of them; between two percents the lower one's."""
        return self.reached[max(0, int(share * 100 + 1e-9) - 1)]


def learned(documents: Sequence[Moved], least: float) -> Gain:
    """How far an LLM moves probabilities, and what windows are then worth.

    Args:
        documents: gold ones, with windows.
        least: the threshold before an LLM is asked.
    """
    before = np.concatenate([one.before for one in documents])
    near = np.abs(before - least) < _NEAR
    moves = (np.concatenate([one.after for one in documents]) - before)[near]
    reach = min(1.0, _WIDE * float(np.sqrt(np.mean(moves**2)))) if near.any() else 0.0
    each = np.sort(np.concatenate([_summed(reach, one.before, least, one.window, one.windows) for one in documents]))
    last = [max(0, -(-len(each) * percent // 100) - 1) for percent in range(1, 101)]
    return Gain(reach, tuple(float(each[::-1][number]) for number in last))


def _summed(reach: float, probabilities: Floats, least: float, window: NDArray[np.intp], windows: int) -> Floats:
    gains = np.maximum(0.0, reach - np.abs(probabilities - least)) / 2.0
    return np.bincount(window, gains, windows).astype(np.float64)
