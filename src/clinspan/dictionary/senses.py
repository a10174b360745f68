"""What a short form means where it stands: by its neighbours, section and label, and how often each meaning is meant.

A document's own definitions go first, so this is asked about short forms that the document does not define.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    "treatment": frozenset(
        {"Pharmacologic Substance", "Therapeutic or Preventive Procedure", "Clinical Drug", "Medical Device"}
    ),
}
"""Semantic types of the kinds that meanings have; a meaning of another kind (`other`) is not an entity of these."""

_BESIDE = 4.0
_BESIDE_NUMBER = 3.0
_NEAR = 1.2
_NEAR_MOST = 3
_WRITTEN_OUT = 2.0
_SECTION = 1.0
_PHRASED = 1.0
_LABEL = {True: 1.0, False: -2.0}
_LABEL_OF_OTHER = -0.5
_UNLISTED = (0.02, 0.05)
"""How often of one a form with one meaning, and with several, means what the list does not know."""
_REACH = 100
"""Characters on either side in which a sign may stand."""
_TOKEN = re.compile(r"[^\W_]+(?:[-/&+][^\W_]+)*\+?|[%:#]")
_NUMBER = re.compile(r"[\d/-]+")
_PART = re.compile(r"[-/&+]")
_SENTENCE = re.compile(r"[.;!?]\s|\n")
_CAPITALS = re.compile(r"[A-Z0-9/&-]{3,}")
_SINGULAR = 3
"""Letters that a plural has more than."""
_LOOSE = re.compile(r"[\s.-]+")
_HEADING = re.compile(r"^[ \t]*([A-Za-z][A-Za-z /&]{1,40}):", re.MULTILINE)
_SECTIONS = (
    (re.compile(r"\b(?:med|meds|medications?|allerg\w*|prescriptions?)\b", re.I), "treatment"),
    (re.compile(r"\b(?:labs?|laborator\w*|results?|vitals?|data)\b", re.I), "test"),
    (re.compile(r"\b(?:history|pmh|hpi|problems?|assessment|impression|diagnos[ei]s|complaint)\b", re.I), "problem"),
)
_VALUE = re.compile(r"\s*(?:of|was|is|at|to|[:=<>~])?\s*[<>~]?\d")
_DOSE = re.compile(
    r"[\s:]*(?:\w+\s+)?[\d./,-]+\s*(?:mg|mcg|g|gm|grams?|meq|units?|u|ml|cc|l|tabs?|puffs?|amps?|gtts?)\b"
    r"|.{0,25}?\b(?:[bt]id|qid|daily|q\d+h|q[hap]m?s?|prn|po|iv|im|sc|sq|sl|drip|gtt|infusion)\b",
    re.I,
)
_SAID_BEFORE = (
    (
        re.compile(
            r"\b(?:no|not|denies|denied|without|h/o|hx(?: of)?|history of|known|acute|chronic|severe|mild|moderate|"
            r"recurrent|worsening|new|likely|suspected|possible|probable|presumed|concern(?:ing)? for|r/o|rule out|"
            r"diagnosed with|dx(?: of)?|diagnosis of|consistent with|c/w|suffers from|complicated by|due to)\s+$",
            re.I,
        ),
        "problem",
    ),
    (
        re.compile(
            r"\b(?:started(?: on)?|given|received|receiving|takes|taking|resumed?|continued?|underwent|tolerat\w+|"
            r"weaned off|off|on|held|hold|transitioned to|switched to|treated with|placed on|titrate\w*)\s+"
            r"(?:an?\s+)?$",
            re.I,
        ),
        "treatment",
    ),
    (re.compile(r"\b(?:repeat|serial|check(?:ed)?|recheck|obtain(?:ed)?|trend|ordered|send|sent)\s+$", re.I), "test"),
)
"""What a note says before a thing of one kind."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """One meaning of a short form.

    Attributes:
        often: how often of a hundred it is meant in notes.
        before, after: words directly beside the short form that speak for it; `#` is a number.
        near: words that speak for it anywhere nearby.
        topics: further such words, those of a specialty.
    """

    name: str
    kind: str
    often: float
    before: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    near: frozenset[str] = frozenset()
    topics: tuple[frozenset[str], ...] = ()

    def weight(self, context: "_Context") -> float:
        """The log of how well it fits what stands around the short form."""
        nearby = self._nearby(context.near) + self._nearby(context.farther) / 2
        found = _beside(context.before & self.before) + _beside(context.after & self.after)
        found += _NEAR * min(_NEAR_MOST, nearby)
        found += _WRITTEN_OUT * (self.name.casefold() in context.text)
        return found + _SECTION * (context.section == self.kind) + _PHRASED * (self.kind in context.phrased)

    def _nearby(self, words: frozenset[str]) -> int:
        return len(words & self.near.union(*self.topics))

    def expected(self, kinds: Collection[str]) -> float:
        """The log of how far it is expected before the text is read: by how often it is meant, and by the label."""
        label = _LABEL_OF_OTHER if self.kind == "other" else _LABEL[self.kind in kinds]
        return math.log(self.often / 100) + label


@dataclass(frozen=True, slots=True)
class ChosenMeaning:
    """The meaning that fits best, and the share of it among all meanings' weights."""

    meaning: Meaning
    share: float


@dataclass(frozen=True, slots=True)
class _Context:
    """What stands around a short form.

    Attributes:
        text: the wider part in which a meaning may be written out.
        near, farther: words of its own sentence, and of those beside it.
        phrased: kinds of things that are spoken of as this one is: with a value, with a dose, as denied.
    """

    text: str
    before: frozenset[str]
    after: frozenset[str]
    near: frozenset[str]
    farther: frozenset[str]
    section: str | None
    phrased: frozenset[str]

    @classmethod
    def of(cls, text: str, span: Span) -> "_Context":
        left = text[max(0, span.start - _REACH) : span.start]
        right = text[span.end : span.end + _REACH]
        begins = max((found.end() for found in _SENTENCE.finditer(left)), default=0)
        ended = _SENTENCE.search(right)
        ends = ended.start() if ended else len(right)
        words_left, words_right = _words(left[begins:]), _words(right[:ends])
        near = frozenset[str]().union(*words_left, *words_right)
        farther = frozenset[str]().union(*_words(left[:begins]), *_words(right[ends:])) - near
        headings = _HEADING.findall(text, max(0, span.start - 20 * _REACH), span.start)
        said = headings[-1] if headings else ""
        section = next((kind for pattern, kind in _SECTIONS if pattern.search(said)), None)
        before = words_left[-1] if words_left else frozenset()
        around = text[max(0, span.start - 20 * _REACH) : span.end + 20 * _REACH].casefold()
        after = words_right[0] if words_right else frozenset()
        return cls(around, before, after, near, farther, section, _phrased(left[begins:], right[:ends]))


def _beside(met: frozenset[str]) -> float:
    """What a sign that is met beside a short form weighs: a number alone says less than a word."""
    return (_BESIDE_NUMBER if met == {"#"} else _BESIDE) if met else 0.0


def _phrased(left: str, right: str) -> frozenset[str]:
    kinds = {kind for pattern, kind in _SAID_BEFORE if pattern.search(left)}
    if _DOSE.match(right):
        kinds.add("treatment")
    elif _VALUE.match(right):
        kinds.add("test")
    return frozenset(kinds)


def _words(text: str) -> list[frozenset[str]]:
    """For each word the forms by which a sign may name it: itself, its parts, and its singular."""
    return [_forms(found.group().casefold()) for found in _TOKEN.finditer(text)]


def _forms(word: str) -> frozenset[str]:
    if _NUMBER.fullmatch(word):
        return frozenset({word, "#"})
    parts = {word, *_PART.split(word)}
    return frozenset(parts | {part[:-1] for part in parts if part.endswith("s") and len(part) > 3})


class ShortForms:
    """The list of short forms with their meanings.

    Args:
        lines: as `short_forms.tsv` has them, which says what each column is.
    """

    def __init__(self, lines: Iterable[str]):
        self._meanings: dict[str, list[Meaning]] = {}
        self._small: dict[str, str] = {}
        topics: dict[str, frozenset[str]] = {}
        for line in lines:
            if line.startswith("@"):
                topic, *words = line.split()
                topics[topic] = frozenset(words)
            elif line.strip() and not line.startswith("#"):
                form, name, kind, often, signs = line.rstrip("\n").split("\t")
                made = _meaning(name, kind, float(often), signs.casefold().split(), topics)
                self._meanings.setdefault(form.lstrip("="), []).append(made)
                if form[0] not in "=^" and _CAPITALS.fullmatch(form):
                    self._small[form.casefold()] = form

    def __len__(self) -> int:
        return len(self._meanings)

    @property
    def forms(self) -> tuple[str, ...]:
        """The short forms, those that are met in any case with ^ before them."""
        return tuple(self._meanings)

    def meanings(self, form: str) -> tuple[Meaning, ...]:
        """The meanings of a short form, none where the list lacks it."""
        found = self._listed(form) or self._listed(_LOOSE.sub("", form))
        if not found and form.endswith("s") and len(form) > _SINGULAR:
            found = self._listed(form.removesuffix("s").rstrip("'’"))
        return tuple(found)

    def _listed(self, form: str) -> Sequence[Meaning]:
        small = form.casefold()
        return (
            self._meanings.get(form)
            or self._meanings.get("^" + _LOOSE.sub("", small))
            or self._meanings.get(self._small.get(small, ""))
            or ()
        )

    def choose(self, text: str, span: Span, types: Collection[str]) -> ChosenMeaning | None:
        """What stands at `span` means; None where the list does not say.

        Args:
            types: semantic types of the entity's label; where none of them is of a kind, the list says nothing.
        """
        meanings = self.meanings(span.of(text))
        kinds = [kind for kind, known in KINDS.items() if not known.isdisjoint(types)]
        if not meanings or not kinds:
            return None
        expected = [meaning.expected(kinds) for meaning in meanings]
        # One meaning alone needs no context.
        if len(meanings) > 1:
            context = _Context.of(text, span)
            expected = [one + meaning.weight(context) for one, meaning in zip(expected, meanings, strict=True)]
        weights = [math.exp(one) for one in expected]
        best = max(range(len(meanings)), key=weights.__getitem__)
        open_share = _UNLISTED[len(meanings) > 1] + max(0.0, 1 - sum(meaning.often for meaning in meanings) / 100)
        return ChosenMeaning(meanings[best], weights[best] / (sum(weights) + open_share * math.exp(_LABEL[True])))


def _meaning(name: str, kind: str, often: float, signs: Sequence[str], topics: Mapping[str, frozenset[str]]) -> Meaning:
    beside = {mark: frozenset(sign[1:] for sign in signs if sign[0] == mark and len(sign) > 1) for mark in ("<", ">")}
    near = frozenset(sign for sign in signs if sign[0] not in "<>@")
    named = tuple(topics[sign] for sign in signs if sign[0] == "@")
    return Meaning(name, kind, often, beside["<"], beside[">"], near, named)


@cache
def short_forms() -> ShortForms:
    """The list that comes with clinspan, read once."""
    file = resources.files(__package__).joinpath("short_forms.tsv")
    return ShortForms(file.read_text(encoding="utf-8").splitlines())
