"""Where a copy constraint lets mentions lie, whichever way the answer is decoded."""

from collections.abc import Sequence

from clinspan.decoding.pieces import Word, words
from clinspan.errors import ConfigError
from clinspan.messages import CopyConstraint

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
