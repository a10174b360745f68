"""The gaps within a mention: what folding leaves out, and where that must not pass unseen."""

import regex

from clinspan.grounding.normalise import fold_string
from clinspan.grounding.words import FUNCTION_WORDS

_OPENING = "([{<«“‘\"'`*"
_CLOSING = ")]}>»”’\"'`*"
_PAIRS = {")": "(", "]": "[", "}": "{"}
_ENDING = ".,;:!?…。，；：、！？"
_ABBREVIATION = regex.compile(r"(?<!\p{L})(?:\p{L}{1,2}\.){2,}\Z")
_BULLET = regex.compile(r"^[-•*·–—]\s+(?=\S)")
_LEADING_SIGN = regex.compile(r"[-\p{Pd}\u2212](?=[\d.])")
_TRAILING_SIGN = regex.compile(r"(?<=[\p{L}\p{N}])[-\p{Pd}\u2212]\Z")
_SIGN = regex.compile(r"[-\p{Pd}\u2212]")
_GAP = regex.compile(r"[\s\p{Pd}\p{Cf}\u2212|│┃¦]+")
_LETTERS = regex.compile(r"[\p{L}\p{M}]+")
_LETTERS_BEFORE = regex.compile(r"[\p{L}\p{M}]+\Z")
_BAR = regex.compile(r"[|│┃¦]")
_SHORTEST_PIECE = 3


def trimmed(mention: str) -> str:
    """`mention` without the punctuation put around it: a full stop, quotes, a bullet, an odd bracket."""
    core = _BULLET.sub("", mention.strip())
    while core:
        last = core[-1]
        closes = last in _CLOSING and not (last in _PAIRS and core.count(_PAIRS[last]) >= core.count(last))
        if last in _ENDING or closes or last.isspace():
            core = core[:-1]
            continue
        first = core[0]
        pair = next((close for close, opens in _PAIRS.items() if opens == first), None)
        comparing = first == "<" and core[1:2].lstrip("=").isdigit()
        opens_odd = first in _OPENING and not (pair and core.count(pair) >= core.count(first)) and not comparing
        if opens_odd or (first in ".,;:" and not core[1:2].isdigit()) or first.isspace():
            core = core[1:]
            continue
        return core
    return core


def bare(mention: str) -> str:
    """`mention` as it is looked for verbatim: trimmed, but with the last full stop of an abbreviation (p.o.)."""
    core = trimmed(mention)
    dotted = core + "."
    return dotted if dotted in mention and _ABBREVIATION.search(dotted) else core


def signed(mention: str, text: str, start: int, end: int) -> tuple[int, int] | None:
    """The range with the signs that belong to it (-2.5, HIV-), which folding leaves out; None where it has none."""
    if _LEADING_SIGN.match(mention):
        if not (start and _SIGN.match(text, start - 1)):
            return None
        start -= 1
    if _TRAILING_SIGN.search(mention):
        if not (end < len(text) and _SIGN.match(text, end)):
            return None
        end += 1
    return start, end


def same_breaks(mention: str, found: str) -> bool:
    """True when the gaps of `found` are where words end in `mention`, or are such as writers put inside a word.

    A word may be broken by a hyphen, a line end or a dropped space between long pieces (heart burn); a table's bar, or
    a space that cuts off one or two letters (M I), makes other words of it.
    """
    ours = _breaks(mention)
    for place, (gap, before, after) in _breaks(found).items():
        if place in ours:
            continue
        if _BAR.search(gap):
            return False
        plain = gap.strip("\n\r\f") == gap and gap.isspace()
        if plain and before and after and not (_can_be_piece(before) and _can_be_piece(after)):
            return False
    return True


def _breaks(text: str) -> dict[int, tuple[str, str, str]]:
    """Per gap, by the number of folded characters before it: the gap, and the letters on either side of it."""
    found: dict[int, tuple[str, str, str]] = {}
    place = last = 0
    for gap in _GAP.finditer(text):
        place += len(fold_string(text[last : gap.start()]))
        before = _LETTERS_BEFORE.search(text, last, gap.start())
        after = _LETTERS.match(text, gap.end())
        found[place] = (gap.group(), before.group() if before else "", after.group() if after else "")
        last = gap.end()
    return found


def _can_be_piece(letters: str) -> bool:
    return len(letters) >= _SHORTEST_PIECE and letters.lower() not in FUNCTION_WORDS
