"""Where in a text a mention may begin and end: at a token's edge, and never within a number."""

from enum import IntEnum
from functools import lru_cache

import regex

_SPACELESS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}--\p{N}]"
_JOINING = regex.compile(rf"[[\p{{L}}\p{{N}}\p{{M}}]--{_SPACELESS}]", regex.V1)
_MARK = regex.compile(r"\p{M}")
_INNER = frozenset("\u00ad\u200c\u2060")
_DASH = r"[-\p{Pd}\u2212]"
# A number goes on over these into the next digit: decimals, thousands, ratios, times, dates, powers, ranges.
_NUMBER_BEFORE = regex.compile(rf"(?:\d[.,/:^×±]|\d ?{_DASH} ?|(?<=\d ?)± ?)\Z|(?<=[^\n\S]|[(\[<>=~:]){_DASH}\Z")
# A dash and a space after a day, a date or a time of day end that: a dose follows, not the end of a range or a minus.
_WHEN_BEFORE = regex.compile(
    r"(?:(?<!\p{L})(?:day|week|wk|month|year|cycle|visit|hour|pod)[ #]{0,2}\d+|(?<!\d)\d{1,2}:\d\d(?: ?[ap]m)?"
    rf"|(?<!\d)\d{{1,4}}/\d{{1,2}}/\d{{1,4}}|(?<!\d)\d{{4}}-\d\d-\d\d) ?{_DASH} \Z",
    regex.I,
)
_AMOUNT = regex.compile(
    r"\d+(?:[.,]\d+)*\s?(?:[mkµμunp]?c?g|[mdcµμ]?l|[mµμ]?mol|m?eq|i?u|units?|tab(?:let)?s?|cap(?:sule)?s?|puffs?)"
    r"(?![\p{L}\p{N}])",
    regex.I,
)
_NUMBER_AFTER = regex.compile(rf"[.,/:^×±]\d|{_DASH}\d| ?[½⅓⅔¼¾⅛⅜⅝⅞]")
_NAMED = regex.compile(r"\p{L}[-\p{Pd}]?[\d]+\Z")
_UNIT = (
    r"(?:[mµμunp]?cg|[mkµμunp]?g|[mdcµμ]?l|[mµμ]?mol|m?eq|i?u|units?|tabs?|caps?|mm|cm|mmhg|bpm|kcal|hrs?|h|min|s|"
    r"d|days?|wks?|weeks?|mos?|months?|yrs?|years?|y|yo|x|%)"
)
_DOSE_AFTER = regex.compile(rf"(?<=\p{{L}})\d+(?:[.,]\d+)?\s?{_UNIT}(?![\p{{L}}\p{{N}}])", regex.I)
_UNIT_AFTER = regex.compile(rf"(?<=\d){_UNIT}(?![\p{{L}}\p{{N}}])", regex.I)
_DOSE_BEFORE = regex.compile(rf"(?<![\p{{L}}\p{{N}}.,])\d+(?:[.,]\d+)?{_UNIT}?\Z", regex.I)
_TIED_BEFORE = regex.compile(r"(?<=[\p{L}\p{N}])[-\p{Pd}_]\Z")
_TIED_AFTER = regex.compile(r"[-\p{Pd}_](?=[\p{L}\p{N}])")
_HANGUL = regex.compile(r"\p{Hangul}")
_CLITIC = regex.compile(r"(?<![\p{L}\p{M}])(?:[وفبلك]|[והבלמשכ])\Z")


class Edge(IntEnum):
    """How well a range of the text is set off from what stands around it."""

    NONE = 0
    """It begins or ends inside a word or a number."""
    GLUED = 1
    """It is a part of a run of letters and digits, but one that writers glue on: a dose, a unit, a particle."""
    COMPOUND = 2
    """It begins and ends at token edges, but a hyphen ties it to its neighbour (DM in DM-kinase)."""
    TOKEN = 3
    """It stands by itself."""


def edge(text: str, start: int, end: int) -> Edge:
    """How `text[start:end]` is set off."""
    left = _left(text, start)
    if left is Edge.NONE:
        return left
    return min(left, _right(text, end))


def cuts_number(text: str, start: int, end: int) -> bool:
    """True when the range begins or ends within a number (5 mg in 2.5 mg)."""
    begins = text[start].isdigit() and start > 0
    ends = text[end - 1].isdigit() and end < len(text)
    return (begins and (text[start - 1].isdigit() or _comes_on(text, start))) or (
        ends and (text[end].isdigit() or _goes_on(text, end))
    )


def _comes_on(text: str, start: int) -> bool:
    """True when the digit at `start` continues a number or a range that begins before it, or has a sign."""
    if _NUMBER_BEFORE.search(text, max(0, start - 4), start) is None:
        return False
    return _AMOUNT.match(text, start) is None or _WHEN_BEFORE.search(text, max(0, start - 20), start) is None


def _goes_on(text: str, end: int) -> bool:
    named = _NAMED.search(text, max(0, end - 12), end)
    return named is None and _NUMBER_AFTER.match(text, end) is not None


def _left(text: str, start: int) -> Edge:
    if start == 0:
        return Edge.TOKEN
    before, first = text[start - 1], text[start]
    if first.isdigit() and _comes_on(text, start):
        return Edge.NONE
    if before == " ":
        return Edge.TOKEN
    if not _joined(text, start):
        return Edge.COMPOUND if _TIED_BEFORE.search(text, max(0, start - 2), start) else Edge.TOKEN
    if before.isdigit() and first.isalpha():
        return Edge.GLUED if _UNIT_AFTER.match(text, start) else Edge.NONE
    return Edge.GLUED if not first.isascii() and _CLITIC.search(text, max(0, start - 2), start) else Edge.NONE


def _right(text: str, end: int) -> Edge:
    if end == len(text):
        return Edge.TOKEN
    last, after = text[end - 1], text[end]
    if last.isdigit() and _goes_on(text, end):
        return Edge.NONE
    if after == " ":
        return Edge.TOKEN
    if not _joined(text, end):
        return Edge.COMPOUND if _TIED_AFTER.match(text, end) else Edge.TOKEN
    if last.isdigit() and after.isalpha():
        return Edge.GLUED if _UNIT_AFTER.match(text, end) else Edge.NONE
    if after.isdigit() and last.isalpha():
        return Edge.GLUED if _DOSE_AFTER.match(text, end) else Edge.NONE
    # Korean writes its particles onto the noun.
    return Edge.GLUED if _HANGUL.match(last) and _HANGUL.match(after) else Edge.NONE


def _joined(text: str, at: int) -> bool:
    """True when `text[at - 1]` and `text[at]` are of one token."""
    before, after = text[at - 1], text[at]
    if before.isascii() and after.isascii():
        return before.isalnum() and after.isalnum()
    if _is_mark(after) or "\u200d" in (before, after):
        return True
    # A soft hyphen or a joiner stands inside a word.
    ahead = at
    while ahead < len(text) - 1 and text[ahead] in _INNER:
        ahead += 1
    after = text[ahead]
    while at > 1 and text[at - 1] in _INNER:
        at -= 1
    if not _joins(after):
        return False
    while at > 1 and _is_mark(text[at - 1]):
        at -= 1
    return _joins(text[at - 1])


@lru_cache(maxsize=1 << 14)
def _joins(char: str) -> bool:
    return _JOINING.match(char) is not None


@lru_cache(maxsize=1 << 14)
def _is_mark(char: str) -> bool:
    return _MARK.match(char) is not None
