"""What a copy constraint allows, word by word, in the model's own tokens."""

from collections.abc import Callable
from dataclasses import dataclass

from clinspan.decoding.pieces import Word, closing_pieces, spaced
from clinspan.decoding.places import Ends, candidate_ends, ends_paragraph, window_words
from clinspan.document import Span
from clinspan.formats.tanl import BAR, CLOSE, OPEN
from clinspan.messages import CopyConstraint

MAX_WORDS = 20
"""The longest mention, in tokens of the text. Of the 5,145 mentions of NCBI-disease's training part one is longer, with
22; a bracket that runs on further is an answer gone astray."""

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """A word of the window and what may happen before it.

    Attributes:
        word: where it stands.
        before: ids of white space that stands alone before it.
        copy: ids of the word with the space it takes, when it is copied.
        first: its ids as the first word of a mention.
        open: ids of an open bracket in its place.
        bias: added to the log-odds of opening a mention here; None where none may open.
        ends: for a mention that opens here, the indices of the words before which it may close, ascending.
        labels: the labels that may close it at each of `ends`.
    """

    word: Word
    before: Ids
    copy: Ids
    first: Ids
    open: Ids
    bias: float | None
    ends: tuple[int, ...]
    labels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled constraint.

    Attributes:
        slots: one for each word of the window.
        last_open: index of the last slot where a mention may open; -1 when none may.
        bar: ids of the bar that ends a mention.
        label_ids: ids of each label.
        close: ids of the close bracket.
    """

    constraint: CopyConstraint
    slots: tuple[Slot, ...]
    last_open: int
    bar: Ids
    label_ids: dict[str, Ids]
    close: Ids

    def span(self, first: int, end: int) -> Span:
        """The span of the words `first` up to `end`, which is not included."""
        return Span(self.slots[first].word.start, self.slots[end - 1].word.end)

    def path_after(self, end: int) -> Ids:
        """The ids that copying puts before and at the word `end`; empty past the last word."""
        return (*self.slots[end].before, *self.slots[end].copy) if end < len(self.slots) else ()


def fork(one: Ids, other: Ids) -> int:
    """Where two ways of going on part: how many ids they share at their start.

    One is never the beginning of the other, since the text's own brackets and bars are escaped.
    """
    return next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)


def compile_plan(
    constraint: CopyConstraint,
    tokenize: Callable[[str], Ids],
    *,
    max_words: int = MAX_WORDS,
    cuts: frozenset[int] = frozenset(),
) -> Plan:
    """Prepares a constraint for decoding. Time linear in the text and the candidates.

    Args:
        constraint: what the request demands.
        tokenize: the model's ids for one piece.
        max_words: the longest mention that may be opened, in words; candidates may be longer.
        cuts: code points inside words at which a mention may begin or end as well.

    Raises:
        ConfigError: when the constraint has no label, or a candidate names one outside it.
    """
    found, _ = window_words(constraint, cuts)
    allowed = _allowed(constraint, found, max_words)
    slots = []
    for i, word in enumerate(found):
        *alone, copy = spaced(word.gap, word.written)
        bias, ends = allowed[i]
        slots.append(
            Slot(
                word=word,
                before=tuple(token for piece in alone for token in tokenize(piece)),
                copy=tokenize(copy),
                first=tokenize(f" {word.written}"),
                open=tokenize(f" {OPEN}" if word.gap.endswith(" ") else OPEN),
                bias=bias,
                ends=tuple(ends),
                labels=tuple(ends.values()),
            )
        )
    return Plan(
        constraint=constraint,
        slots=tuple(slots),
        last_open=max((i for i, slot in enumerate(slots) if slot.bias is not None), default=-1),
        bar=tokenize(f" {BAR}"),
        label_ids={label: tokenize(closing_pieces(label)[1]) for label in constraint.labels},
        close=tokenize(f" {CLOSE}"),
    )


def _allowed(constraint: CopyConstraint, found: tuple[Word, ...], max_words: int) -> list[tuple[float | None, Ends]]:
    """For each word the bias of opening there, None where nothing may open, and where the mention may end."""
    if constraint.candidate_mode == "only":
        bias = constraint.open_bias + constraint.candidate_bias
        return [(bias if ends else None, ends) for ends in candidate_ends(constraint, found)]
    preferred = constraint.candidates if constraint.candidate_mode == "prefer" else ()
    starts = {candidate.span.start for candidate in preferred}
    horizon = len(found)
    allowed: list[tuple[float | None, Ends]] = []
    for i, word in reversed(list(enumerate(found))):
        bias = constraint.open_bias + (constraint.candidate_bias if word.start in starts else 0.0)
        allowed.append((bias, dict.fromkeys(range(i + 1, min(i + max_words, horizon) + 1), constraint.labels)))
        if ends_paragraph(word.gap):
            horizon = i
    return allowed[::-1]
