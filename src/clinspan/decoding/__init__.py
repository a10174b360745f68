"""Decoding that can only copy: what a constraint allows, word by word, in the model's own tokens.

`draft` decodes so where logits are at hand.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from clinspan.document import Entity, Span
from clinspan.errors import ConfigError
from clinspan.formats.named import Asked
from clinspan.formats.tanl_marks import BAR, CLOSE, NOTHING_ASKED, OPEN, Mark, escape, marks
from clinspan.messages import CopyConstraint
from clinspan.text.windows import tokens


@dataclass(frozen=True, slots=True)
class Word:
    """A token of the text with the white space before it: where a mention may begin or end.

    Attributes:
        start: first code point of the token in the text.
        end: one past its last.
        gap: the white space between the token before it (or the text's start) and this one.
        written: the token as an answer spells it, escaped, without the gap.
    """

    start: int
    end: int
    gap: str
    written: str


def words(text: str, cuts: Collection[int] = ()) -> tuple[tuple[Word, ...], str]:
    """The words of `text`, and the white space after the last. Linear time.

    Args:
        text: any text.
        cuts: code points before which a token is cut in two, for mentions that begin or end inside one.
    """
    found: list[Word] = []
    at = 0
    for span in tokens(text):
        edges = [span.start, *(cut for cut in range(span.start + 1, span.end) if cut in cuts), span.end]
        for start, end in pairwise(edges):
            found.append(Word(start, end, text[at:start], escape(text[start:end])))
            at = end
    return tuple(found), text[at:]


def spaced(gap: str, written: str) -> tuple[str, ...]:
    """The pieces of `written` after the white space `gap`: one space right before it joins it, the rest stands alone.

    Tokenizers of the byte-pair kind hold most words with the space before them as one token.
    """
    if gap.endswith(" "):
        return (gap[:-1], " " + written) if len(gap) > 1 else (" " + written,)
    return (gap, written) if gap else (written,)


def closing_pieces(label: str, said: Sequence[str] = ()) -> tuple[str, ...]:
    """The pieces that close a mention of `label`, of which `said` is written, after its last word."""
    return (*(piece for part in (label, *said) for piece in (f" {BAR}", f" {escape(part)}")), f" {CLOSE}")


def answer_pieces(text: str, entities: Sequence[Entity], asked: Asked = NOTHING_ASKED) -> tuple[str, ...]:
    """The pieces of the right answer for `text`; joined, they are `formats.tanl_marks.render(text, entities, asked)`.

    Tokens of the text are pieces (see `clinspan.text.windows`), cut further where a mention begins or ends inside one.
    An open bracket is a piece and takes the one space before it; the first word after it then has a space of its own.
    A close is three pieces: bar, label, bracket; a bar and a value more for each attribute that is said.

    Raises:
        ConfigError: when brackets cannot show the entities (they cross, or one is discontinuous).
    """
    pieces: list[str] = []
    gap = ""
    for written in _stretches(text, marks(entities, asked)):
        if written.isspace():
            gap += written
        else:
            pieces += spaced(gap, written)
            gap = ""
    return (*pieces, gap) if gap else tuple(pieces)


def _stretches(text: str, marks: Sequence[Mark]) -> Iterator[str]:
    """The answer in words, brackets and stretches of white space."""
    at = 0
    for mark in marks:
        yield from _words_and_gaps(text[at : mark.at])
        at = mark.at
        if mark.label is None:
            yield OPEN
            yield " "
        else:
            for piece in closing_pieces(mark.label, mark.said):
                yield " "
                yield piece[1:]
    yield from _words_and_gaps(text[at:])


def _words_and_gaps(text: str) -> Iterator[str]:
    found, rest = words(text)
    for word in found:
        if word.gap:
            yield word.gap
        yield word.written
    if rest:
        yield rest


Ends = dict[int, tuple[str, ...]]
"""For a mention that opens at some word: the indices of the words before which it may close, with its labels there."""


def window_words(constraint: CopyConstraint, cuts: frozenset[int] = frozenset()) -> tuple[tuple[Word, ...], str]:
    """The words of the constraint's text, cut where candidates begin or end inside one, and the white space at its end.

    Raises:
        ConfigError: when the constraint has no label, or a candidate names one outside it.
    """
    if not constraint.labels:
        raise ConfigError("a copy constraint needs at least one label")
    candidates = () if constraint.candidate_mode == "off" else constraint.candidates
    for candidate in candidates:
        for label in candidate.labels:
            if label not in constraint.labels:
                raise ConfigError(f"a candidate has the label {label!r}", expected=f"one of {list(constraint.labels)}")
    edges = {edge for candidate in candidates for edge in (candidate.span.start, candidate.span.end)}
    return words(constraint.text, edges | cuts)


def candidate_ends(constraint: CopyConstraint, found: Sequence[Word]) -> list[Ends]:
    """For each word, where a mention that opens there may end if only candidates are allowed; ends ascending.

    Raises:
        ConfigError: when a candidate begins or ends in white space.
    """
    index_of_start = {word.start: i for i, word in enumerate(found)}
    index_of_end = {word.end: i + 1 for i, word in enumerate(found)}
    ends: list[Ends] = [{} for _ in found]
    for candidate in constraint.candidates:
        first, end = index_of_start.get(candidate.span.start), index_of_end.get(candidate.span.end)
        if first is None or end is None:
            raise ConfigError(
                f"the candidate at {candidate.span.start}-{candidate.span.end} begins or ends in white space",
                expected="candidates that begin and end at characters of the text",
            )
        known = ends[first].get(end, ())
        named = candidate.labels or constraint.labels
        ends[first][end] = (*known, *(label for label in named if label not in known))
    return [dict(sorted(places.items())) for places in ends]


def ends_paragraph(gap: str) -> bool:
    """True for white space with a blank line; notes wrap lines in the middle of a mention, paragraphs they do not."""
    return len(f"{gap}.".splitlines()) > 2


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
        values: for each label that has attributes these in order: the name, and the ids of each value.
    """

    constraint: CopyConstraint
    slots: tuple[Slot, ...]
    last_open: int
    bar: Ids
    label_ids: dict[str, Ids]
    close: Ids
    values: Mapping[str, tuple[tuple[str, Mapping[str, Ids]], ...]] = field(default_factory=dict)

    def label_path(self, label: str) -> Ids:
        """The ids of a label and of what tells its end: the bracket, or the bar before its first attribute."""
        return (*self.label_ids[label], *(self.bar if self.values.get(label) else self.close))

    def value_paths(self, label: str, number: int) -> dict[str, Ids]:
        """The ids of each value of a label's attribute and of what tells its end."""
        attributes = self.values[label]
        end = self.bar if number + 1 < len(attributes) else self.close
        return {value: (*ids, *end) for value, ids in attributes[number][1].items()}

    def closed(self, label: str, said: Mapping[str, str]) -> Ids:
        """The ids that close a mention of `label` of which `said` is said."""
        told = [ids[said[name]] for name, ids in self.values.get(label, ()) if name in said]
        return (*(token for ids in (self.label_ids[label], *told) for token in (*self.bar, *ids)), *self.close)

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
        values={
            label: tuple(
                (asked.name, {value: tokenize(f" {escape(form)}") for value, form in asked.values})
                for asked in attributes
            )
            for label, attributes in constraint.attributes.items()
            if label in constraint.labels
        },
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
