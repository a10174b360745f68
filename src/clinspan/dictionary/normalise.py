"""Normal forms: what makes two spellings of a term the same, as clinicians write.

A text and a name are cut into the same tokens, and each token is brought to one form: no case, no accents, no plural,
no possessive, American spelling, Arabic numerals after words such as "type". Hyphens, apostrophes and white space
separate tokens and are no tokens themselves; other punctuation is a token of its own, so that no term is found across
a full stop.

And other ways to say a name that a dictionary lacks: a word in another form, a head left out, several names in one.
What each rule brings was counted on the training parts of NCBI-disease and BC5CDR (docs/results.md); rules that were
wrong more often than right, such as leaving modifiers out or the nearest spelling, are not here. `drug_caused` tells
whether a text says of a name that a drug caused it: "levodopa-induced dyskinesia", "hepatitis due to isoniazid".
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
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


_SAME = """
kidney renal, liver hepatic, heart cardiac, lung pulmonary, brain cerebral, stomach gastric, ovary ovarian,
uterus uterine, eye ocular, skin cutaneous, breast mammary, colon colonic, rectum rectal, esophagus esophageal,
pancreas pancreatic, muscle muscular, bone osseous, nerve neural, testis testicular, prostate prostatic,
bladder vesical, spleen splenic, intestine intestinal, artery arterial, vein venous, retina retinal, cornea corneal,
larynx laryngeal, endometrium endometrial, tooth dental, nose nasal, mouth oral, thyroid thyroidal
"""
_OTHER = {
    one: other for pair in _SAME.replace("\n", " ").split(",") for one, other in (pair.split(), reversed(pair.split()))
}
"""From an organ's noun to its adjective, and back."""
_ENDINGS = (
    ("emic", "emia"),
    ("enic", "enia"),
    ("otic", "osis"),
    ("toxic", "toxicity"),
    ("tensive", "tension"),
    ("itic", "itis"),
    ("eptic", "epsy"),
    ("etic", "etes"),
    ("ic", "ia"),
    ("ic", "y"),
    ("ic", "ism"),
    ("ive", "ion"),
    ("ed", "ion"),
    ("ian", "ism"),
    ("deficient", "deficiency"),
    ("tic", "sis"),
    ("matous", "ma"),
    ("oid", "oidism"),
    ("ing", "ion"),
    ("ical", "ic"),
    ("ous", ""),
    ("ful", ""),
    ("i", "us"),
)
"""Endings of adjectives and of the nouns that they are made from: hypertensive, hypertension."""
_WRONG = frozenset(["disorder", "dysfunction", "abnormality", "disturbance", "involvement", "toxicity"])
"""Last words that say no more than that something is wrong: "cardiac involvement" is a cardiac disease."""
_COURSE = frozenset(("sporadic", "familial", "advanced"))
"""First words that tell how a disease came or how far it is, and not which one it is."""
_FROM = 5
_HEADS = ("disease", "syndrome")
_SEVERAL = re.compile(r"(.+?),?\s*(?:\band/or\b|\band\b|\bor\b|/)\s*(.+)")
_INHERITED = re.compile(r"(?:familial|hereditary|inherited)\s", re.IGNORECASE)
_SHARED = 4
"""Words at the end of a composite name that all its parts may share."""

IsName = Callable[[str], bool]
"""Whether the dictionary has a name."""


def rewordings(name: str) -> Iterator[str]:
    """Normal forms that mean what `name` means, as far as rules can tell, the likeliest first."""
    form = normal_form(name)
    words = form.split()
    for at, word in enumerate(words):
        for ending, noun in _ENDINGS:
            if len(word) >= _FROM and word.endswith(ending):
                yield " ".join([*words[:at], word.removesuffix(ending) + noun, *words[at + 1 :]])
    if words and words[-1] in _WRONG:
        yield " ".join([*words[:-1], "disease"])
    if words and words[-1] == "disease":
        yield " ".join([*words[:-1], "disorder"])
        yield " ".join([*words[:-1], "syndrome"])
    if words[1:] and words[0] in _COURSE:
        yield " ".join(words[1:])
    for head in _HEADS:
        if words and words[-1] not in _HEADS:
            yield f"{form} {head}"
    for at, word in enumerate(words):
        if word in _OTHER:
            yield " ".join([*words[:at], _OTHER[word], *words[at + 1 :]])
    for at in range(1, len(words)):
        yield " ".join([*words[: at - 1], words[at - 1] + words[at], *words[at + 1 :]])


_AROUND_GENE = re.compile(
    r"(?:(?:human|wild[- ]type|mutant|mutated|recombinant|endogenous|soluble|serum|plasma)\s+)*(?P<name>.+?)"
    r"(?:\s+(?:genes?|proteins?|m?RNA|cDNA|alleles?|locus|promoter|mutations?|polymorphisms?|transcripts?|proto-oncogene"
    r"|oncogene|tumou?r suppressor))*",
    re.IGNORECASE,
)


def gene_names(name: str) -> Iterator[str]:
    """Names under which HGNC may have a gene, the likeliest first.

    Words around it are left out; a symbol stands in capitals there, also that of another species; of a family whose
    name has no number, HGNC counts the first; "alpha-synuclein" is "synuclein alpha".
    """
    found = _AROUND_GENE.fullmatch(" ".join(name.split()))
    bare = found["name"] if found else name
    for said in dict.fromkeys((bare, bare.upper() if " " not in bare else bare)):
        yield said
        yield said.replace("-", "")
    yield f"{bare} 1"
    words = re.split(r"[\s-]", bare)
    if len(words) == 2:
        yield " ".join(reversed(words))


def parts(name: str, is_name: IsName) -> tuple[str, ...]:
    """The names in a composite one, each written out; empty where it is none.

    "Breast and ovarian cancer" is breast cancer and ovarian cancer, "cancer of the breast or ovary" two likewise. Each
    part must be a name. What is inherited is one syndrome with several signs, and no composite name.
    """
    found = _SEVERAL.fullmatch(" ".join(name.split()))
    if not found or _INHERITED.match(name):
        return ()
    firsts, last = found.group(1).split(", "), found.group(2)
    if is_name(last):
        wholes = [_whole(first, last.split(), is_name) for first in firsts]
        if all(wholes):
            return (*(whole for whole in wholes if whole), last)
    words = firsts[0].split()
    if len(firsts) == 1 and is_name(firsts[0]):
        for kept in range(1, len(words)):
            second = f"{' '.join(words[:kept])} {last}"
            if is_name(second):
                return (firsts[0], second)
    return ()


def _whole(first: str, last: list[str], is_name: IsName) -> str | None:
    """A part with the words that it shares with the last one: the fewest that make it a name; alone where none do."""
    for shared in range(1, min(_SHARED, len(last))):
        whole = f"{first} {' '.join(last[-shared:])}"
        if is_name(whole):
            return whole
    return first if is_name(first) else None


_INDUCED = "induced"
_CAUSED_BY = frozenset({("induced", "by"), ("caused", "by"), ("due", "to"), ("secondary", "to")})
_ANY_DRUG = frozenset({"drug", "medication", "medicine", "chemotherapy"})
_LONGEST_DRUG = 3
"""Words of a drug's name."""
_BETWEEN = 3
"""Words that may stand between a cause and what it caused: "levodopa-induced choreic dyskinesia"."""

IsDrug = Callable[[str], bool]
"""Whether a normal form is a drug's name."""


def drug_caused(forms: Sequence[str], name: Sequence[str], is_drug: IsDrug) -> bool:
    """Whether a text says anywhere that a drug caused what has this name.

    Args:
        forms: the normal forms of the text's tokens.
        name: those of the name's tokens.
    """
    return any(_ends_with_drug(forms[max(0, at - _LONGEST_DRUG) : at], is_drug) for at in _induced(forms, name)) or any(
        _begins_with_drug(forms[at : at + _BETWEEN + _LONGEST_DRUG], is_drug) for at in _after_cause(forms, name)
    )


def _induced(forms: Sequence[str], name: Sequence[str]) -> Iterator[int]:
    """Where "induced" stands before the name."""
    for at, form in enumerate(forms):
        if form == _INDUCED:
            for start in range(at + 1, at + 2 + _BETWEEN):
                if list(forms[start : start + len(name)]) == list(name):
                    yield at
                if not forms[start : start + 1] or not forms[start].isalnum():
                    break


def _after_cause(forms: Sequence[str], name: Sequence[str]) -> Iterator[int]:
    """Where what follows "name due to" stands."""
    for at in range(len(forms) - 1):
        if (forms[at], forms[at + 1]) in _CAUSED_BY and list(forms[max(0, at - len(name)) : at]) == list(name):
            yield at + 2


def _ends_with_drug(forms: Sequence[str], is_drug: IsDrug) -> bool:
    return any(_is_drug(forms[start:], is_drug) for start in range(len(forms)))


def _begins_with_drug(forms: Sequence[str], is_drug: IsDrug) -> bool:
    for start in range(min(len(forms), _BETWEEN + 1)):
        if any(_is_drug(forms[start:end], is_drug) for end in range(start + 1, start + 1 + _LONGEST_DRUG)):
            return True
        if not forms[start].isalnum():
            return False
    return False


def _is_drug(forms: Sequence[str], is_drug: IsDrug) -> bool:
    return bool(forms) and (forms[-1] in _ANY_DRUG or is_drug(" ".join(forms)))
