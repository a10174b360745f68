"""What notes mean by words that a vocabulary takes for a disease: everyday short forms, units, names of sections."""

import tomllib
from functools import cache
from importlib import resources

import regex

from clinspan.dictionary.normalise import normal_form
from clinspan.document import Span

_BEFORE = 20
_LONGEST_HEADING = 60
_LINE = regex.compile(r"[^\r\n]*")
_MARKER = regex.compile(r"\A[ \t]*(?:(?:[-*#•]|\(?\d{1,2}[.)])[ \t]*)?")
_NUMBER_END = regex.compile(r"\d[ \t-]*$")


class Everyday:
    """The lists of such words.

    Args:
        text: a TOML file's content, as in `everyday.toml`, which says what each list is for.
    """

    def __init__(self, text: str):
        table = tomllib.loads(text)
        self._always = frozenset(table["short_forms"])
        self._after_number = frozenset(table["after_number"])
        self._after = {short: _at_end(entry["words"]) for short, entry in table["after"].items()}
        self._sections = frozenset(normal_form(name) for name in table["sections"]["names"])

    def another_sense(self, text: str, place: Span) -> bool:
        """Whether what stands there means no disease in a note, though a vocabulary has one of that name."""
        word, before = place.of(text), text[max(0, place.start - _BEFORE) : place.start]
        if word in self._always or word.lower() in self._always:
            return True
        if word in self._after_number and _NUMBER_END.search(before):
            return True
        return word in self._after and self._after[word].search(before) is not None

    def heading(self, text: str, place: Span) -> bool:
        """Whether it stands in the name of a section: at the start of a line, up to its end or a colon."""
        start = max(text.rfind("\n", 0, place.start), text.rfind("\r", 0, place.start)) + 1
        line = _LINE.match(text, start, min(len(text), start + _LONGEST_HEADING))
        name = line.group().split(":")[0] if line else ""
        if start + len(name) < place.end:
            return False
        return normal_form(_MARKER.sub("", name)) in self._sections


def _at_end(words: list[str]) -> regex.Pattern[str]:
    listed = "|".join(regex.escape(word) for word in words)
    return regex.compile(rf"(?:^|[^\p{{L}}])(?:{listed})[ \t]*$", regex.IGNORECASE)


@cache
def everyday() -> Everyday:
    """The list that comes with clinspan, read once."""
    return Everyday(resources.files(__package__).joinpath("everyday.toml").read_text(encoding="utf-8"))
