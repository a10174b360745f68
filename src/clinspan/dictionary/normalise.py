"""Normal forms: what makes two spellings of a term the same, as clinicians write.

A text and a name are cut into the same tokens, and each token is brought to one form: no case, no accents, no plural,
no possessive, American spelling, Arabic numerals after words such as "type". Hyphens, apostrophes and white space
separate tokens and are no tokens themselves; other punctuation is a token of its own, so that no term is found across
a full stop.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# Scripts that write no spaces: each character is a token, so that a term can be found inside a run of them.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_MARKS = "\u0300-\u036f"
# Soft hyphens, zero-width spaces, joiners and byte order marks: nobody sees them, so they are no part of a word's form.
_INVISIBLE = "\u00ad\u200b-\u200d\u2060\ufeff"
_INVISIBLES = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_DASHES = "\\-\u2010-\u2015\u2212"
_TOKEN = re.compile(
    rf"[^\W_{_UNSPACED}]+(?:[{_MARKS}{_INVISIBLE}]+(?:[^\W_{_UNSPACED}]+|(?<=[{_MARKS}])))*|[{_UNSPACED}]|(?<=\s)[{_DASHES}]+(?=\s)"
    rf"|[^\s\w{_DASHES}{_MARKS}'\u2018\u2019\u02bc`\u00b4{_INVISIBLE}]"
)

_GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "κ": "kappa", "λ": "lambda"}
_LIGATURES = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", **_GREEK})
_BRITISH = (
    (re.compile(r"[ao]e"), "e"),
    (re.compile(r"(?<=\w{3})our(?=s?$|ed$|al$|les?s)"), "or"),
    (re.compile(r"(?<=\w{3})is(?=e[ds]?$|ing$|ations?$)"), "iz"),
    (re.compile(r"(?<=\w{3})ys(?=e[ds]?$|ing$)"), "yz"),
    (re.compile(r"sulph"), "sulf"),
    (re.compile(r"(?<=\w[bt])re(?=s?$)"), "er"),
)
_ROMAN = {
    "i": "1",
    "ii": "2",
    "iii": "3",
    "iv": "4",
    "v": "5",
    "vi": "6",
    "vii": "7",
    "viii": "8",
    "ix": "9",
    "x": "10",
}
_NUMBERED = frozenset(
    {"type", "stage", "grade", "class", "phase", "group", "subtype", "factor", "mucopolysaccharidosis"}
)
_CACHE_SIZE = 1 << 17
_forms: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's tokens: `starts[i]:ends[i]` are code points, `forms[i]` the normal form; all three of one length."""

    starts: list[int]
    ends: list[int]
    forms: list[str]


def tokenise(text: str) -> Tokens:
    """Cuts a text into tokens with their normal forms, left to right, in linear time."""
    starts: list[int] = []
    ends: list[int] = []
    forms: list[str] = []
    previous = ""
    cache = _forms
    for found in _TOKEN.finditer(text):
        start, end = found.span()
        word = text[start:end]
        form = cache.get(word)
        if form is None:
            form = _remember(word)
        if form in _ROMAN and previous in _NUMBERED:
            form = _ROMAN[form]
        elif form == "s" and start and text[start - 1] != "(":
            continue  # the "s" of "Parkinson's", also where the apostrophe was lost
        starts.append(start)
        ends.append(end)
        forms.append(form)
        previous = form
    return Tokens(starts, ends, forms)


# Notes name the same things again and again.
@lru_cache(maxsize=1 << 14)
def normal_form(term: str) -> str:
    """The forms of a term's tokens, joined by spaces; empty when there is no letter or digit in it."""
    form = " ".join(tokenise(term).forms)
    return form if any(c.isalnum() for c in form) else ""


def visible(text: str) -> str:
    """The text without the characters that nobody sees."""
    return text if text.isascii() else text.translate(_INVISIBLES)


def _remember(word: str) -> str:
    if len(_forms) >= _CACHE_SIZE:
        _forms.clear()
    form = _forms[word] = _singular(_american(_plain(word)))
    return form


def _plain(word: str) -> str:
    folded = word.casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFKD", folded.translate(_LIGATURES))
        bare = "".join(c for c in folded if c.isalnum()).translate(_LIGATURES)
        folded = bare or "".join(folded.split()) or word
    return folded


def _american(word: str) -> str:
    if len(word) < 5 or not word.isalpha():
        return word
    for pattern, replacement in _BRITISH:
        word = pattern.sub(replacement, word)
    return word


def _singular(word: str) -> str:
    if len(word) < 4 or word[-1] not in "sa" or not word.isalpha():
        return word
    if word.endswith("mata"):
        return word[:-2]
    if word[-1] == "a" or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    if word.endswith(("oses", "yses", "eses", "tases")) and len(word) > 6:
        return word[:-2] + "is"
    if word.endswith(("xes", "ches", "shes", "sses", "zzes")):
        return word[:-2]
    return word[:-1]


_ENDING_TAG = re.compile(
    r"\s*[\[(](?:disorder|disease|finding|morphologic abnormality|procedure|substance|situation|diagnosis|event|"
    r"product|body structure|qualifier value|clinical|d)[\])]\s*$|,?\s+(?:NOS|\(?unspecified\)?|"
    r"not elsewhere classified|not otherwise specified|\(?nos\)?)\s*$",
    re.IGNORECASE,
)
_CONJUNCTION = re.compile(r"\b(?:and|or|with|without|due|other|excluding|except|not)\b", re.IGNORECASE)


def name_forms(name: str) -> tuple[str, ...]:
    """The normal forms under which a dictionary's name is found: as it stands, without its tag, and turned round.

    "Diabetes Mellitus, Type 2" is also "type 2 diabetes mellitus", and "cancer of the lung" is also "lung cancer".
    """
    bare = _ENDING_TAG.sub("", name)
    forms = [normal_form(name)]
    if bare != name:
        forms.append(normal_form(bare))
    if ", " in bare and not _CONJUNCTION.search(bare):
        parts = [part.strip() for part in bare.split(", ")]
        if len(parts) <= 4 and all(parts):
            forms.append(normal_form(" ".join(reversed(parts))))
            forms.append(normal_form(" ".join(parts)))
    of = turn_round(forms[-1].split()) if len(forms) == 1 else None
    if of:
        forms.append(of)
    return tuple(dict.fromkeys(form for form in forms if form))


def turn_round(forms: list[str]) -> str | None:
    """ "x of the y" as "y x", None where there is not exactly one "of" with words on both sides."""
    if forms.count("of") != 1:
        return None
    at = forms.index("of")
    right = forms[at + 1 :]
    if right and right[0] in ("the", "a", "an"):
        right = right[1:]
    return " ".join(right + forms[:at]) if right and at else None


def is_acronym(name: str) -> bool:
    """True for a name that must keep its case: one short word, mostly of capitals ("AIDS", "G6PD", "MEN-1")."""
    letters = [c for c in name if c.isalpha()]
    capitals = sum(c.isupper() for c in letters)
    return len(name) <= 8 and " " not in name and capitals >= 2 and capitals * 2 > len(letters)
