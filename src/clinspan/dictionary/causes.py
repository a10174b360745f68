"""Whether a text says that a drug caused something: "levodopa-induced dyskinesia", "hepatitis due to isoniazid"."""

from collections.abc import Callable, Iterator, Sequence

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
