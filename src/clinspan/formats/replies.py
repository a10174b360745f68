"""Whole answers in words: refusals, and statements that there is nothing to report."""

import regex

_REFUSAL = regex.compile(
    r"""\W*(?:(?:i\ am|i'm)\ (?:very\ |so\ |really\ )?sorry\b
      | (?:sorry|apologies|unfortunately|regrettably)\b[,.]?\ .{0,40}?
        \b(?:i|we)\b[^.]{0,30}?\b(?:can't|cannot|can\ not|unable|won't|not)\b
      | (?:i|we)\ (?:cannot|can't|can\ not|won't|will\ not|must\ decline|decline|refuse|do\ not\ feel)\b
      | (?:i\ am|i'm|we\ are|we're)\ (?:unable|not\ able|not\ allowed|not\ permitted|not\ comfortable)\b
      | (?:as\ an?\ (?:ai|large\ language|language)\b)
      | (?:this|the)\ (?:request|content|prompt)\ (?:violates|is\ against|goes\ against|cannot\ be|was\ flagged))""",
    regex.VERBOSE | regex.IGNORECASE,
)
_NOTHING = regex.compile(
    r"""\W*(?:(?:answer|output|result|entities|mentions)\s*:\s*)?\W*
        (?:none|n/?a|null|nil|nothing|empty|not?\ applicable
      | (?:none|nothing)\b[^.\n]{0,80}
      | (?:there\ (?:is|are|were|was)\ |i\ (?:found|see|find)\ |the\ (?:text|note|sentence|passage)\ [^.\n]{0,40}?)?
        (?:no|not\ any|n't\ any)\ [^.\n]{0,80}?
        \b(?:mention|mentions|entity|entities|found|present|mentioned|identified|detected|text|note|sentence)\b
        [^.\n]{0,80})\W*""",
    regex.VERBOSE | regex.IGNORECASE,
)
_LOOKED_AT = 400


def refuses(answer: str) -> bool:
    """True when the answer begins with the words of a refusal. Ask only of answers that name no mention."""
    return _REFUSAL.match(_plain(answer)) is not None


def says_none(answer: str) -> bool:
    """True when the whole answer says, in words, that there is no mention."""
    return len(answer) <= _LOOKED_AT and _NOTHING.fullmatch(_plain(answer).strip()) is not None


def _plain(answer: str) -> str:
    return " ".join(answer[:_LOOKED_AT].replace("’", "'").split())
