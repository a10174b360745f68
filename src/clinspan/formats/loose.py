"""Answers that do not keep to their format: JSON as models write it, lines of prose, and the words of a refusal.

JSON is read to the end whatever is wrong with it, every value with its place in the answer.
The libraries that mend broken JSON give no offsets, and what is not understood must be reported with its place.
Valid JSON is read as the standard says (duplicate keys are kept). Time is linear in the answer's length.
"""

from dataclasses import dataclass, field
from typing import Literal

import regex

from clinspan.formats.base import AnswerReader, Mention, Reading, Repair, Unread
from clinspan.formats.named import LabelNames
from clinspan.labels import LabelSet

DEEPEST = 32
"""Brackets that may be open at once; those within are passed over."""

Kind = Literal["object", "array", "string", "word"]


@dataclass(slots=True)
class Node:
    """A value, at `answer[start:end]`.

    Attributes:
        text: of a string, unescaped; of a bare word (number, null, unquoted text), as written.
        items: of an array.
        pairs: of an object; a value is None where only a key stands.
        whole: False when the answer ends inside it.
    """

    kind: Kind
    start: int
    end: int = -1
    text: str = ""
    items: list["Node"] = field(default_factory=list)
    pairs: list[tuple["Node", "Node | None"]] = field(default_factory=list)
    whole: bool = True


_OPENS: dict[str, Kind] = {"{": "object", "[": "array", "(": "array"}
_CLOSES: dict[str, Kind] = {"}": "object", "]": "array", ")": "array"}
_QUOTES = {'"': '"', "'": "'’‘", "“": '”"', "‘": "’'", "`": "`"}
_START = regex.compile(r"[\[{]")
_SPACE = regex.compile(r"\s+")
_FENCE = regex.compile(r"```[\w+-]*")
_WORD = regex.compile(r"[^,:\[\]{}()\n]*")
_IN_STRING = regex.compile(r"\\.|[\"'”“’‘`]", regex.DOTALL)
# A quote ends a string only before something that may follow one, so that apostrophes and inner quotes stay inside.
_AFTER_STRING = regex.compile(r"\s*+(?:[,;:\]})]|```|$)|[^\S\n]*+\n|\s++[\"“{\[]")
_ESCAPE = regex.compile(r"\\(?:u([dD][89abAB]\p{AHex}{2})\\u([dD][c-fC-F]\p{AHex}{2})|u(\p{AHex}{4})|([\s\S]))")
_SINGLE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def values(answer: str) -> tuple[list[Node], list[Repair]]:
    """All objects and arrays that stand on their own in the answer, in order, and what was mended to read them."""
    reader = _LooseJsonReader(answer)
    found: list[Node] = []
    at = 0
    while (start := _START.search(answer, at)) is not None:
        found.append(reader.value(start.start()))
        at = found[-1].end
    return found, reader.repairs


@dataclass(slots=True)
class _Frame:
    """An object or array that is open."""

    node: Node
    key: Node | None = None
    colon: bool = False
    comma: int = -1
    parted: bool = True


class _LooseJsonReader:
    def __init__(self, answer: str):
        self.answer = answer
        self.repairs: list[Repair] = []
        self.stack: list[_Frame] = []
        self._endless: set[str] = set()

    def value(self, start: int) -> Node:
        """The object or array that opens at `start`."""
        answer = self.answer
        root = Node(_OPENS[answer[start]], start)
        self.stack = [_Frame(root)]
        at = start + 1
        while self.stack and at < len(answer):
            if space := _SPACE.match(answer, at):
                at = space.end()
            elif fence := _FENCE.match(answer, at):
                self._repair("code fence", at)
                at = fence.end()
            else:
                at = self._step(answer[at], at)
        while self.stack:
            self._repair("the answer ends inside the JSON", len(answer))
            frame = self.stack[-1]
            frame.node.whole = False
            self._close(len(answer))
        return root

    def _step(self, char: str, at: int) -> int:
        """Reads what begins with `char` at `at`; gives the offset after it."""
        frame = self.stack[-1]
        if char in ",;":
            self._flush(frame)
            frame.comma, frame.parted = at, True
        elif char in ":=":
            frame.colon = frame.key is not None
            if not frame.colon:
                self._repair(f"stray {char!r} passed over", at)
        elif char in _OPENS:
            if len(self.stack) == DEEPEST:
                self._repair("brackets nested too deep passed over", at)
            else:
                node = Node(_OPENS[char], at)
                self._attach(node)
                self.stack.append(_Frame(node))
        elif char in _CLOSES:
            self._closing(char, at)
        elif char in _QUOTES:
            node = self._string(at)
            self._attach(node)
            return node.end
        else:
            return self._word(at)
        return at + 1

    def _closing(self, char: str, at: int) -> None:
        kind = _CLOSES[char]
        if all(frame.node.kind != kind for frame in self.stack):
            self._repair(f"stray {char!r} passed over", at)
            return
        while self.stack[-1].node.kind != kind:
            self._repair("missing bracket", at)
            self._close(at)
        if self.stack[-1].comma >= 0:
            self._repair("trailing comma", self.stack[-1].comma)
        self._close(at + 1)

    def _close(self, end: int) -> None:
        frame = self.stack.pop()
        self._flush(frame)
        frame.node.end = end

    def _flush(self, frame: _Frame) -> None:
        """A key that no value follows."""
        if frame.key is not None:
            frame.node.pairs.append((frame.key, None))
            frame.key, frame.colon = None, False

    def _attach(self, node: Node) -> None:
        frame = self.stack[-1]
        if frame.key is not None and frame.colon:
            frame.node.pairs.append((frame.key, node))
            frame.key, frame.colon = None, False
            return
        if not frame.parted:
            self._repair("missing comma", node.start)
        frame.comma, frame.parted = -1, False
        if frame.node.kind == "array":
            frame.node.items.append(node)
        else:
            self._flush(frame)
            frame.key = node

    def _word(self, at: int) -> int:
        found = _WORD.match(self.answer, at)
        end = max(found.end(), at + 1) if found else at + 1
        written = self.answer[at:end].rstrip()
        node = Node("word", at, at + len(written), written)
        if regex.fullmatch(r"null|true|false|-?\d[\d.eE+-]*", written) is None:
            self._repair("unquoted text", at)
        self._attach(node)
        return end

    def _string(self, at: int) -> Node:
        quote = self.answer[at]
        if quote != '"':
            self._repair(f"string in {quote} quotes", at)
        end = self._string_end(at, quote)
        if end >= 0:
            return Node("string", at, end + 1, self._unescaped(at + 1, end))
        # No quote ends it: the line does, or the answer.
        line = self.answer.find("\n", at)
        stop = line if line >= 0 else len(self.answer)
        self._repair("string without its closing quote", at)
        return Node("string", at, stop, self._unescaped(at + 1, stop), whole=False)

    def _string_end(self, at: int, quote: str) -> int:
        if quote in self._endless:
            return -1
        for found in _IN_STRING.finditer(self.answer, at + 1):
            mark = found.group()
            if mark in _QUOTES[quote] and _AFTER_STRING.match(self.answer, found.end()):
                if mark != _QUOTES[quote][0]:
                    self._repair("unlike quotes around a string", at)
                return found.start()
        self._endless.add(quote)  # so that later ones do not search the whole answer again
        return -1

    def _unescaped(self, start: int, end: int) -> str:
        text = self.answer[start:end]
        if "\\" not in text:
            return text

        def plain(found: regex.Match[str]) -> str:
            high, low, code, char = found.groups()
            if high:
                return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
            if code:
                return chr(int(code, 16))
            if char in _SINGLE:
                return _SINGLE[char]
            if char in "\"'\\/`":
                return char
            self._repair(f"backslash before {char!r} kept", start + found.start())
            return found.group()

        return _ESCAPE.sub(plain, text)

    def _repair(self, what: str, start: int) -> None:
        self.repairs.append(Repair(what, start))


_REFUSAL = regex.compile(
    r"""\W*(?:(?:i\ am|i'm)\ (?:very\ |so\ |really\ )?sorry\b
      | (?:sorry|apologies|unfortunately|regrettably)\b[,.]?\ .{0,40}?
        \b(?:i|we)\b[^.]{0,30}?\b(?:can't|cannot|can\ not|unable|won't|not)\b
      | (?:i|we)\ (?:cannot|can't|can\ not|won't|will\ not|must\ decline|decline|refuse|do\ not\ feel)\b
      | (?:i\ am|i'm|we\ are|we're)\ (?:unable|not\ able|not\ allowed|not\ permitted|not\ comfortable)\b
      | (?:as\ an?\ (?:ai|large\ language|language)\b)
      | (?:this|the)\ (?:request|content|prompt)\ (?:violates|is\ against|goes\ against|cannot\ be|was\ flagged))""",
    regex.VERBOSE | regex.IGNORECASE,
)
_NOTHING = regex.compile(
    r"""\W*(?:(?:answer|output|result|entities|mentions)\s*:\s*)?\W*
        (?:none|n/?a|null|nil|nothing|empty|not?\ applicable
      | (?:none|nothing)\b[^.\n]{0,80}
      | (?:there\ (?:is|are|were|was)\ |i\ (?:found|see|find)\ |the\ (?:text|note|sentence|passage)\ [^.\n]{0,40}?)?
        (?:no|not\ any|n't\ any)\ [^.\n]{0,80}?
        \b(?:mention|mentions|entity|entities|found|present|mentioned|identified|detected|text|note|sentence)\b
        [^.\n]{0,80})\W*""",
    regex.VERBOSE | regex.IGNORECASE,
)
_LOOKED_AT = 400


def refuses(answer: str) -> bool:
    """True when the answer begins with the words of a refusal. Ask only of answers that name no mention."""
    return _REFUSAL.match(_plain(answer)) is not None


def says_none(answer: str) -> bool:
    """True when the whole answer says, in words, that there is no mention."""
    return len(answer) <= _LOOKED_AT and _NOTHING.fullmatch(_plain(answer).strip()) is not None


def _plain(answer: str) -> str:
    return " ".join(answer[:_LOOKED_AT].replace("’", "'").split())


_BULLET = regex.compile(r"\s*+(?:[-*•–—+>]\s++|\(?\d{1,3}[.)]\s*+|[a-z]\)\s++)")
_SEPARATORS = (" -> ", " → ", " => ", ": ", " – ", " — ", " - ", " | ", "\t", " is a ", " is an ", ", ")
_MANY = regex.compile(r"\s*(?:\[sep\]|[;,])\s*", regex.IGNORECASE)
_QUOTED = regex.compile(r"^(\*\*|__|[\"'`*_“‘])(.+?)(\*\*|__|[\"'`*_”’])$")
_NONE = frozenset({"none", "n/a", "-", "nothing", "", "none.", "<entity>", "null"})


def read_lines(answer: str, labels: LabelSet, names: LabelNames) -> Reading:
    """The mentions in lines that have a mention and a label, or a mention below its label."""
    reader = _ProseReader(answer, labels, names)
    at = 0
    for line in answer.split("\n"):
        reader.line(line, at)
        at += len(line) + 1
    if not reader.mentions:
        if says_none(answer):
            return Reading(repairs=(Repair("words read as no mention", 0),))
        if refuses(answer):
            return Reading(unread=_whole(answer, "a refusal"), refused=True)
        return Reading(unread=_whole(answer, "not the format that was asked for"))
    return reader.reading()


def _whole(answer: str, reason: str) -> tuple[Unread, ...]:
    return (Unread(answer, 0, len(answer), reason if answer.strip() else "an empty answer"),)


class _ProseReader(AnswerReader):
    def __init__(self, answer: str, labels: LabelSet, names: LabelNames):
        super().__init__(answer)
        self.names = names
        self.only = labels.names[0] if len(labels.names) == 1 else None
        self.label: str | None = None

    def line(self, line: str, at: int) -> None:
        """Reads one line, which stands at the offset `at`."""
        if not line.strip() or line.strip().startswith(("```", "|-", "| -", "---")):
            return
        bullet = _BULLET.match(line)
        said = line[bullet.end() if bullet else 0 :].strip().strip("|").strip()
        found = self._pairs(said)
        if not found and (label := self._heading(said)) is not None:
            self.label = label
            return
        if not found and bullet and (label := self.label or self.only) is not None:
            found = [(_bare(said), label)]
        found = [(mention, label) for mention, label in found if mention.casefold() not in _NONE]
        if found:
            self.repair("a line read as mention and label", at)
            self.mentions += [Mention(label, mention) for mention, label in found]
        elif not self._says_none(said):
            start = at + len(line) - len(line.lstrip())
            self.leave(start, start + len(line.strip()), "not understood", harmless=not bullet)

    def _pairs(self, said: str) -> list[tuple[str, str]]:
        """Mention and label in one line: label behind or in brackets, else label before."""
        if said.endswith((")", "]")):
            at = max(said.rfind("("), said.rfind("["))
            if at > 0 and (label := self.names.find(said[at + 1 : -1])) is not None:
                return [(_bare(said[:at]), label)]
        for separator in _SEPARATORS:
            before, cut, after = said.rpartition(separator)
            if cut and (label := self.names.find(after)) is not None:
                return [(_bare(before), label)]
        for separator in _SEPARATORS[:7]:
            before, cut, after = said.partition(separator)
            if cut and after.strip() and (label := self.names.find(before)) is not None:
                return [(_bare(part), label) for part in _MANY.split(after)]
        return []

    def _heading(self, said: str) -> str | None:
        """A line that names a label and nothing else, as a heading does."""
        bare = said.strip("#*_ ")
        if bare.endswith(":") or said.startswith(("#", "**")):
            return self.names.find(bare.rstrip(": "))
        return None

    def _says_none(self, said: str) -> bool:
        return _bare(said.rpartition(":")[2]).casefold() in _NONE


def _bare(text: str) -> str:
    """Without white space, quotes and emphasis around it."""
    text = text.strip()
    for _ in range(3):  # **"fever"** and the like
        found = _QUOTED.match(text)
        text = found.group(2).strip() if found else text
    return text
