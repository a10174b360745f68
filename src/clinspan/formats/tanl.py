r"""TANL: the answer repeats the text and marks each mention as `[ mention | label ]`.

Where attributes are asked for, their values follow: `[ chest pain | problem | absent ]`, in the declared order.

Says nested mentions; neither overlapping nor discontinuous ones. Since the answer repeats the text, each mention has
a position in the copy. What surrounds the copy (a fence, a preamble, a comment) stays in it: only a comparison with
the text can tell it apart, which `fidelity` makes.
Source of the format: "Structured Prediction as Translation between Augmented Natural Languages" (arXiv 2101.05779).
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import regex

from clinspan.document import Attributes, Entity, Span
from clinspan.formats import loose
from clinspan.formats.base import AnswerReader, Instructed, Mention, Reading, in_order
from clinspan.formats.named import AttributeNames, LabelNames, asked_of
from clinspan.formats.tanl_marks import (
    CLOSE,
    DEEPEST,
    opening,
    render,
)
from clinspan.labels import LabelSet

_CUT_OFF = 200  # characters: a mark that opens nearer to the answer's end was cut off rather than never meant

_PIECE = regex.compile(r"\\[\[\]|\\]|[\[\]|]|\\|[^\[\]|\\]+")


class Tanl(Instructed):
    """Writes and reads TANL."""

    name = "tanl"
    repeats_text = True
    template = "tanl"

    def render(self, text: str, entities: Sequence[Entity], labels: LabelSet) -> str:
        """The text with its entities marked.

        Raises:
            ConfigError: when two entities overlap without nesting, one is discontinuous, or more than 32 are nested.
            LabelError: when an entity's label is not in the set.
        """
        return render(text, in_order(text, entities, labels), asked_of(labels))

    def parse(self, answer: str, labels: LabelSet) -> Reading:
        """The mentions in the order in which their marks open, and the copy without its marks."""
        reader = _TanlReader(answer, LabelNames(labels), AttributeNames(labels))
        reading = reader.read()
        if not reading.mentions and loose.refuses(answer):
            return Reading(unread=reading.unread, repairs=reading.repairs, copy=reading.copy, refused=True)
        return reading


@dataclass(slots=True)
class _Mark:
    """A bracket that is open: indices into the reader's pieces, offsets into the answer.

    Attributes:
        bar: the last one in it, then the one before its label.
        before: the bars before that one, where attributes are asked for.
        attributes: what it says of its mention.
    """

    piece: int
    offset: int
    bar: int = -1
    bar_offset: int = -1
    before: list[tuple[int, int]] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)


class _TanlReader(AnswerReader):
    """One pass over the answer; a mark's own pieces are blanked when it turns out to be one."""

    def __init__(self, answer: str, names: LabelNames, attributes: AttributeNames):
        super().__init__(answer)
        self.names = names
        self.attributes = attributes
        self.pieces: list[str] = []
        self.open: deque[_Mark] = deque()
        self.found: list[tuple[_Mark, str]] = []

    def read(self) -> Reading:
        for match in _PIECE.finditer(self.answer):
            piece, offset = match.group(), match.start()
            if len(piece) == 2 and piece[0] == "\\":
                self.pieces.append(piece[1])
                continue
            if piece == "[":
                self._opens(offset)
            elif piece == "]":
                self._closes(offset)
            elif piece == "|":
                self._bars(offset)
            else:
                self.pieces.append(piece)
        while self.open:
            self._ends(self.open.pop())
        return self._reading()

    def _opens(self, offset: int) -> None:
        if self.open and self.open[-1].bar >= 0:
            mark = self.open[-1]
            if self._lacks_close(mark):
                self.open.pop()
            else:
                for _, bar in (*mark.before, (mark.bar, mark.bar_offset)):
                    self.repair("unescaped '|' kept as text", bar)
                mark.bar = -1
                mark.before.clear()
        if len(self.open) == DEEPEST:
            dropped = self.open.popleft()
            self.leave(dropped.offset, dropped.offset + 1, "marks are nested too deep")
        self.open.append(_Mark(len(self.pieces), offset))
        self.pieces.append("[")

    def _bars(self, offset: int) -> None:
        if not self.open:
            self.repair("unescaped '|' kept as text", offset)
        else:
            mark = self.open[-1]
            if mark.bar >= 0 and self.attributes:
                mark.before.append((mark.bar, mark.bar_offset))
            elif mark.bar >= 0:
                self.repair("unescaped '|' kept as text", mark.bar_offset)
            mark.bar, mark.bar_offset = len(self.pieces), offset
        self.pieces.append("|")

    def _closes(self, offset: int) -> None:
        self.pieces.append("]")
        if not self.open:
            self.repair("unescaped ']' kept as text", offset)
            return
        mark = self.open.pop()
        if mark.bar < 0:
            if self.answer.startswith(opening(), mark.offset) and self.answer[offset - 1] == " ":
                self.leave(mark.offset, offset + 1, "a mark without a label; kept as text")
            else:
                self.repair("unescaped '[' and ']' kept as text", mark.offset)
            return
        if mark.before and self._says(mark, offset):
            return
        written = ""
        if offset - mark.bar_offset <= self.names.longest:
            written = "".join(self.pieces[mark.bar + 1 : -1])
            label = self.names.find(written.strip())
            if label is not None:
                self._mention(mark, label, written)
                del self.pieces[mark.bar :]
                return
            label = self.names.at_start(written)
            if label is not None and self._says_behind(mark, label, written):
                return
            if label is not None:
                self.leave(mark.bar_offset, offset + 1, f"more than the label {label!r} in a mark")
                self._blank(mark)
                self.found.append((mark, label))
                del self.pieces[mark.bar :]
                return
        if self._lacks_close(mark):
            self.repair("unescaped ']' kept as text", offset)
            return
        self._unknown(mark, offset, written)

    def _says(self, mark: _Mark, end: int) -> bool:
        """Reads `[ mention | label | value ]`, whose bars are known, up to the answer's offset `end`.

        False where no part is a label; the mark then has its first bar alone.
        """
        bars = [*mark.before, (mark.bar, mark.bar_offset)]
        stops = [*(piece for piece, _ in bars[1:]), len(self.pieces) - self.answer.startswith(CLOSE, end)]
        parts = ["".join(self.pieces[bar + 1 : stop]) for (bar, _), stop in zip(bars, stops, strict=True)]
        exact = (i for i, part in enumerate(parts) if part.strip() in self.names.exact)
        at = next(exact, None)
        if at is None:
            at = next((i for i, part in enumerate(parts) if self.names.find(part.strip()) is not None), None)
        mark.bar, mark.bar_offset = bars[at or 0]
        for _, offset in bars[: at or 0] if at is not None else bars[1:]:
            self.repair("unescaped '|' kept as text", offset)
        mark.before.clear()
        if at is None:
            return False
        label = self.names.find(parts[at].strip()) or ""
        values = [part.strip() for part in parts[at + 1 :]]
        heard = self.attributes.read(label, [(None, value) for value in values])
        starts = [offset for _, offset in bars[at + 1 :]]
        for number, reason in heard.unknown:
            until = starts[number + 1] if number + 1 < len(starts) else end
            self.leave(starts[number], until, reason, harmless=True)
        for number, what in heard.mended:
            self.repair(what, starts[number])
        mark.attributes = heard.attributes
        even = all(part == f" {part.strip()} " for part in parts[at + 1 :])
        self._mention(mark, label, parts[at] if even else parts[at].strip())
        del self.pieces[mark.bar :]
        return True

    def _says_behind(self, mark: _Mark, label: str, written: str) -> bool:
        """Reads `[ mention | label, value ]`; False where what stands behind the label is no value of it."""
        rest = written[written.index(label) + len(label) :]
        parts = [part.strip(" ,;:/()") for part in regex.split("[,;/]", rest) if part.strip(" ,;:/()")]
        heard = self.attributes.read(label, [(None, part) for part in parts])
        if not parts or heard.unknown:
            return False
        self.repair("values without a bar before them", mark.bar_offset)
        mark.attributes = heard.attributes
        self._blank(mark)
        self.found.append((mark, label))
        del self.pieces[mark.bar :]
        return True

    def _unknown(self, mark: _Mark, offset: int, written: str) -> None:
        """Takes the marks of a mention with an unknown label away, unless they look like the text's own brackets."""
        spaced = written.startswith(" ") and written.endswith(" ") and self._spaced(mark)
        if spaced and written.strip():
            self.leave(mark.offset, offset + 1, f"{written.strip()!r} is not a label that was asked for")
            self._blank(mark)
            del self.pieces[mark.bar :]
        else:
            self.leave(mark.offset, offset + 1, "brackets without a known label; kept as text")

    def _mention(self, mark: _Mark, label: str, written: str) -> None:
        if written.strip() != label:
            self.repair(f"label {written.strip()!r} read as {label!r}", mark.bar_offset)
        elif written != f" {label} " or not self._spaced(mark):
            self.repair("changed spacing in a mark", mark.offset)
        self._blank(mark)
        self.found.append((mark, label))

    def _lacks_close(self, mark: _Mark) -> bool:
        """Reads `[ mention | label` without its bracket as a mention, when a label's full name stands there."""
        if mark.before:
            return self._lacks_close_after_values(mark)
        if mark.bar + 1 >= len(self.pieces):
            return False
        after = self.pieces[mark.bar + 1]
        name = self.names.at_start(after)
        if name is None:
            return False
        self.repair("a mark without its closing bracket", mark.offset)
        self._blank(mark)
        self.pieces[mark.bar] = ""
        self.pieces[mark.bar + 1] = after[after.index(name) + len(name) :]
        self.found.append((mark, name))
        return True

    def _lacks_close_after_values(self, mark: _Mark) -> bool:
        """The same of `[ mention | label | value`: what follows the last value is text again."""
        bars = [*mark.before, (mark.bar, mark.bar_offset)]
        parts = ["".join(self.pieces[bar + 1 : stop]) for (bar, _), (stop, _) in pairwise(bars)]
        at = next((i for i, part in enumerate(parts) if part.strip() in self.names.exact), None)
        if at is None:
            return False
        label = parts[at].strip()
        last = "".join(self.pieces[mark.bar + 1 :])
        found = self.attributes.at_start(label, last)
        if found is None:
            return False
        values = [*(part.strip() for part in parts[at + 1 :]), found[0]]
        heard = self.attributes.read(label, [(None, value) for value in values])
        if heard.unknown:
            return False
        for _, offset in bars[:at]:
            self.repair("unescaped '|' kept as text", offset)
        self.repair("a mark without its closing bracket", mark.offset)
        mark.bar, mark.bar_offset = bars[at]
        mark.before.clear()
        mark.attributes = heard.attributes
        self._blank(mark)
        # Later marks may count on where their pieces are, so that these stay, empty.
        emptied = len(self.pieces) - mark.bar - 1
        self.pieces[mark.bar :] = [""] * emptied + [last[found[1] :]]
        self.found.append((mark, label))
        return True

    def _ends(self, mark: _Mark) -> None:
        """The answer stops with this mark open."""
        if mark.bar >= 0:
            if self._lacks_close(mark):
                return
            if mark.before and self._says(mark, len(self.answer)):
                self.leave(mark.bar_offset, len(self.answer), "the answer ends inside a mark")
                return
            if len(self.answer) - mark.bar_offset <= self.names.longest:
                self.leave(mark.offset, len(self.answer), "the answer ends inside a mark")
                self._blank(mark)
                del self.pieces[mark.bar :]
                return
        elif len(self.answer) - mark.offset <= _CUT_OFF and self.answer.startswith(opening(), mark.offset):
            self.leave(mark.offset, len(self.answer), "the answer ends inside a mark")
            self.pieces[mark.piece] = ""
            self.pieces[mark.piece + 1] = self.pieces[mark.piece + 1].removeprefix(" ")
            return
        self.leave(mark.offset, mark.offset + 1, "a bracket that is never closed; kept as text")

    def _spaced(self, mark: _Mark) -> bool:
        return self.answer.startswith(opening(), mark.offset) and self.answer[mark.bar_offset - 1] == " "

    def _blank(self, mark: _Mark) -> None:
        """Takes away the opening bracket with the space after it, and the space before the bar."""
        self.pieces[mark.piece] = ""
        if mark.piece + 1 < mark.bar:
            self.pieces[mark.piece + 1] = self.pieces[mark.piece + 1].removeprefix(" ")
            self.pieces[mark.bar - 1] = self.pieces[mark.bar - 1].removesuffix(" ")

    def _reading(self) -> Reading:
        starts = [0]
        for piece in self.pieces:
            starts.append(starts[-1] + len(piece))
        copy = "".join(self.pieces)
        for mark, label in sorted(self.found, key=lambda item: item[0].offset):
            start, end = starts[mark.piece], starts[mark.bar]
            if start < end:
                self.mentions.append(
                    Mention(label, copy[start:end], Span(start, end), attributes=Attributes(mark.attributes))
                )
            else:
                self.leave(mark.offset, mark.bar_offset + 1, "a mark around nothing")
        return self.reading(copy=copy)
