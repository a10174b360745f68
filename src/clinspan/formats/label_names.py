"""Which label of the set an answer means by the name it writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import regex
from rapidfuzz.distance import OSA

from clinspan.labels import LabelSet

_OUTER = regex.compile(r"^[\s\"'`*_<>(){}\[\]“”‘’]+|[\s\"'`*_<>(){}\[\].,;:“”‘’]+$")
_JOINT = regex.compile(r"[\s_\-‐‑–]+")
_DIGITS = regex.compile(r"\d+")


class LabelNames:
    """Finds the label that a written name means, by one rule after the other:

    1. it is a label's name letter for letter;
    2. it is one but for case, white space, hyphens or underscores, and quotes or punctuation around it;
    3. it is one but for singular and plural;
    4. it is within edit distance 1 (names of five to eight characters) or 2 (longer ones) of exactly one label, two
       swapped neighbours counting once, with the same digits: "text" is never taken for "test", nor "grade 3" for
       "grade 2".

    A rule that fits two labels decides nothing, and the name is unknown.
    """

    def __init__(self, labels: LabelSet):
        forms = _forms(labels.names)
        self.exact = forms.exact
        self._folded = forms.folded
        self._singular = forms.singular
        self._leading = forms.leading
        self._known: dict[str, str | None] = {}
        self.longest = 2 * max(len(name) for name in labels.names) + 16
        """Nothing longer than this is taken for a label's name."""

    def find(self, written: str) -> str | None:
        """The label meant by `written`, or None."""
        if written in self.exact:
            return written
        if len(written) > self.longest:
            return None
        if written not in self._known:
            self._known[written] = self._nearest(written)
        return self._known[written]

    def at_start(self, written: str) -> str | None:
        """The label whose name, letter for letter and as whole words, `written` begins with after white space."""
        found = self._leading.match(written[: self.longest])
        return found.group(1) if found else None

    def _nearest(self, written: str) -> str | None:
        plain = folded(written)
        if not plain:
            return None
        if plain in self._folded:
            return self._folded[plain]
        singular = _singular(plain)
        if singular in self._singular:
            return self._singular[singular]
        allowed = 0 if len(plain) < 5 else 1 if len(plain) < 9 else 2
        digits = _DIGITS.findall(plain)
        near = [
            name
            for known, name in self._folded.items()
            if name is not None
            and _DIGITS.findall(known) == digits
            and OSA.distance(known, plain, score_cutoff=allowed) <= allowed
        ]
        return near[0] if len(near) == 1 else None


@dataclass(frozen=True, slots=True)
class _Forms:
    """What names are compared with."""

    exact: frozenset[str]
    folded: Mapping[str, str | None]
    singular: Mapping[str, str | None]
    leading: regex.Pattern[str]


# The same for every answer of a run.
@lru_cache(maxsize=64)
def _forms(names: tuple[str, ...]) -> _Forms:
    listed = "|".join(map(regex.escape, sorted(names, key=len, reverse=True)))
    return _Forms(
        frozenset(names),
        _unique((folded(name), name) for name in names),
        _unique((_singular(folded(name)), name) for name in names),
        regex.compile(rf"\s*({listed})(?!\w)"),
    )


def folded(name: str) -> str:
    """The name but for case, white space, hyphens and underscores, and quotes or punctuation around it."""
    return _JOINT.sub(" ", _OUTER.sub("", name)).strip().casefold()


def _singular(name: str) -> str:
    if name.endswith("ies") and len(name) > 4:
        return name[:-3] + "y"
    if name.endswith(("sses", "xes", "ches", "shes")):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith(("ss", "is", "us")) else name


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for key, name in pairs:
        found[key] = None if key in found else name
    return found
