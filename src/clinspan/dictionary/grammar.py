"""How far a disease's name reaches beyond the dictionary's term: coordination, inheritance, and names of persons.

The rules are general English and come from no corpus: "breast and ovarian cancer" is one coordination when "breast
cancer" is a term too; words of inheritance and occurrence belong to the name that follows them; "Lesch-Nyhan" is short
for the syndrome.
"""

import re
from collections.abc import Callable, Iterator

from clinspan.document import Span

IsTerm = Callable[[str], bool]
"""Whether a string is a term of the label at hand."""

_WORD = r"[^\W_]+(?:['’-][^\W_]+)*"
_COORDINATED = re.compile(rf"((?:{_WORD}\s)?{_WORD})(?:,?\s(?:and/or|and|or)\s|\s?/\s?|,\s|-(?=\w))$")
# What a coordination ends in: looked for first, since nearly all terms stand after none, and telling so by the whole
# pattern takes as long as all else about the term.
_JOINED = re.compile(r"(?:\b(?:and|or)|,|/)\s$|/$")
_MODIFIER = re.compile(
    r"(?:\b(?:familial|inherited|hereditary|sporadic|X-linked|autosomal(?:[ -](?:dominant|recessive))?)\s)+$",
    re.IGNORECASE,
)
_PERSONS = re.compile(r"\b(?:[Vv][ao]n |[Dd]e )?[A-Z][a-zé]{2,}-[A-Z][a-zé]{2,}(?:-[A-Z][a-zé]{2,})*(?![\w-])")
_NAMED = ("syndrome", "disease")
_REACH = 80


def extend_left(text: str, span: Span, is_term: IsTerm) -> Span:
    """The span with the coordinated names and the words of inheritance on its left."""
    while True:
        longer = _coordinated(text, span, is_term)
        if longer is None:
            break
        span = longer
    modifier = _MODIFIER.search(text, max(0, span.start - _REACH), span.start)
    return Span(modifier.start(), span.end) if modifier else span


def _coordinated(text: str, span: Span, is_term: IsTerm) -> Span | None:
    if not _JOINED.search(text, max(0, span.start - 5), span.start):
        return None
    found = _COORDINATED.search(text, max(0, span.start - _REACH), span.start)
    words = re.findall(rf"{_WORD}", span.of(text))
    if not found or len(words) < 2:
        return None
    both = found.group(1)
    last = both.rpartition(" ")[2]
    for left in dict.fromkeys((last, both)):
        for heads in range(1, min(3, len(words))):
            if is_term(f"{left} {' '.join(words[-heads:])}") and not is_term(left):
                return Span(found.end(1) - len(left), span.end)
    return None


def persons(text: str, is_term: IsTerm) -> Iterator[tuple[Span, str]]:
    """The names of two or more persons that stand for a syndrome, with the term that they are short for."""
    for found in _PERSONS.finditer(text):
        for noun in _NAMED:
            if is_term(f"{found.group()} {noun}"):
                yield Span(found.start(), found.end()), f"{found.group()} {noun}"
                break
