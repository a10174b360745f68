"""Other ways to say a name that a dictionary lacks: a word in another form, a head left out, several names in one.

What each rule brings was counted on the training parts of NCBI-disease and BC5CDR (docs/results.md); rules that were
wrong more often than right, such as leaving modifiers out or the nearest spelling, are not here.

And whether a text says of a name that a drug caused it: "levodopa-induced dyskinesia", "hepatitis due to isoniazid".
"""

import re
from collections.abc import Callable, Iterator, Sequence

from clinspan.dictionary.normalise import normal_form

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
