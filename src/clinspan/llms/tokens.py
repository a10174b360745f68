"""How many tokens a text takes at most, where the model's tokenizer is not at hand."""

import math
from functools import lru_cache

import regex

# The kinds of ASCII: `a` for letters, a space for white space, `.` for all else.
_KINDS = bytes(
    ord("a") if chr(code).isalpha() else ord(" ") if chr(code) in "\t\n\v\f\r " else ord(".") for code in range(128)
).ljust(256)
_PIECE = regex.compile(r"\p{L}+|\s+|.", regex.DOTALL)


# What stands in every prompt is counted for every prompt.
@lru_cache(maxsize=256)
def estimate_tokens(text: str) -> int:
    """At least as many tokens as byte-pair tokenizers make of clinical English, by the pieces they cut text into.

    Two letters a token for words (drug names come near it), one for each digit, and one for each byte of all else.
    """
    if text.isascii():
        return _ascii_tokens(text.encode().translate(_KINDS))
    total = 0
    for piece in _PIECE.findall(text):
        size = len(piece.encode())
        total += math.ceil(size / 2) if piece[0].isalpha() else 1 if piece.isspace() else size
    return total


def _ascii_tokens(kinds: bytes) -> int:
    """The same count, of a text of kinds alone, without a step for each token: a tenth of the time."""
    spaced = kinds.split()
    white = len(spaced) - 1 + kinds.startswith(b" ") + kinds.endswith(b" ") if spaced else bool(kinds)
    return len(kinds.replace(b"aa", b"a")) - kinds.count(b" ") + white
