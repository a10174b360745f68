r"""Tokens: the places where a mention may begin and end.

A token is a run of letters, digits and their combining marks, or one other character that is not white space. Scripts
that write no spaces (Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar) have a token for each character with its
marks, so a mention can be found inside a run of them.
"""

import regex

from clinspan.document import Span

_TOKEN = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}--\p{N}]\p{M}*"
    r"|[[\p{L}\p{N}\p{M}]--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}--\p{N}]]+"
    r"|\S\p{M}*",
    flags=regex.V1,
)


def tokens(text: str) -> tuple[Span, ...]:
    """The tokens of `text`, left to right; between two there is nothing or white space alone. Linear time."""
    return tuple(Span(found.start(), found.end()) for found in _TOKEN.finditer(text))
