"""What a short form means where it stands: by its neighbours, section and label, and how often each meaning is meant.

A document's own definitions go first, so this is asked about short forms that the document does not define.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from clinspan.document import Span

KINDS: Mapping[str, frozenset[str]] = {
    "problem": frozenset(
        {"Disease or Syndrome", "Sign or Symptom", "Neoplastic Process", "Injury or Poisoning", "Finding"}
        | {"Mental or Behavioral Dysfunction", "Pathologic Function", "Congenital Abnormality", "Acquired Abnormality"}
        | {"Anatomical Abnormality", "Cell or Molecular Dysfunction"}
    ),
    "test": frozenset({"Laboratory Procedure", "Diagnostic Procedure", "Laboratory or Test Result"}),
    "treatment": frozenset({"Pharmacologic Substance", "Therapeutic or Preventive Procedure", "Clinical Drug"}),
}
"""Semantic types of the kinds that meanings have; a meaning of another kind (`other`) is not an entity of these."""

_BESIDE = 3.0
_NEAR = 1.2
_NEAR_MOST = 3
_WRITTEN_OUT = 2.0
_SECTION = 1.0
_LABEL = {True: 1.0, False: -2.0}
_LABEL_OF_OTHER = -0.5
_REACH = 100
"""Characters on either side in which a sign may stand."""
_TOKEN = re.compile(r"[^\W_]+(?:[-/&][^\W_]+)*|[%:#]")
_HEADING = re.compile(r"^[ \t]*([A-Za-z][A-Za-z /&]{1,40}):", re.MULTILINE)
_SECTIONS = (
    (re.compile(r"\b(?:med|meds|medications?|allerg\w*|prescriptions?)\b", re.I), "treatment"),
    (re.compile(r"\b(?:labs?|laborator\w*|results?|vitals?|data)\b", re.I), "test"),
    (re.compile(r"\b(?:history|pmh|hpi|problems?|assessment|impression|diagnos[ei]s|complaint)\b", re.I), "problem"),
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """One meaning of a short form.

    Attributes:
        often: how often of a hundred it is meant in notes.
        before, after: words directly beside the short form that speak for it; `#` is a number.
        near: words that speak for it anywhere nearby.
    """

    name: str
    kind: str
    often: float
    before: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    near: frozenset[str] = frozenset()

    def weight(self, context: "_Context", kinds: Collection[str]) -> float:
        """The log of how well it fits."""
        signs = bool(context.before & self.before) + bool(context.after & self.after)
        found = math.log(self.often / 100) + _BESIDE * signs
        found += _NEAR * min(_NEAR_MOST, len(context.near & self.near))
        found += _WRITTEN_OUT * (self.name.casefold() in context.text)
        found += _SECTION * (context.section == self.kind)
        return found + (_LABEL_OF_OTHER if self.kind == "other" else _LABEL[self.kind in kinds])


@dataclass(frozen=True, slots=True)
class ChosenMeaning:
    """The meaning that fits best, and the share of it among all meanings' weights."""

    meaning: Meaning
    share: float


@dataclass(frozen=True, slots=True)
class _Context:
    """What stands around a short form; `text` is the wider part in which a meaning may be written out."""

    text: str
    before: frozenset[str]
    after: frozenset[str]
    near: frozenset[str]
    section: str | None

    @classmethod
    def of(cls, text: str, span: Span) -> "_Context":
        left = text[max(0, span.start - _REACH) : span.start]
        right = text[span.end : span.end + _REACH]
        words_left, words_right = _words(left), _words(right)
        near = frozenset(word for words in (*words_left, *words_right) for word in words)
        headings = _HEADING.findall(text, max(0, span.start - 20 * _REACH), span.start)
        said = headings[-1] if headings else ""
        section = next((kind for pattern, kind in _SECTIONS if pattern.search(said)), None)
        before = words_left[-1] if words_left else frozenset()
        around = text[max(0, span.start - 20 * _REACH) : span.end + 20 * _REACH].casefold()
        return cls(around, before, words_right[0] if words_right else frozenset(), near, section)


def _words(text: str) -> list[frozenset[str]]:
    """For each word the forms by which a sign may name it."""
    return [
        frozenset({word, "#"} if word[0].isdigit() else {word})
        for word in (found.group().casefold() for found in _TOKEN.finditer(text))
    ]


class ShortForms:
    """The list of short forms with their meanings.

    Args:
        lines: as `short_forms.tsv` has them, which says what each column is.
    """

    def __init__(self, lines: Iterable[str]):
        self._meanings: dict[str, list[Meaning]] = {}
        for line in lines:
            if line.strip() and not line.startswith("#"):
                form, name, kind, often, signs = line.rstrip("\n").split("\t")
                made = _meaning(name, kind, float(often), signs.casefold().split())
                self._meanings.setdefault(form, []).append(made)

    def __len__(self) -> int:
        return len(self._meanings)

    def meanings(self, form: str) -> tuple[Meaning, ...]:
        """The meanings of a short form, none where the list lacks it."""
        return tuple(self._meanings.get(form) or self._meanings.get("^" + form.casefold()) or ())

    def choose(self, text: str, span: Span, types: Collection[str]) -> ChosenMeaning | None:
        """What stands at `span` means; None where the list does not say.

        Args:
            types: semantic types of the entity's label; where none of them is of a kind, the list says nothing.
        """
        meanings = self.meanings(span.of(text))
        kinds = [kind for kind, known in KINDS.items() if not known.isdisjoint(types)]
        if not meanings or not kinds:
            return None
        context = _Context.of(text, span)
        weights = [math.exp(meaning.weight(context, kinds)) for meaning in meanings]
        best = max(range(len(meanings)), key=weights.__getitem__)
        return ChosenMeaning(meanings[best], weights[best] / sum(weights))


def _meaning(name: str, kind: str, often: float, signs: list[str]) -> Meaning:
    beside = {mark: frozenset(sign[1:] for sign in signs if sign[0] == mark and len(sign) > 1) for mark in ("<", ">")}
    near = frozenset(sign for sign in signs if sign[0] not in "<>")
    return Meaning(name, kind, often, beside["<"], beside[">"], near)


@cache
def short_forms() -> ShortForms:
    """The list that comes with clinspan, read once."""
    file = resources.files(__package__).joinpath("short_forms.tsv")
    return ShortForms(file.read_text(encoding="utf-8").splitlines())
