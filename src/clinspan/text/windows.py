"""Windows: the parts of a note that are put to an LLM one at a time, cut between sentences and overlapping.

And what was found in them, as one list of entities for the document.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import regex

from clinspan.document import Entity, Span
from clinspan.errors import ConfigError
from clinspan.text.sentences import Sentence, sentences

_TOKEN = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}--\p{N}]\p{M}*"
    r"|[[\p{L}\p{N}\p{M}]--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}--\p{N}]]+"
    r"|\S\p{M}*",
    flags=regex.V1,
)


def tokens(text: str) -> tuple[Span, ...]:
    """The tokens of `text`, left to right; between two there is nothing or white space alone. Linear time."""
    return tuple(Span(found.start(), found.end()) for found in _TOKEN.finditer(text))


CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSettings:
    """How a text is cut.

    Attributes:
        max_tokens: at most this many tokens in a window, overlap included. Small local models do best on one or a
            few sentences (30 to 100), large ones on about 1,000.
        max_sentences: at most this many sentences, overlap included; headings do not count. None: no limit.
        overlap_sentences: how many sentences two neighbours share, so that a mention which a wrong sentence boundary
            cuts is whole in one of them. Nothing is shared across an empty line.
        longest_mention: code points of the longest mention to expect; two parts of a sentence that is longer than
            a window share as much, up to half a window.
    """

    max_tokens: int = 128
    max_sentences: int | None = None
    overlap_sentences: int = 1
    longest_mention: int = 100

    def __post_init__(self) -> None:
        for name, least in (("max_tokens", 4), ("overlap_sentences", 0), ("longest_mention", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}", where="windows", expected=f"{least} or more")
        if self.max_sentences is not None and self.max_sentences <= self.overlap_sentences:
            raise ConfigError(
                f"max_sentences is {self.max_sentences}, so windows that share {self.overlap_sentences} sentences "
                "never move on",
                where="windows",
                expected="max_sentences above overlap_sentences",
            )


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a document.

    Attributes:
        core: what the window answers for: an entity belongs to the window whose core its first character is in.
            The cores of a document do not overlap and hold all of its text.

    Raises:
        ValueError: when the core is not within the span.
    """

    index: int
    span: Span
    core: Span

    def __post_init__(self) -> None:
        if self.index < 0 or not self.span.contains(self.core):
            raise ValueError(f"window {self.index}: the core {self.core} is not within {self.span}")


def windows(
    text: str, settings: WindowSettings | None = None, *, count: CountTokens | None = None
) -> tuple[Window, ...]:
    """Cuts `text` into windows, in order; white space alone gives none. Linear time.

    Every code point that is not white space is in exactly one core, no window begins or ends inside a token, and a
    window is over `max_tokens` only where a single token is.

    Args:
        settings: the defaults when None.
        count: how many tokens a string takes; the number of `clinspan.text.windows` when None. It is called once for
            each sentence and the counts are added, so a window of a model's own tokens may differ by a few.
    """
    settings = settings or WindowSettings()
    units = list(_units(text, settings.max_tokens, count or _count))
    return tuple(_windows(text, units, settings))


def _count(text: str) -> int:
    return len(tokens(text))


class _Joint(IntEnum):
    """What lies before a unit, from the best place to cut to the worst."""

    PARAGRAPH = 0
    SENTENCE = 1
    CLAUSE = 2
    WORD = 3


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is never cut: a sentence that fits, else a part of one."""

    span: Span
    size: int
    joint: _Joint
    heading: bool


_CLAUSE = regex.compile(r"(?<=[,;:)\]–—])[\s]+|\s+(?=(?:and|but|or|with|which|who|that|while|however)\s)")
_PARTS = 6


def _units(text: str, max_tokens: int, count: CountTokens) -> Iterator[_Unit]:
    found = sentences(text)
    for number, sentence in enumerate(found):
        span = sentence.span
        end = found[number + 1].span.start if number + 1 < len(found) else span.end
        size = count(text[span.start : end])
        if size <= max_tokens:
            joint = _Joint.PARAGRAPH if sentence.paragraph else _Joint.SENTENCE
            yield _Unit(span, size, joint, sentence.heading)
        else:
            yield from _parts(text, sentence, max(1, max_tokens // _PARTS), count)


def _parts(text: str, sentence: Sentence, most: int, count: CountTokens) -> Iterator[_Unit]:
    """A sentence that does not fit, as clauses of at most `most` tokens; a longer clause as runs of tokens."""
    joint = _Joint.PARAGRAPH if sentence.paragraph else _Joint.SENTENCE
    whole = sentence.span
    starts = [whole.start, *(m.end() for m in _CLAUSE.finditer(text, whole.start, whole.end)), whole.end]
    for start, end in pairwise(starts):
        if start == end:
            continue
        for span, size in _runs(text, Span(start, end), most, count):
            yield _Unit(span, size, joint, False)
            joint = _Joint.WORD
        joint = _Joint.CLAUSE


def _runs(text: str, clause: Span, most: int, count: CountTokens) -> Iterator[tuple[Span, int]]:
    """The clause itself if it fits, else runs of its tokens, cut at white space where there is any near."""
    size = count(clause.of(text))
    if size <= most:
        yield _trim(text, clause), size
        return
    inside = [token.shift(clause.start) for token in tokens(clause.of(text))]
    step = max(1, len(inside) * most // size)
    at = 0
    while at < len(inside):
        stop = min(at + step, len(inside))
        # Look back for white space, so that "12.5" or "beta-blocker" is not taken apart needlessly.
        spaced = (i for i in range(stop, at + step // 2, -1) if i == len(inside) or inside[i - 1].end < inside[i].start)
        stop = next(spaced, stop)
        run = Span(inside[at].start, inside[stop - 1].end)
        yield run, count(run.of(text))
        at = stop


def _trim(text: str, span: Span) -> Span:
    words = span.of(text)
    return Span(span.start + len(words) - len(words.lstrip()), span.start + len(words.rstrip()))


def _windows(text: str, units: Sequence[_Unit], settings: WindowSettings) -> Iterator[Window]:
    pending: tuple[int, Span, int] | None = None
    for index, (first, new, stop) in enumerate(_packs(units, settings)):
        span = Span(units[first].span.start, units[stop - 1].span.end)
        owned = _owned_from(units, first, new, settings.longest_mention)
        if pending is not None:
            before, whole, core_start = pending
            yield Window(before, whole, Span(core_start, _end_before(text, units[owned].span.start, whole)))
        pending = (index, span, units[owned].span.start)
    if pending is not None:
        last, whole, core_start = pending
        yield Window(last, whole, Span(core_start, whole.end))


def _end_before(text: str, start: int, whole: Span) -> int:
    """Where the core ends that another follows at `start`: before the white space, within its window."""
    end = min(start, whole.end)
    while text[end - 1].isspace():
        end -= 1
    return end


def _packs(units: Sequence[_Unit], settings: WindowSettings) -> Iterator[tuple[int, int, int]]:
    """For each window its first unit, its first that no earlier window has, and one past its last."""
    first = new = 0
    while new < len(units):
        stop = _fill(units, first, new, settings)
        yield first, new, stop
        # Only what was new here may be shared, and not all of a window: each must have something of its own.
        first = _overlap_from(units, new + 1 if first == new else new, stop, settings)
        new = stop


def _fill(units: Sequence[_Unit], first: int, new: int, settings: WindowSettings) -> int:
    """One past the last unit of the window that has `first` to `new` already."""
    size = sum(unit.size for unit in units[first : new + 1])
    number = _sentence_count(units[first : new + 1])
    stop = new + 1
    while stop < len(units):
        size += units[stop].size
        number += _sentence_count((units[stop],))
        if size > settings.max_tokens or (settings.max_sentences is not None and number > settings.max_sentences):
            break
        stop += 1
    else:
        return stop
    if units[stop].joint > _Joint.SENTENCE:
        # Inside a sentence: go back to the best joint in the second half of what is new.
        middle = new + (stop - new + 1) // 2
        stop = min(range(stop, max(middle, new + 1) - 1, -1), key=lambda i: units[i].joint)
    while stop > new + 1 and units[stop - 1].heading:
        stop -= 1
    return stop


def _sentence_count(units: Sequence[_Unit]) -> int:
    return sum(not unit.heading and unit.joint <= _Joint.SENTENCE for unit in units)


def _overlap_from(units: Sequence[_Unit], least: int, stop: int, settings: WindowSettings) -> int:
    """The first unit of the window that begins anew at `stop`, none before `least`."""
    if stop == len(units) or units[stop].joint is _Joint.PARAGRAPH:
        return stop
    inside = units[stop].joint > _Joint.SENTENCE
    room = settings.max_tokens - units[stop].size
    if inside:
        room = min(room, settings.max_tokens // 2)
    first, shared, size = stop, 0, 0
    while first > least:
        before = units[first - 1]
        enough = (
            units[stop - 1].span.end - units[first].span.start >= settings.longest_mention
            if inside and first < stop
            else not inside and shared >= settings.overlap_sentences
        )
        size += before.size
        if enough or size > room or before.heading:
            break
        first -= 1
        shared += before.joint <= _Joint.SENTENCE
        if before.joint is _Joint.PARAGRAPH:
            break
    return first if inside or first == stop or units[first].joint <= _Joint.SENTENCE else stop


def _owned_from(units: Sequence[_Unit], first: int, new: int, longest_mention: int) -> int:
    """The first unit that the window answers for.

    It is as late in the overlap as still lets the window before see a mention whole that begins just before it, so
    that entities are taken from the window where they stand nearer to the middle.
    """
    end = units[new - 1].span.end
    return next((i for i in range(new - 1, first, -1) if end - units[i].span.start >= longest_mention), first)


@dataclass(frozen=True, slots=True)
class WindowEntities:
    """What one window found.

    Attributes:
        span: the part of the document it was shown.
        core: the part it answers for; cores do not overlap.
        entities: in the document's offsets.
        read: False for a window whose answer could not be had or read; it says nothing about what is not there.
    """

    span: Span
    core: Span
    entities: tuple[Entity, ...] = ()
    read: bool = True


@dataclass(frozen=True, slots=True)
class _Proposal:
    """An entity, who says it is there, and how strong that is.

    Attributes:
        entity: as the most central of the windows that name it gives it.
        by: those windows.
        lead: windows that name it less those that were shown the place and do not.
        central: True when the most central window that was shown it names it.
    """

    entity: Entity
    by: frozenset[int]
    lead: int
    central: bool

    @property
    def rank(self) -> tuple[int, bool, int, int]:
        return self.lead, self.central, len(self.entity.span), -self.entity.start


def merge(windows: Sequence[WindowEntities]) -> tuple[Entity, ...]:
    """The document's entities in text order, each once.

    An entity stays when more windows name it than were shown its place and do not; on a tie the window whose core it
    begins in decides, else the one in which it stands farthest from the edge. Of entities that overlap, the one with
    the greater agreement stays, unless one window names both (nested ones).
    """
    shown = _Shown(windows)
    named: defaultdict[tuple[Span, str], dict[int, Entity]] = defaultdict(dict)
    for number, window in enumerate(windows):
        for entity in window.entities:
            named[entity.span, entity.label].setdefault(number, entity)
    kept = [proposal for found in named.values() if (proposal := _judge(windows, shown, found)) is not None]
    kept.sort(key=lambda proposal: proposal.rank, reverse=True)
    chosen: list[_Proposal] = []
    by_start: list[tuple[int, int]] = []  # (start, number in `chosen`), sorted
    longest = max((len(proposal.entity.span) for proposal in kept), default=0)
    for proposal in kept:
        span = proposal.entity.span
        low = bisect_left(by_start, (span.start - longest, -1))
        high = bisect_left(by_start, (span.end, -1))
        rivals = (chosen[number] for _, number in by_start[low:high])
        if all(not other.entity.span.overlaps(span) or other.by & proposal.by for other in rivals):
            by_start.insert(bisect_left(by_start, (span.start, len(chosen))), (span.start, len(chosen)))
            chosen.append(proposal)
    return tuple(sorted((proposal.entity for proposal in chosen), key=lambda e: (e.start, -e.end, e.label)))


class _Shown:
    """Which windows were shown a span whole."""

    def __init__(self, windows: Sequence[WindowEntities]):
        order = sorted((window.span.start, number) for number, window in enumerate(windows) if window.read)
        self._starts = [start for start, _ in order]
        self._numbers = [number for _, number in order]
        self._windows = windows
        self._longest = max((len(window.span) for window in windows), default=0)

    def __call__(self, span: Span) -> list[int]:
        low = bisect_left(self._starts, span.end - self._longest)
        high = bisect_right(self._starts, span.start)
        return [number for number in self._numbers[low:high] if self._windows[number].span.contains(span)]


def _judge(windows: Sequence[WindowEntities], shown: _Shown, found: dict[int, Entity]) -> _Proposal | None:
    span = next(iter(found.values())).span
    seen = sorted({*shown(span), *found}, key=lambda number: _centrality(windows[number], span), reverse=True)
    lead = 2 * len(found) - len(seen)
    central = seen[0] in found
    if lead < 0 or (lead == 0 and not central):
        return None
    best = next(number for number in seen if number in found)
    return _Proposal(found[best], frozenset(found), lead, central)


def _centrality(window: WindowEntities, span: Span) -> tuple[bool, int]:
    """How well placed a window is to judge a span: its own core first, then the distance to its nearer edge."""
    owns = window.core.start <= span.start < window.core.end
    return owns, min(span.start - window.span.start, window.span.end - span.end)
