"""What the sources say of one document: candidates, what the dictionary knows around them, and the best set of them."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

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
