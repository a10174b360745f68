"""One list of entities per document from the lists of its overlapping windows."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from clinspan.document import Entity, Span


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
