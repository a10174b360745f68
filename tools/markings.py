"""Two markings of the same notes: how far they agree, where they differ, and how each difference was settled."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from marked import ASSERTIONS, Mark, Note

SETTLED = ("first", "second", "neither")
"""What a difference was settled for."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Marks of one place that only one of two markings has; offsets are of the bare text.

    Attributes:
        first: the marks of the first marking there, as shown.
        second: those of the second.
        settled: those of the settled marking.
        line: line of the note, from 1, on which the place begins.
    """

    note: str
    line: int
    said: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    settled: tuple[str, ...]

    @property
    def decided(self) -> str:
        """`first`, `second`, or `neither`."""
        if self.settled == self.first:
            return "first"
        return "second" if self.settled == self.second else "neither"


def differences(first: Note, second: Note, settled: Note) -> Iterator[Difference]:
    """The places where two markings of a note differ, in text order.

    A place is the marks that overlap each other and that the other marking lacks. A mark that differs only in the
    bounds of the drug or test it belongs to is not counted: that drug or test is.
    """
    for start, end in _places(first, second):
        shown = [_shown(note, start, end) for note in (first, second, settled)]
        both = set(shown[0]) & set(shown[1])
        one, two, last = (tuple(mark for mark in marks if mark not in both) for marks in shown)
        kept = all(mark in shown[2] for mark in both)
        line = first.text.count("\n", 0, start) + 1
        yield Difference(
            first.id, line, first.text[start:end], one, two, last if kept else (*last, "without what both marked")
        )


def _places(first: Note, second: Note) -> Iterator[tuple[int, int]]:
    spans = sorted((mark.start, mark.end) for a, b in ((first, second), (second, first)) for mark in _lacking(a, b))
    while spans:
        start, end = spans.pop(0)
        while spans and spans[0][0] < end:
            end = max(end, spans.pop(0)[1])
        yield start, end


def _lacking(note: Note, other: Note) -> list[Mark]:
    """The marks of a note that the other marking of it lacks."""
    return [mark for mark in note.marks if not any(_same(note, mark, other, there) for there in other.marks)]


def _same(note: Note, mark: Mark, other: Note, there: Mark) -> bool:
    if (mark.start, mark.end, mark.kind) != (there.start, there.end, there.kind):
        return False
    if (mark.assertion, mark.past) != (there.assertion, there.past):
        return False
    if mark.of is None or there.of is None:
        return mark.of == there.of
    one, two = note.marks[mark.of], other.marks[there.of]
    return one.start < two.end and two.start < one.end


def _shown(note: Note, start: int, end: int) -> tuple[str, ...]:
    """The marks that overlap a place, as `[words|kind|assertion]`, or `[words|kind|of words]` for a detail."""
    return tuple(_mark(note, mark) for mark in note.marks if mark.start < end and start < mark.end)


def _mark(note: Note, mark: Mark) -> str:
    parts = [note.text[mark.start : mark.end], mark.kind]
    if mark.assertion:
        parts.append(mark.assertion + " past" * mark.past)
    if mark.of is not None:
        owner = note.marks[mark.of]
        parts.append(f"of {note.text[owner.start : owner.end]}")
    return " ".join(f"[{'|'.join(parts)}]".split())


def list_differences(notes: Sequence[Note], first: Sequence[Note], second: Sequence[Note]) -> None:
    """Prints every difference of two markings with what it was settled for, and the counts of each."""
    settled, again = ({note.id: note for note in marking} for marking in (notes, second))
    decided: Counter[str] = Counter()
    for note in first:
        for found in differences(note, again[note.id], settled[note.id]):
            decided[found.decided] += 1
            print(f"{found.note}, line {found.line}: {' '.join(found.said.split())!r}: {found.decided}")
            rows = [("first", found.first), ("second", found.second)]
            rows += [("settled", found.settled)] if found.decided == "neither" else []
            for name, marks in rows:
                print(f"  {name}: {' '.join(marks) or 'no mark'}")
    print(f"{decided.total()} differences: {', '.join(f'{name} {decided[name]}' for name in SETTLED)}")


def agree(notes: Sequence[Note], again: Sequence[Note]) -> None:
    """Prints how far the second marking of some notes agrees with the first."""
    first = {note.id: note for note in notes}
    unknown = [note.id for note in again if note.id not in first or first[note.id].text != note.text]
    if unknown:
        raise SystemExit(f"the second marking has other text than the first: {', '.join(unknown)}")
    pairs = [(first[note.id], note) for note in again]
    print(f"{len(pairs)} notes marked twice")
    for name, fine in (("problem, treatment, test", False), ("kinds and details", True)):
        rows = [(_set(a, fine=fine), _set(b, fine=fine)) for a, b in pairs]
        print(f"{name}: strict F1 {_interval(rows, _strict)}, relaxed {_interval(rows, _relaxed)}")
    same = [
        (one.assertion, two.assertion)
        for a, b in pairs
        for one in a.marks
        for two in b.marks
        if one.assertion and two.assertion and (one.start, one.end) == (two.start, two.end)
    ]
    print(
        f"assertion: agreement {_share(same):.3f}, kappa {_kappa(same):.3f} on {len(same)} problems with equal bounds"
    )


Marks = frozenset[tuple[int, int, str]]


def _set(note: Note, *, fine: bool) -> Marks:
    if fine:
        return frozenset((m.start, m.end, m.kind) for m in note.marks)
    return frozenset((m.start, m.end, m.label) for m in note.marks if m.label != "detail")


def _strict(rows: Iterable[tuple[Marks, Marks]]) -> float:
    hit = sum(len(a & b) for a, b in rows)
    size = sum(len(a) + len(b) for a, b in rows)
    return 2 * hit / size if size else 1.0


def _relaxed(rows: Iterable[tuple[Marks, Marks]]) -> float:
    hit = size = 0
    for a, b in rows:
        size += len(a) + len(b)
        for one, two in ((a, b), (b, a)):
            hit += sum(any(x[0] < y[1] and y[0] < x[1] and x[2] == y[2] for y in two) for x in one)
    return hit / size if size else 1.0


def _interval(rows: Sequence[tuple[Marks, Marks]], figure: Callable[[Iterable[tuple[Marks, Marks]]], float]) -> str:
    draw = random.Random(1)
    resampled = sorted(figure([rows[draw.randrange(len(rows))] for _ in rows]) for _ in range(1000))
    return f"{figure(rows):.3f} ({resampled[25]:.3f}-{resampled[974]:.3f})"


def _share(pairs: Sequence[tuple[str, str]]) -> float:
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else 1.0


def _kappa(pairs: Sequence[tuple[str, str]]) -> float:
    if not pairs:
        return 1.0
    ones, twos = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(ones[name] * twos[name] for name in ASSERTIONS) / len(pairs) ** 2
    return (_share(pairs) - chance) / (1 - chance) if chance < 1 else 1.0
