"""DICE: the answer goes type by type: a sentence that names it, one that defines it, and its mentions.

Where attributes are asked for, their values follow a mention, each after a bar: `chest pain | absent`.
Says nested, overlapping and discontinuous mentions, in the order of the text within each type.
Source of the format: "DICE: Data-Efficient Clinical Event Extraction with Generative Models" (arXiv 2208.07989).
"""

from collections.abc import Iterator, Mapping, Sequence

import regex

from clinspan.document import Attributes, Entity
from clinspan.formats import loose
from clinspan.formats.base import AnswerReader, Instructed, Mention, Reading, fragment_texts, in_order
from clinspan.formats.named import Asked, AttributeNames, LabelNames, asked_of, written
from clinspan.labels import LabelSet

SEPARATOR = "[SEP]"
GAP = "[...]"
NOTHING = "<entity>"
NONE_WORDS = frozenset({NOTHING, "none", "n/a", "none.", "null", "nothing", "-"})

# A bracket that ends a mention like the beginning of a separator is escaped too: an answer may be cut off in one.
_OWN = regex.compile(r"\\|\[(?=\s*sep\s*\]|\.\.\.\]|(?:s(?:ep?)?)?$)|\n|\r", regex.IGNORECASE)
_OWN_AND_BARS = regex.compile(rf"\||{_OWN.pattern}", regex.IGNORECASE)
_SPELLED = {"\n": r"\n", "\r": r"\r"}
_ESCAPE = regex.compile(r"\\(?:([\\\[<])|([nr])|u([0-9a-fA-F]{4}))")
_ESCAPE_AND_BARS = regex.compile(_ESCAPE.pattern.replace(r"\[<]", r"\[<|]"))
_CUT_AT_BARS = regex.compile(r"\\[\\\[<|]|(\[\s*sep\s*\])|(\[\.\.\.\])|(\|)", regex.IGNORECASE)
_CUT = regex.compile(r"\\[\\\[<]|(\[\s*sep\s*\])|(\[\.\.\.\])", regex.IGNORECASE)


def escape(mention: str, *, bars: bool = False) -> str:
    """`mention`, or a part of one, as it is written; `bars` where bars part it from the values of attributes."""
    own = _OWN_AND_BARS if bars else _OWN
    if mention.casefold() in NONE_WORDS:
        return _code(mention[0]) + mention[1:]
    lead = len(mention) - len(mention.lstrip())
    tail = max(lead, len(mention.rstrip()))
    inner = own.sub(lambda found: _SPELLED.get(found.group(), "\\" + found.group()), mention[lead:tail])
    return "".join(map(_code, mention[:lead])) + inner + "".join(map(_code, mention[tail:]))


def unescape(written: str, *, bars: bool = False) -> str:
    """The mention that `written` spells; a backslash that escapes nothing is itself."""

    def plain(found: regex.Match[str]) -> str:
        own, line, code = found.groups()
        if code:
            return chr(int(code, 16))
        return str(own) if own else "\n" if line == "n" else "\r"

    return (_ESCAPE_AND_BARS if bars else _ESCAPE).sub(plain, written)


def pieces(written: str, *, bars: bool = False) -> Iterator[tuple[int, tuple[str, ...], tuple[str, ...]]]:
    """For each mention of a line its offset in it, its parts and what stands after its bars, escaped and stripped."""
    start = at = 0
    parts: list[str] = []
    said: list[str] = []
    behind = False
    for found in (_CUT_AT_BARS if bars else _CUT).finditer(written):
        separator, gap = found.group(1), found.group(2)
        bar = bars and found.group(3)
        if separator or bar or (gap and not behind):
            (said if behind else parts).append(written[at : found.start()].strip())
            at = found.end()
            behind = behind or bool(bar)
        if separator:
            yield start, tuple(parts), tuple(said)
            start, parts, said, behind = at, [], [], False
    (said if behind else parts).append(written[at:].strip())
    yield start, tuple(parts), tuple(said)


def _code(char: str) -> str:
    return f"\\u{ord(char):04x}"


_TYPE, _MEANING, _MENTIONS = "The type is ", "It means: ", "Mentions:"
_BULLET = regex.compile(r"(?:[-*•–+]\s++|\(?\d{1,3}[.)]\s++)+")
_TYPE_LINE = regex.compile(r"(?:the\s+)?(?:entity\s+)?type(?:\s+is\b\s*:?|\s*:)\s*(.+)", regex.IGNORECASE)
_MEANING_LINE = regex.compile(r"(?:it\s+means|definition|meaning|this\s+type\s+means)\b", regex.IGNORECASE)
_MENTIONS_LINE = regex.compile(r"(?:the\s+)?(?:mentions?|entities|entity|list)\b[^:\n]{0,40}:(.*)", regex.IGNORECASE)
_SEP = regex.compile(r"\[\s*sep\s*\]", regex.IGNORECASE)
_CUT_SEP = regex.compile(r"\s\[(?:S(?:E(?:P)?)?)?$", regex.IGNORECASE)


class Dice(Instructed):
    """Writes and reads DICE."""

    name = "dice"
    repeats_text = False
    template = "dice"

    def render(self, text: str, entities: Sequence[Entity], labels: LabelSet) -> str:
        """Three lines for each label, in the set's order, with an empty line between.

        Raises:
            ConfigError: when an entity does not stand in the text.
            LabelError: when an entity's label is not in the set.
        """
        ordered = in_order(text, entities, labels)
        asked = asked_of(labels)
        blocks: list[str] = []
        for label in labels.labels:
            said = [_written(entity, asked) for entity in ordered if entity.label == label.name] or [NOTHING]
            meaning = " ".join(label.definition.split())
            mentions = f" {SEPARATOR} ".join(said)
            blocks.append(f"{_TYPE}{label.name}.\n{_MEANING}{meaning}\n{_MENTIONS} {mentions}")
        return "\n\n".join(blocks)

    def parse(self, answer: str, labels: LabelSet) -> Reading:
        """The mentions in the answer's order: type by type."""
        reader = _DiceReader(answer, labels)
        at = 0
        for line in answer.split("\n"):
            reader.line(line, at)
            at += len(line) + 1
        if not reader.asked:
            return loose.read_lines(answer, labels, reader.names)
        reader.end()
        return reader.reading()


def _written(entity: Entity, asked: Asked) -> str:
    parts = fragment_texts(entity) or (entity.text,)
    mention = f" {GAP} ".join(escape(part, bars=bool(asked)) for part in parts)
    said = written(entity.label, entity.attributes, asked)
    return " | ".join((mention, *(escape(value, bars=True) for value in said)))


class _DiceReader(AnswerReader):
    """Reads line by line; a line belongs to the type that was named last."""

    def __init__(self, answer: str, labels: LabelSet):
        super().__init__(answer)
        self.labels = labels
        self.names = LabelNames(labels)
        self.attributes = AttributeNames(labels)
        self.label: str | None = labels.names[0] if len(labels.names) == 1 else None
        self.named = False
        self.asked: set[str] = set()
        """The labels whose mentions were given."""
        self.listing = False
        self._last: dict[str, list[Mention]] = {}

    def line(self, line: str, at: int) -> None:
        """Reads one line, which stands at the offset `at`."""
        said = line.strip()
        at += len(line) - len(line.lstrip())
        if not said:
            return
        if said.startswith("```"):
            self.repair("code fence", at)
        elif line.startswith(_MENTIONS):
            self._list(said[len(_MENTIONS) :], at + len(_MENTIONS))
        elif line.startswith(_TYPE) and said.endswith(".") and said[len(_TYPE) : -1] in self.names.exact:
            self._turn(said[len(_TYPE) : -1])
        elif not line.startswith(_MEANING):
            self._loose(said, at)

    def _loose(self, said: str, at: int) -> None:
        """A line that is not as the format writes it."""
        bullet = _BULLET.match(said)
        bare = said[bullet.end() if bullet else 0 :].strip("*#_ ")
        if (found := _TYPE_LINE.fullmatch(bare)) and self._type(found.group(1), said, at):
            return
        if found := _MENTIONS_LINE.fullmatch(bare):
            self.repair("changed words before the mentions", at)
            inner = found.group(1).strip("* ")
            self._list(inner, at + (said.rfind(inner) if inner else len(said)))
        elif _MEANING_LINE.match(bare) or self._defines(bare):
            return
        elif (label := self._before_colon(bare)) is not None:
            rest = bare.partition(":")[2].strip("* ")
            self.repair(f"{label!r} named without its sentence", at)
            self._turn(label)
            if rest and not self._defines(rest):
                self._list(rest, at + said.rfind(rest))
            else:
                self.listing = True
                self.asked.add(label)
        elif (self.listing and bullet) or _SEP.search(said):
            self.repair("mentions on lines of their own", at)
            rest = said[bullet.end() :] if bullet else said
            self._list(rest, at + len(said) - len(rest), goes_on=True)
        else:
            self.leave(at, at + len(said), "not understood", harmless=self._is_around())

    def _type(self, written: str, said: str, at: int) -> bool:
        label = self.names.find(written) or self.names.find(written.partition(".")[0])
        if label is None and self.listing and _BULLET.match(said):
            return False
        if label is None:
            self.label, self.named, self.listing = None, True, False
            self.leave(at, at + len(said), f"{written!r} is not a label that was asked for")
            return True
        if f"{_TYPE}{label}." != said:
            self.repair(f"{said!r} read as the type {label!r}", at)
        self._turn(label)
        cut = _MENTIONS_LINE.search(written)  # everything on one line
        if cut:
            self._list(cut.group(1), at + said.rfind(cut.group(1)))
        return True

    def _turn(self, label: str) -> None:
        self.label, self.named, self.listing = label, True, False

    def _list(self, written: str, at: int, *, goes_on: bool = False) -> None:
        """Takes the mentions that a line gives."""
        if self.label is None:
            self.leave(at, at + len(written), "mentions without a type that was asked for")
            return
        self.listing = True
        if not written.strip():  # what it names may stand on the lines below, or be cut off
            return
        self.asked.add(self.label)
        if at + len(written.rstrip()) >= len(self.answer.rstrip()) and (cut := _CUT_SEP.search(written)):
            self.repair("the answer ends inside a separator", at + cut.start())
            written = written[: cut.start()]
        said: list[Mention] = []
        bars = bool(self.attributes)
        for offset, parts, behind in pieces(written, bars=bars):
            given = tuple(unescape(part, bars=bars) for part in parts if part)
            if not given or (len(given) == 1 and parts[0].casefold() in NONE_WORDS):
                if given and parts[0] != NOTHING:
                    self.repair("words read as no mention", at + offset)
                continue
            told = self._told([unescape(value, bars=bars) for value in behind if value], at + offset)
            said.append(Mention(self.label, " ".join(given), parts=given if len(given) > 1 else (), attributes=told))
        if not goes_on and said and said == self._last.get(self.label):
            self.repair("the same answer again", at)
            return
        self._last[self.label] = said
        self.mentions += said

    def _told(self, values: Sequence[str], at: int) -> Mapping[str, str]:
        """The attributes that stand behind a mention, which begins at the offset `at`."""
        heard = self.attributes.read(self.label or "", [(None, value) for value in values])
        for number, reason in heard.unknown:
            start = max(at, self.answer.find(values[number], at))
            self.leave(start, start + len(values[number]), reason, harmless=True)
        for _, what in heard.mended:
            self.repair(what, at)
        return Attributes(heard.attributes)

    def _before_colon(self, bare: str) -> str | None:
        before, colon, _ = bare.partition(":")
        return self.names.find(before) if colon else None

    def _defines(self, bare: str) -> bool:
        said = " ".join(bare.split()).casefold()
        return any(said == " ".join(label.definition.split()).casefold() for label in self.labels.labels)

    def _is_around(self) -> bool:
        """Before the first type and after the last list there are only comments."""
        return not self.named or len(self.asked) == len(self.labels.names)

    def end(self) -> None:
        """Notes which labels nothing was said of."""
        for name in self.labels.names:
            if name not in self.asked:
                self.leave(len(self.answer), len(self.answer), f"nothing is said of {name!r}")
