"""How faithfully an answer repeats the text it should repeat, and which place in the text each place in it stands for.

The text decides what of a copy is the copy: words before and after it (a fence, a preamble, a comment, a second copy)
are told apart here, never by guessing from the answer alone.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from rapidfuzz.distance import Levenshtein

from clinspan.document import Span
from clinspan.text.windows import tokens

_CELLS = 1 << 26  # token pairs compared in one go: about 8,000 by 8,000, a few milliseconds, 8 MB
_ANCHOR = 5  # tokens that must agree for a place to count as the text's beginning or end
_STRETCH = 8  # tokens: what a copy leaves out in one piece is no small edit from here on
_MOSTLY = 0.8  # share of the tokens that must stand unchanged in a copy with small edits


class DriftKind(StrEnum):
    """What became of the text in its copy, best first."""

    EXACT = "exact"
    """Letter for letter."""
    WHITE_SPACE = "white space"
    """But for white space."""
    EDITED = "edited"
    """With small changes: at least four of five tokens stand unchanged."""
    TRUNCATED = "truncated"
    """Faithful as far as it goes, but it ends before the text does, or leaves out a stretch of eight tokens or more."""
    OTHER = "other"
    """Something else than a copy."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How a copy differs from its text.

    Attributes:
        kind: of the part that repeats the text.
        start, end: `copy[start:end]` is that part; what stands outside was added around it.
        reached: the text offset up to which the text is repeated; where a stretch is left out, that is its beginning.
        changed: tokens of the text, up to there, that the copy changed or left out, and tokens it put in between.
    """

    kind: DriftKind
    start: int
    end: int
    reached: int
    changed: int

    @property
    def faithful(self) -> bool:
        """True when nothing but white space differs in the part that repeats the text."""
        return self.kind in (DriftKind.EXACT, DriftKind.WHITE_SPACE)


class CopyMap:
    """Leads from offsets in a copy to offsets in its text."""

    def __init__(self, copy: str, text: str, pairs: Sequence[tuple[Span, Span]], drift: Drift):
        self._copy = copy
        self._text = text
        self._pairs = pairs
        self._starts = [pair[0].start for pair in pairs]
        self.drift = drift

    def span(self, span: Span) -> Span | None:
        """Where in the text the copy's `span` stands; None where one of its ends has no counterpart.

        White space at its ends is left out, and changed tokens are mapped whole: whether the text bears what the copy
        says there is for the caller to check.
        """
        said = span.of(self._copy)
        start = span.start + len(said) - len(said.lstrip())
        end = span.end - (len(said) - len(said.rstrip()))
        if start >= end:
            return None
        if self.drift.kind is DriftKind.EXACT:
            inside = self.drift.start <= start and end <= self.drift.end
            return Span(start - self.drift.start, end - self.drift.start) if inside else None
        first = self._pair(start)
        last = self._pair(end - 1)
        if first is None or last is None:
            return None
        begin, finish = self._offset(first, start), self._offset(last, end)
        return Span(begin, finish) if begin is not None and finish is not None and begin < finish else None

    def _pair(self, at: int) -> tuple[Span, Span] | None:
        index = bisect_right(self._starts, at) - 1
        if index < 0 or at >= self._pairs[index][0].end:
            return None
        return self._pairs[index]

    def _offset(self, pair: tuple[Span, Span], at: int) -> int | None:
        """The text offset for the boundary `at` of the copy's token, for tokens that differ only where both agree."""
        copied, own = pair
        if at == copied.start:
            return own.start
        if at == copied.end:
            return own.end
        before, after = self._copy[copied.start : at], self._copy[at : copied.end]
        if own.of(self._text).startswith(before):
            return own.start + len(before)
        if own.of(self._text).endswith(after):
            return own.end - len(after)
        return None


def align_copy(copy: str, text: str) -> CopyMap:
    """Lays `copy` along `text`, token by token.

    Time grows with the sum of the lengths: texts beyond some 8,000 tokens are first cut at tokens that stand exactly
    once in both (patience diff), and stretches that stay too long between two such tokens are left unmapped.
    """
    at = copy.find(text) if text else 0
    if at >= 0:
        return CopyMap(copy, text, (), Drift(DriftKind.EXACT, at, at + len(text), len(text), 0))
    theirs, own = tokens(copy), tokens(text)
    said = [span.of(copy).casefold() for span in theirs]
    meant = [span.of(text).casefold() for span in own]
    if not own:
        return CopyMap(copy, text, (), Drift(DriftKind.WHITE_SPACE, 0, 0, len(text), 0))
    low, high = _core(said, meant)
    pairs = [(low + i, j) for i, j in _align(said[low:high], meant[: _cut_off(said, meant)])]
    equal = [k for k, (i, j) in enumerate(pairs) if said[i] == meant[j]]
    if not equal:
        return CopyMap(copy, text, (), Drift(DriftKind.OTHER, 0, 0, 0, len(own)))
    found = _judge(copy, text, theirs, own, pairs, equal)
    if found.kind is DriftKind.OTHER:
        pairs = [pairs[k] for k in equal]  # in something else than a copy, only equal words mean equal places
    return CopyMap(copy, text, [(theirs[i], own[j]) for i, j in pairs], found)


def _judge(
    copy: str,
    text: str,
    theirs: Sequence[Span],
    own: Sequence[Span],
    pairs: Sequence[tuple[int, int]],
    equal: Sequence[int],
) -> Drift:
    first, last = pairs[equal[0]], pairs[equal[-1]]
    # Changed tokens at the very end still are the copy's end, unless the text goes on for longer than they do.
    if pairs[-1][1] == len(own) - 1 and len(own) - 1 - last[1] <= 2:
        last = pairs[-1]
    if pairs[0][1] == 0 and first[1] <= 2:
        first = pairs[0]
    left_out = next((one for one, two in pairwise([(-1, -1), *(pairs[k] for k in equal)]) if _skips(one, two)), None)
    same = sum(theirs[i].of(copy) == own[j].of(text) for i, j in pairs)
    spent, covered = last[0] - first[0] + 1, last[1] + 1
    changed = (covered - same) + max(0, spent - covered)
    ended = last[1] == len(own) - 1
    reached = len(text) if ended else own[last[1]].end
    start, end = theirs[first[0]].start, theirs[last[0]].end
    if same < _MOSTLY * max(covered, spent):
        kind = DriftKind.OTHER
    elif left_out is not None:
        kind, reached = DriftKind.TRUNCATED, own[left_out[1]].end if left_out[1] >= 0 else 0
    elif not ended:
        kind = DriftKind.TRUNCATED
    else:
        kind = DriftKind.WHITE_SPACE if changed == 0 else DriftKind.EDITED
    return Drift(kind, start, end, reached, changed)


def _skips(one: tuple[int, int], two: tuple[int, int]) -> bool:
    """True when the copy goes on over a stretch of the text between two pairs of tokens."""
    return (two[1] - one[1]) - (two[0] - one[0]) >= _STRETCH


def _core(said: Sequence[str], meant: Sequence[str]) -> tuple[int, int]:
    """The range of the copy's tokens between the text's first words and its last, where these stand in it."""
    low, high = 0, len(said)
    if len(said) <= len(meant) or len(meant) < _ANCHOR:
        return low, high
    head, tail = tuple(meant[:_ANCHOR]), tuple(meant[-_ANCHOR:])
    for i in range(len(said) - _ANCHOR + 1):
        if tuple(said[i : i + _ANCHOR]) == head:
            low = i
            break
    return low, _end_of(tail, said, due=low + len(meant)) or high


def _cut_off(said: Sequence[str], meant: Sequence[str]) -> int:
    """How many of the text's tokens a copy that ends early repeats; all of them where that is not plain to see.

    Without this, the copy's last words could be laid along equal words anywhere in the text's remainder.
    """
    if len(said) >= len(meant) or len(said) <= _ANCHOR or said[-_ANCHOR:] == meant[-_ANCHOR:]:
        return len(meant)
    # The very last token may be half a word.
    end = _end_of(tuple(said[-_ANCHOR - 1 : -1]), meant, due=len(said) - 1)
    return min(end + 1, len(meant)) if end else len(meant)


def _end_of(phrase: tuple[str, ...], words: Sequence[str], *, due: int) -> int | None:
    """Where `phrase` ends in `words`, nearest to where that is due: it may also stand elsewhere."""
    ends = [i + _ANCHOR for i in range(len(words) - _ANCHOR + 1) if tuple(words[i : i + _ANCHOR]) == phrase]
    nearest = min(ends, key=lambda end: abs(end - due), default=None)
    near_enough = nearest is not None and abs(nearest - due) <= max(_ANCHOR, due // 5)
    return nearest if near_enough else None


def _align(said: Sequence[str], meant: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of token indices that stand for each other, ascending in both."""
    low = 0
    while low < min(len(said), len(meant)) and said[low] == meant[low]:
        low += 1
    pairs = [(i, i) for i in range(low)]
    for i0, i1, j0, j1 in _stretches(said, meant, low):
        pairs += _pairs(said, meant, (i0, i1, j0, j1))
    return pairs


Box = tuple[int, int, int, int]


def _stretches(said: Sequence[str], meant: Sequence[str], low: int) -> list[Box]:
    """The rest of both, whole where it is small enough to compare, else cut at tokens that stand once in each."""
    if (len(said) - low) * (len(meant) - low) <= _CELLS:
        return [(low, len(said), low, len(meant))]
    cuts = [(low, low), *_anchors(said, meant, low), (len(said), len(meant))]
    return [(i, k, j, m) for (i, j), (k, m) in pairwise(cuts)]


def _anchors(said: Sequence[str], meant: Sequence[str], low: int) -> list[tuple[int, int]]:
    once = _once(said, low)
    found = sorted((j, once[token]) for token, j in _once(meant, low).items() if token in once)
    # Longest ascending run of the copy's indices (patience sorting).
    tops: list[int] = []
    piles: list[int] = []
    back: list[int] = []
    for index, (_, i) in enumerate(found):
        pile = bisect_left(tops, i)
        back.append(piles[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(i)
            piles.append(index)
        else:
            tops[pile], piles[pile] = i, index
    chain: list[tuple[int, int]] = []
    at = piles[-1] if piles else -1
    while at >= 0:
        chain.append((found[at][1], found[at][0]))
        at = back[at]
    return chain[::-1]


def _once(words: Sequence[str], low: int) -> dict[str, int]:
    seen: dict[str, int] = {}
    for index in range(low, len(words)):
        seen[words[index]] = -1 if words[index] in seen else index
    return {word: index for word, index in seen.items() if index >= 0}


def _pairs(said: Sequence[str], meant: Sequence[str], box: Box) -> list[tuple[int, int]]:
    i0, i1, j0, j1 = box
    if (i1 - i0) * (j1 - j0) > _CELLS:
        return []
    found: list[tuple[int, int]] = []
    # Tokens change into each other one for one, or come and go: Levenshtein's own three operations.
    for step in Levenshtein.opcodes(said[i0:i1], meant[j0:j1]):
        if step.tag in ("equal", "replace"):
            length = step.src_end - step.src_start
            found += [(i0 + step.src_start + k, j0 + step.dest_start + k) for k in range(length)]
    return found
