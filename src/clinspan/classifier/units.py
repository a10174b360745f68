"""Units: where a mention can begin and end, tied to the encoder's own tokens by exact offsets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clinspan.classifier.scheme import Segment
from clinspan.document import Entity, Span
from clinspan.text.windows import tokens


@dataclass(frozen=True, slots=True)
class Unit:
    """A word of the text, or several where the encoder reads them as one token.

    Attributes:
        span: where it stands, in code points.
        token: index of the encoder's token that speaks for it, its first; None where the encoder has none (a character
            that its vocabulary drops).
    """

    span: Span
    token: int | None


def units(text: str, offsets: Sequence[tuple[int, int]]) -> tuple[Unit, ...]:
    """The units of `text` in order; each code point that is not white space lies in exactly one. Linear time.

    Args:
        text: a window.
        offsets: for each of the encoder's tokens the code points it covers, in order; empty for special tokens.
    """
    real = [(index, start, end) for index, (start, end) in enumerate(offsets) if start < end]
    found: list[Unit] = []
    at = 0
    for word in tokens(text):
        while at < len(real) and real[at][2] <= word.start:
            at += 1
        token = real[at][0] if at < len(real) and real[at][1] < word.end else None
        if token is not None and found and found[-1].token == token:
            # One token has one tag, so words that share it cannot be told apart.
            found[-1] = Unit(Span(found[-1].span.start, word.end), token)
        else:
            found.append(Unit(word, token))
    return tuple(found)


def segments(found: Sequence[Unit], entities: Iterable[Entity]) -> tuple[Segment, ...]:
    """The entities as tags can mark them, in text order.

    An entity that begins or ends inside a unit is widened to the whole of it, and of entities that overlap the longest
    stays; the hull stands for a discontinuous one.
    """
    widened = []
    for entity in entities:
        covered = [i for i, unit in enumerate(found) if unit.span.overlaps(entity.span)]
        if covered:
            widened.append(Segment(covered[0], covered[-1] + 1, entity.label))
    kept: list[Segment] = []
    for segment in sorted(widened, key=lambda s: (s.first - s.end, s)):
        if all(segment.end <= other.first or other.end <= segment.first for other in kept):
            kept.append(segment)
    return tuple(sorted(kept))
