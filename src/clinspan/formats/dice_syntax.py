r"""How DICE spells a mention on its line.

Mentions are joined by ` [SEP] `, the parts of a discontinuous one by ` [...] `, and `<entity>` stands for none. Where a
mention itself holds one of these, a backslash before it says so; line breaks, and white space at a mention's ends,
which a reader could not see, are escaped too.
"""

from collections.abc import Iterator

import regex

SEPARATOR = "[SEP]"
GAP = "[...]"
NOTHING = "<entity>"
NONE_WORDS = frozenset({NOTHING, "none", "n/a", "none.", "null", "nothing", "-"})

# A bracket that ends a mention like the beginning of a separator is escaped too: an answer may be cut off in one.
_OWN = regex.compile(r"\\|\[(?=\s*sep\s*\]|\.\.\.\]|(?:s(?:ep?)?)?$)|\n|\r", regex.IGNORECASE)
_SPELLED = {"\n": r"\n", "\r": r"\r"}
_ESCAPE = regex.compile(r"\\(?:([\\\[<])|([nr])|u([0-9a-fA-F]{4}))")
_CUT = regex.compile(r"\\[\\\[<]|(\[\s*sep\s*\])|(\[\.\.\.\])", regex.IGNORECASE)


def escape(mention: str) -> str:
    """`mention`, or a part of one, as it is written."""
    if mention.casefold() in NONE_WORDS:
        return _code(mention[0]) + mention[1:]
    lead = len(mention) - len(mention.lstrip())
    tail = max(lead, len(mention.rstrip()))
    inner = _OWN.sub(lambda found: _SPELLED.get(found.group(), "\\" + found.group()), mention[lead:tail])
    return "".join(map(_code, mention[:lead])) + inner + "".join(map(_code, mention[tail:]))


def unescape(written: str) -> str:
    """The mention that `written` spells; a backslash that escapes nothing is itself."""

    def plain(found: regex.Match[str]) -> str:
        own, line, code = found.groups()
        if code:
            return chr(int(code, 16))
        return str(own) if own else "\n" if line == "n" else "\r"

    return _ESCAPE.sub(plain, written)


def pieces(written: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """For each mention of a line its offset in it and its parts, still escaped, without white space around them."""
    start = at = 0
    parts: list[str] = []
    for found in _CUT.finditer(written):
        if found.group(1) or found.group(2):
            parts.append(written[at : found.start()].strip())
            at = found.end()
        if found.group(1):
            yield start, tuple(parts)
            start, parts = at, []
    yield start, (*parts, written[at:].strip())


def _code(char: str) -> str:
    return f"\\u{ord(char):04x}"
