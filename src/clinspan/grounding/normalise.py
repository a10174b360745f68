"""Text with everything levelled that a model may rightly write otherwise, and the way back to the original offsets.

Levelled are: case (full folding), Unicode compatibility forms (ligatures, full width, composed and decomposed marks),
the shapes of quotes and comparison signs; left out are white space, dashes, table bars and characters without a width.
What is left out can hide a difference (5-10 and 510): the guards look at the original for that.
"""

import unicodedata
from array import array
from collections.abc import MutableSequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress

import regex

_DROPPED = " \t\n\r\x0b\x0c-|^"
_DELETE = _DROPPED.encode()
_KEEP = bytes(chr(code) not in _DROPPED for code in range(128)) + bytes(128)
_LOWER = bytes(range(256)).lower().replace(b"`", b"'")
_QUOTES = str.maketrans(
    {**dict.fromkeys("‘’‚‛′´`ʼʹ＇", "'"), **dict.fromkeys("“”„‟″«»", '"'), "≤": "<=", "≥": ">=", "⩽": "<=", "⩾": ">="}
    | {"±": "+/", "⁄": "/", "º": "°", "ı": "i", "×": "x", "™": "", "®": "", "©": "", "│": "", "┃": "", "¦": ""}
)
_LEFT_OUT = regex.compile(r"[\s\p{Pd}\p{Cf}\u2212\u0640\uFE0E\uFE0F|^]+")
_NOT_ASCII = regex.compile(r"[\x00-\x7f]?[^\x00-\x7f]+")
_CLUSTER = regex.compile(r"\X")


@dataclass(frozen=True, slots=True)
class Folded:
    """A text in folded form.

    Attributes:
        text: the folded form.
        starts: for each of its characters, where in the original the character it comes from starts.
        ends: one past where that ends, with its combining marks; None where every character stands alone.
    """

    text: str
    starts: MutableSequence[int]
    ends: MutableSequence[int] | None

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """The original offsets of the folded range; None where it cuts an original character in two."""
        starts, ends = self.starts, self.ends
        if ends is None:
            return starts[start], starts[end - 1] + 1
        cut_left = start > 0 and starts[start - 1] == starts[start]
        cut_right = end < len(starts) and starts[end] == starts[end - 1]
        return None if cut_left or cut_right else (starts[start], ends[end - 1])


def fold(text: str) -> Folded:
    """The folded form of `text`; linear time, at the speed of C for ASCII."""
    if text.isascii():
        raw = text.encode()
        starts = array("q", compress(range(len(raw)), raw.translate(_KEEP)))
        return Folded(raw.translate(_LOWER, _DELETE).decode(), starts, None)
    pieces: list[str] = []
    starts, ends = array("q"), array("q")
    done = 0
    for run in _NOT_ASCII.finditer(text):
        _add_ascii(text, done, run.start(), pieces, starts, ends)
        done = run.end()
        for cluster in _CLUSTER.finditer(text, run.start(), done):
            folded = fold_cluster(cluster.group())
            pieces.append(folded)
            starts.extend([cluster.start()] * len(folded))
            ends.extend([cluster.end()] * len(folded))
    _add_ascii(text, done, len(text), pieces, starts, ends)
    return Folded("".join(pieces), starts, ends)


def fold_string(text: str) -> str:
    """The folded form alone."""
    return text.encode().translate(_LOWER, _DELETE).decode() if text.isascii() else fold(text).text


def _add_ascii(
    text: str, start: int, end: int, pieces: list[str], starts: MutableSequence[int], ends: MutableSequence[int]
) -> None:
    raw = text[start:end].encode()
    pieces.append(raw.translate(_LOWER, _DELETE).decode())
    kept = raw.translate(_KEEP)
    starts.extend(compress(range(start, end), kept))
    ends.extend(compress(range(start + 1, end + 1), kept))


@lru_cache(maxsize=1 << 16)
def fold_cluster(cluster: str) -> str:
    """One character with its marks, folded: caseless matching of compatibility forms (Unicode 3.13, D146)."""
    folded = unicodedata.normalize("NFKD", cluster.translate(_QUOTES))
    folded = unicodedata.normalize("NFKD", folded.casefold()).translate(_QUOTES)
    # Capital I with a dot folds to i and a combining dot, which no one writes on a small i.
    folded = _LEFT_OUT.sub("", folded.replace("i\u0307", "i"))
    digits = (str(unicodedata.decimal(c)) if c.isdecimal() else c for c in unicodedata.normalize("NFC", folded))
    return "".join(digits)
