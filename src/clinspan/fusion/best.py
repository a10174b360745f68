"""The best set of candidates that do not overlap."""

from bisect import bisect_right
from collections.abc import Sequence

from clinspan.document import Span


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
