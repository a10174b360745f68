"""The sections of a note, by their headings: in capitals, as titles, underlined, numbered, or run in."""

import tomllib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import regex

from clinspan.document import Span

_LINE_HEADING = regex.compile(
    r"^[ \t]*(?:\#{1,4}[ \t]*|\*{1,2}|(?:\d{1,2}|[A-Z])[.)][ \t]+|[-=]{2,}[ \t]*)?"
    r"(?P<name>[A-Za-z][A-Za-z/&',. -]{0,48}?)[ \t]*(?:\([^()\n]{1,30}\))?[ \t]*(?:\*{1,2})?[ \t]*"
    r"(?P<end>:\**|(?:[-=]{2,})?[ \t]*$|[ \t]+[-–—][ \t])",
    regex.MULTILINE,
)
_RUN_IN = regex.compile(r"(?<=[.;?!)][ \t]{1,2})(?P<name>[A-Z][A-Za-z/& ]{1,40})(?P<end>:)")
_NEW_LINE = regex.compile(r"\n(?=[ \t\r]*(?:\n|[-#*•]|\d+[.)]|[A-Z0-9][^\n]{0,40}:))")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a note under a heading.

    Attributes:
        name: as `sections.toml` names it; `other` for a heading that it lacks.
        heading: the words of the heading, without marks around them.
        span: what stands under it.
    """

    name: str
    heading: Span
    span: Span


@cache
def _names() -> dict[str, str]:
    text = files("clinspan.assertion").joinpath("sections.toml").read_text(encoding="utf-8")
    return {said: name for name, saids in tomllib.loads(text)["headings"].items() for said in saids}


def sections(text: str) -> tuple[Section, ...]:
    """The sections of a note, in order. What stands before the first heading is in none.

    A section ends at the next heading; a heading with nothing under it opens none. One whose heading shares its line
    with words also ends at a line that begins something else.
    """
    headings = sorted({found[1:]: found for found in _headings(text)}.values(), key=lambda found: found[1])
    made = []
    for number, (name, start, end, after) in enumerate(headings):
        stop = headings[number + 1][1] if number + 1 < len(headings) else len(text)
        line_end = text.find("\n", after)
        runs_in = bool(text[after : line_end if line_end >= 0 else len(text)].strip())
        blank = _NEW_LINE.search(text, after, stop) if runs_in else None
        until = max(after, blank.start() if blank else stop)
        if until > after:
            made.append(Section(name, Span(start, end), Span(after, until)))
    return tuple(made)


def _headings(text: str) -> list[tuple[str, int, int, int]]:
    """Name, start and end of each heading, and where its section begins."""
    known = _names()
    found = []
    for one in _LINE_HEADING.finditer(text):
        said = one.group("name").strip()
        name = known.get(" ".join(said.casefold().split()))
        alone = not one.group("end").strip()
        if name is None:
            if len(said) < 4 or not said.isupper():
                continue
            name = "other"
        elif (len(said) <= 3 and alone) or (alone and said.islower()):
            continue
        found.append((name, one.start("name"), one.start("name") + len(said), one.end()))
    for one in _RUN_IN.finditer(text):
        said = one.group("name")
        name = known.get(" ".join(said.casefold().split()))
        if name is not None and (len(said) > 1):
            found.append((name, one.start("name"), one.end("name"), one.end()))
    return found


def section_of(found: Sequence[Section], place: int) -> Section | None:
    """The section that a place is in."""
    number = bisect_right(found, place, key=lambda section: section.span.start) - 1
    return found[number] if number >= 0 and place < found[number].span.end else None


def section_at(found: Sequence[Section], place: int) -> str | None:
    """The name of the section that a place is in."""
    section = section_of(found, place)
    return section.name if section is not None else None
