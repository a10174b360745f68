"""The words around an answer: preambles, fences, comments and refusals."""

import regex

from clinspan.formats.base import AnswerReader, Mention, Reading, Repair, Unread
from clinspan.formats.named import LabelNames
from clinspan.labels import LabelSet

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


def read(answer: str, labels: LabelSet, names: LabelNames) -> Reading:
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
