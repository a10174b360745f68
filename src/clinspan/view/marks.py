"""Turns a text with entities and unread windows, which may nest and cross, into well-formed HTML."""

import heapq
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from clinspan.document import READ_STATES, Document, Span

ASSERTIONS = ("absent", "possible", "conditional", "hypothetical", "associated-with-someone-else", "present")
"""Values of the attribute `assertion` that the page shows and filters; others stand in the table alone."""


@dataclass(slots=True)
class _Piece:
    """A stretch that one element covers. Crossing elements are cut where the one they cross ends."""

    span: Span
    owner: str
    height: int = 0  # how many levels of elements lie inside


class Lines:
    """Line numbers, from 1, of the offsets of one text; a line ends with LF, CR LF or CR."""

    def __init__(self, text: str):
        self._starts = [0]
        for offset, char in enumerate(text):
            if char == "\n" or (char == "\r" and text[offset + 1 : offset + 2] != "\n"):
                self._starts.append(offset + 1)

    def __getitem__(self, offset: int) -> int:
        return bisect_right(self._starts, offset)

    def place(self, span: Span) -> str:
        """Where `span` lies, for people: its lines and its characters."""
        first, last = self[span.start], self[span.end - 1]
        lines = f"line {first}" if first == last else f"lines {first}–{last}"
        return f"{lines}, characters {span.start}–{span.end}"


def plain(text: str) -> Markup:
    """`text` as HTML whose DOM text is again `text`, letter for letter.

    A browser's parser would turn a bare CR into LF; NUL, which HTML cannot hold, is shown by its symbol.
    """
    return Markup(str(escape(text)).replace("\r", "&#13;").replace("\0", "␀"))


def mark_up(document: Document, *, anchor: str, classes: Mapping[str, str]) -> Markup:
    """The document's text with a `mark` for each piece of an entity and a `span.unread` for each unread window.

    Args:
        document: what is shown.
        anchor: prefix of the elements' ids; entity `n` is `{anchor}e{n}`, window `n` is `{anchor}w{n}`.
        classes: the CSS class of each label.
    """
    owners: dict[str, tuple[str, str]] = {}
    spans: list[tuple[Span, int, str]] = []
    for number, window in enumerate(document.windows):
        if window.state not in READ_STATES:
            key = f"{anchor}w{number}"
            owners[key] = ("span", f' data-state="not read: {window.state}"')
            spans.append((window.span, 0, key))
    for number, entity in enumerate(document.entities):
        key = f"{anchor}e{number}"
        assertion = entity.attribute("assertion")
        told = f" a-{assertion}" if assertion in ASSERTIONS else ""
        owners[key] = (classes[entity.label] + told, f' data-label="{escape(entity.label)}"')
        spans += [(part, 1, key) for part in entity.fragments or (entity.span,)]
    events, pieces = _nest(spans)
    return _write(document.text, events, pieces, owners)


def _nest(spans: Iterable[tuple[Span, int, str]]) -> tuple[list[tuple[int, int, bool]], list[_Piece]]:
    """Pieces that nest, and the openings (True) and closings of each in text order: (offset, piece, opens)."""
    heap = [(span.start, -span.end, rank, order, owner) for order, (span, rank, owner) in enumerate(spans)]
    heapq.heapify(heap)
    pieces: list[_Piece] = []
    events: list[tuple[int, int, bool]] = []
    stack: list[int] = []

    def close() -> None:
        done = stack.pop()
        events.append((pieces[done].span.end, done, False))
        if stack:
            pieces[stack[-1]].height = max(pieces[stack[-1]].height, pieces[done].height + 1)

    while heap:
        start, end, rank, order, owner = heapq.heappop(heap)
        end = -end
        while stack and pieces[stack[-1]].span.end <= start:
            close()
        if stack and (border := pieces[stack[-1]].span.end) < end:
            heapq.heappush(heap, (border, -end, rank, order, owner))
            end = border
        pieces.append(_Piece(Span(start, end), owner))
        stack.append(len(pieces) - 1)
        events.append((start, len(pieces) - 1, True))
    while stack:
        close()
    return events, pieces


def _write(
    text: str,
    events: Sequence[tuple[int, int, bool]],
    pieces: Sequence[_Piece],
    owners: Mapping[str, tuple[str, str]],
) -> Markup:
    left = Counter(piece.owner for piece in pieces)
    ends: dict[str, int] = {}
    out: list[str] = []
    at = 0
    for offset, number, opens in events:
        out.append(plain(text[at:offset]))
        at = offset
        piece = pieces[number]
        kind, name = owners[piece.owner]
        if not opens:
            out.append("</span>" if kind == "span" else "</mark>")
            continue
        first, last = piece.owner not in ends, left[piece.owner] == 1
        apart = offset > ends.get(piece.owner, offset)  # the next part of a discontinuous entity
        left[piece.owner] -= 1
        ends[piece.owner] = piece.span.end
        ident = f' id="{piece.owner}"' if first else ""
        if kind == "span":
            out.append(f'<span class="unread"{ident}{name if first else ""}>')
            continue
        # One tab stop for each entity, at its first piece; its label's name stands after the last.
        css = f"{kind} h{min(piece.height, 3)}" + (" apart" if apart else "")
        stop = ' tabindex="0"' if first else ""
        out.append(f'<mark class="{css}" data-e="{piece.owner}"{ident}{stop}{name if last else ""}>')
    out.append(plain(text[at:]))
    return Markup("".join(out))
