"""Placeholders: what de-identification leaves in a text, as `[**Name**]`, `___`, `<DATE>`, `[REDACTED]`, `XXXX`.

A placeholder is not an entity. An entity may run over one ("fracture of the [**Location**] femur"), but never begins or
ends within or with one. No sentence ends in one, and an encoder reads the text without them.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import regex

from clinspan.document import Entity, Span

_REMOVED = (
    "ACCOUNT|ADDRESS|AGE|BIOID|CITY|CONTACT|COUNTRY|DATE|DEIDENTIFIED|DE-IDENTIFIED|DEVICE|DOB|DOCTOR|EMAIL|FAX|"
    "FIRSTNAME|HCW|HOSPITAL|ID|IDNUM|INITIALS|INSTITUTION|LASTNAME|LICENSE|LOCATION|MEDICALRECORD|MRN|NAME|NUMBER|"
    "ORGANIZATION|PATIENT|PERSON|PHI|PHONE|PROFESSION|REDACTED|REMOVED|SSN|STATE|STREET|TIME|URL|USERNAME|VENDOR|ZIP"
)
_WORDS = rf"\s?(?:[A-Z]+[ _-]){{0,3}}(?:{_REMOVED})S?(?:[ _-]?[A-Z0-9]+){{0,3}}\s?"
_PLACEHOLDER = regex.compile(
    rf"\[\*\*[^\[\]]{{0,120}}\*\*\]|_{{3,}}|<(?i:{_WORDS})/?>|\[{_WORDS}\]|\[Date Range \(\d+\) \d+\]"
    rf"|\{{\{{?{_WORDS}\}}\}}?|(?<!\w)X{{4,}}(?!\w)"
)
_BEFORE = regex.compile(r"(?:['’]s\b)?[\s,;:/&-]*")
_AFTER = regex.compile(
    r"(?:[\s,;:/&(-]|(?:^|(?<=\s))(?:of|in|at|by|from|to|on|with|for|the|a|an|and|or|dr\.?|mr\.?|mrs\.?|ms\.?)(?=$|\s))+$",
    regex.IGNORECASE,
)
_SPLITS = regex.compile(r"[\s.?!]")
_SAYS = regex.compile(r"[\p{L}\p{N}]")


@lru_cache(maxsize=16)
def placeholders(text: str) -> tuple[Span, ...]:
    """The placeholders of a text, in order."""
    return tuple(Span(*found.span()) for found in _PLACEHOLDER.finditer(text))


def without_placeholders(text: str) -> str:
    """The text with blanks in their place, of the same length: every offset stays."""
    return _filled(text, lambda length: " " * length)


def as_words(text: str) -> str:
    """The text with a word in the place of each that has white space or stops in it, of the same length."""
    return _filled(text, lambda length: "X" + "x" * (length - 1), only=_SPLITS)


def _filled(text: str, filling: Callable[[int], str], *, only: regex.Pattern[str] | None = None) -> str:
    found = placeholders(text)
    if not found:
        return text
    parts, at = [], 0
    for span in found:
        if only is None or only.search(span.of(text)):
            parts += [text[at : span.start], filling(len(span))]
            at = span.end
    return "".join([*parts, text[at:]])


def outside(entity: Entity, text: str) -> Entity | None:
    """The entity without placeholders at its ends; None where nothing else is left.

    Words that lose what they refer to ("seen at [**Hospital**]": "at") go as well. One that is cut gets no concepts,
    since these were found for other words.
    """
    found = placeholders(text)
    if not found:
        return entity
    if entity.fragments:
        return entity if any(_outside(part, text, found) for part in entity.fragments) else None
    span = _outside(entity.span, text, found)
    if span is None or span == entity.span:
        return entity if span is not None else None
    return replace(entity, span=span, text=span.of(text), concepts=())


def _outside(span: Span, text: str, found: Sequence[Span]) -> Span | None:
    start, end = span.start, span.end
    at = bisect_left(found, start, key=lambda one: one.end - 1)
    near = [one for one in found[at : bisect_left(found, end, key=lambda one: one.start)] if one.overlaps(span)]
    if not near:
        return span
    for one in near:
        if one.start <= start < one.end:
            start = _skipped(text, one.end, end)
    for one in reversed(near):
        if one.start < end <= one.end:
            end = max(start, one.start)
            hangs = _AFTER.search(text[start:end])
            end = start + hangs.start() if hangs else end
    return Span(start, end) if start < end and _SAYS.search(text, start, end) else None


def _skipped(text: str, start: int, end: int) -> int:
    """Where words begin behind a placeholder that ends at `start`."""
    gap = _BEFORE.match(text, start, max(start, end))
    return gap.end() if gap else start
