"""Text with everything levelled that a model may rightly write otherwise, and the way back to the original offsets.

Levelled are: case (full folding), Unicode compatibility forms (ligatures, full width, composed and decomposed marks),
the shapes of quotes and comparison signs; left out are white space, dashes, table bars and characters without a width.
What is left out can hide a difference (5-10 and 510): the guards look at the original for that.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, compress, islice

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
_PIECE = 256  # characters
_CLUSTER = regex.compile(r"\X")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the original: ASCII, of which the characters not left out stand for themselves, or one cluster.

    Attributes:
        start, end: its original offsets.
        whole: True for a cluster, all of whose folded characters come from all of it.
    """

    start: int
    end: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Folded:
    """A text in folded form, made of short pieces through which a place in it leads back to the original.

    Attributes:
        original: the text.
        text: its folded form.
        pieces: the stretches of the original, in order.
        begins: where in the folded form each of them begins.
    """

    original: str
    text: str
    pieces: Sequence[_Piece]
    begins: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """The original offsets of the folded range; None where it cuts an original character in two."""
        first = bisect_right(self.begins, start) - 1
        last = bisect_right(self.begins, end - 1) - 1
        opening, closing = self.pieces[first], self.pieces[last]
        if opening.whole and start != self.begins[first]:
            return None
        if closing.whole:
            following = self.begins[last + 1] if last + 1 < len(self.begins) else len(self.text)
            if end != following:
                return None
        return (
            opening.start if opening.whole else self._kept(opening, start - self.begins[first]),
            closing.end if closing.whole else self._kept(closing, end - 1 - self.begins[last]) + 1,
        )

    def _kept(self, piece: _Piece, number: int) -> int:
        """The original offset of the ASCII piece's character of that number, those left out not counted."""
        flags = self.original[piece.start : piece.end].encode().translate(_KEEP)
        return next(islice(compress(range(piece.start, piece.end), flags), number, None))


def fold(text: str) -> Folded:
    """The folded form of `text`; linear time, at the speed of C for ASCII."""
    pieces: list[_Piece] = []
    folded: list[str] = []
    done = 0
    for run in () if text.isascii() else _NOT_ASCII.finditer(text):
        _add_ascii(text, done, run.start(), pieces, folded)
        done = run.end()
        for cluster in _CLUSTER.finditer(text, run.start(), done):
            levelled = fold_cluster(cluster.group())
            if levelled:
                pieces.append(_Piece(cluster.start(), cluster.end(), whole=True))
                folded.append(levelled)
    _add_ascii(text, done, len(text), pieces, folded)
    begins = list(accumulate(map(len, folded[:-1]), initial=0)) if folded else []
    return Folded(text, "".join(folded), pieces, begins)


def _add_ascii(text: str, start: int, end: int, pieces: list[_Piece], folded: list[str]) -> None:
    for at in range(start, end, _PIECE):
        until = min(at + _PIECE, end)
        levelled = text[at:until].encode().translate(_LOWER, _DELETE).decode()
        if levelled:
            pieces.append(_Piece(at, until, whole=False))
            folded.append(levelled)


def fold_string(text: str) -> str:
    """The folded form alone."""
    return text.encode().translate(_LOWER, _DELETE).decode() if text.isascii() else fold(text).text


@lru_cache(maxsize=1 << 16)
def fold_cluster(cluster: str) -> str:
    """One character with its marks, folded: caseless matching of compatibility forms (Unicode 3.13, D146)."""
    folded = unicodedata.normalize("NFKD", cluster.translate(_QUOTES))
    folded = unicodedata.normalize("NFKD", folded.casefold()).translate(_QUOTES)
    # Capital I with a dot folds to i and a combining dot, which no one writes on a small i.
    folded = _LEFT_OUT.sub("", folded.replace("i\u0307", "i"))
    digits = (str(unicodedata.decimal(c)) if c.isdecimal() else c for c in unicodedata.normalize("NFC", folded))
    return "".join(digits)
