"""Which relative has a problem that a note names, and whether the note denies or doubts it.

The value `associated-with-someone-else` takes the place of a denial, so the text is read once more for both. Where the
text does not say surely who it is, nobody is named.
"""

import tomllib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.resources import files

from clinspan.assertion.lexicon import CLASSES, Token, lexicon, tokens
from clinspan.assertion.scope import Said, decided, said_of
from clinspan.corpora.tables import section_of
from clinspan.document import Document, Span
from clinspan.text.sentences import Section, sections, sentences
from clinspan.text.sentences import section_of as part_of

SOMEONE_ELSE = "associated-with-someone-else"
_FAMILY = "FAMMEMB"
_TABLES = tomllib.loads(files("clinspan.corpora").joinpath("kin.toml").read_text(encoding="utf-8"))
_RELATIVES: Mapping[str, str] = _TABLES["relatives"]
_WORDS: Mapping[str, frozenset[str]] = {name: frozenset(words) for name, words in _TABLES["words"].items()}
_FAMILY_WORDS = frozenset(word for word, code in _RELATIVES.items() if code == _FAMILY)
_ENTITY = "<entity>"
_MOST_OWN = 5


class Kin:
    """The relatives of one document's sentences."""

    def __init__(self, document: Document):
        self._document = document

    @cached_property
    def _sections(self) -> tuple[Section, ...]:
        return sections(self._document.text)

    @cached_property
    def _sentences(self) -> list[Span]:
        return [sentence.span for sentence in sentences(self._document.text)]

    @cached_property
    def _said(self) -> list[list[Said]]:
        return said_of(self._document.text, [entity.span for entity in self._document.entities], lexicon())

    def sentence(self, place: int) -> Span:
        """The sentence that a place is in."""
        number = bisect_right(self._sentences, place, key=lambda span: span.start) - 1
        return self._sentences[max(0, number)]

    def section(self, number: int) -> str | None:
        """The section of an entity, as the document says; else as its headings do."""
        entity = self._document.entities[number]
        part = part_of(self._sections, entity.start)
        return section_of(self._document, entity) or (part.name if part is not None else None)

    def is_someone_else(self, number: int) -> bool:
        """Whether the text says that an entity is another person's: "his mother takes lisinopril"."""
        if decided(self._said[number], CLASSES) == SOMEONE_ELSE:
            return True
        before, _ = self._around(number)
        for at in range(len(before) - 1, 0, -1):
            if before[at] in _WORDS["taking"] and before[at - 1] not in _WORDS["taking"] | _WORDS["still"]:
                # Of children notes speak as of patients.
                return _is_person(before[at - 1]) and before[at - 1] not in _WORDS["patients"]
        return False

    def denies_of_relative(self, number: int) -> bool:
        """Whether the denial of a problem is about a relative, and so says nothing of the patient."""
        if self.section(number) == "family-history":
            return True
        before, _ = self._around(number)
        before = before[_clause_start(before) :]
        if not _FAMILY_WORDS & set(before):
            # A comma after another entity goes on with a list.
            commas = [at for at in range(1, len(before)) if before[at] == "," and before[at - 1] != _ENTITY]
            before = before[commas[-1] + 1 if commas else 0 :]
        named = [at for at, word in enumerate(before) if _is_person(word)]
        # "Mother denies fever" is told of a child.
        return bool(named) and not _WORDS["telling"] & set(before[named[-1] :])

    def fault(self, number: int) -> str | None:
        """`denied` or `in doubt` where the text says so of a problem; None where it affirms it."""
        said = self._said[number]
        polar = decided([one for one in said if one.kind in ("absent", "possible", "present")], CLASSES)
        if polar == "absent":
            return "denied"
        if polar == "possible" or any(one.kind == "hypothetical" for one in said):
            return "in doubt"
        if any(one.sign for one in said):
            return None
        before, after = self._around(number)
        before = before[_clause_start(before) :]
        if _WORDS["denial"] & set(before) or any(word.endswith("n't") for word in before):
            return "denied"
        return "in doubt" if _WORDS["doubt"] & set(before) or after[:1] == ["?"] else None

    def relative(self, number: int) -> str | None:
        """The code of the relative who has a problem; None where the text does not surely name one.

        One that follows in the same clause is preferred ("gout in his mother"), then the nearest before it. A relative
        of a relative, of a friend or of somebody with a name is none. In the section of family history, and where the
        text says "family", it is a member of the family.
        """
        before, after = self._around(number)
        found = _following(after)
        if found is None or found[1]:
            nearest = _preceding(before)
            if found is None:
                found = nearest
            elif nearest is not None and nearest[0] not in (found[0], _FAMILY):
                # "Father had gout, diabetes in mother": the list may be the father's or the mother's.
                found = None
        if found is not None:
            return found[0]
        others = any(_is_other(word) for word in (*before, *after))
        return _FAMILY if self.section(number) == "family-history" and not others else None

    def _around(self, number: int) -> tuple[list[str], list[str]]:
        """The words of an entity's sentence before and after it, without a heading; other entities are one word."""
        entity = self._document.entities[number]
        sentence = self.sentence(entity.start)
        part = part_of(self._sections, entity.start)
        start = max(sentence.start, part.span.start) if part is not None else sentence.start
        return (
            self._words(Span(start, entity.start)) if start < entity.start else [],
            self._words(Span(entity.end, sentence.end)) if entity.end < sentence.end else [],
        )

    def _words(self, span: Span) -> list[str]:
        taken = [one.span for one in self._document.entities if one.span.overlaps(span)]
        words: list[str] = []
        last: Span | None = None
        for token in tokens(self._document.text, span.start, span.end):
            held = _held(token, taken)
            if held is None:
                words.append(token.word)
            elif held is not last:
                words.append(_ENTITY)
            last = held
        return words


Found = tuple[str | None, bool]
"""The code of a relative, None where a person is named who is not surely one; and whether a list lies between."""


def _held(token: Token, taken: Sequence[Span]) -> Span | None:
    if _is_person(token.word):
        return None
    return next((span for span in taken if span.start <= token.start < span.end), None)


def _is_other(word: str) -> bool:
    """Whether a word names a person who is no relative that FHIR has a code for."""
    return word in _WORDS["others"] or (word not in _RELATIVES and lexicon().is_in(word, "relative"))


def _is_person(word: str) -> bool:
    return word in _RELATIVES or _is_other(word)


def _is_own(word: str) -> bool:
    return word not in ("'s", "patient", "pt") and (lexicon().is_in(word, "own") or word.isdecimal())


def _clause_start(before: Sequence[str]) -> int:
    """Where the clause begins that ends a row of words: after a stop, or at the person that a comma or "and" opens."""
    start = 0
    for at, word in enumerate(before):
        if word in _WORDS["stops"]:
            start = at + 1
        elif word in (",", "and"):
            then = at + 1
            while then < len(before) and _is_own(before[then]):
                then += 1
            if then < len(before) and before[then] in _RELATIVES:
                start = at + 1
    return start


def _following(after: Sequence[str]) -> Found | None:
    """The relative in a phrase right after the entity, or after the list that it is in: "and stroke in his mother"."""
    at = 0
    while at < len(after) and (after[at] in (",", "and", "or", "/", "&") or after[at] == _ENTITY):
        at += 1
    listed = _ENTITY in after[:at]
    at = at if listed else 0
    while at < len(after) and (after[at] in _WORDS["linking"] or after[at].isdecimal()):
        at += 1
    if at == len(after) or after[at] not in _WORDS["leading"] or (listed and not after[at].isalpha()):
        return None
    at += 1
    for place in range(at, min(at + _MOST_OWN, len(after))):
        word = after[place]
        if word in _RELATIVES:
            return _code(after, place), listed
        if _is_other(word):
            return None, listed
        if not (_is_own(word) or word in ("patient", "pt", "'s")):
            break
    return None


def _preceding(before: Sequence[str]) -> Found | None:
    """The relative named last before the entity, who must not be a relative of it alone, or be somebody's."""
    for place in range(len(before) - 1, -1, -1):
        word = before[place]
        if _is_other(word) or word == ";":
            return None, False
        if word not in _RELATIVES or (word == "child" and list(before[max(0, place - 2) : place]) == ["as", "a"]):
            continue
        opens = place - 1
        while opens >= 0 and _is_own(before[opens]):
            opens -= 1
        led = opens >= 0 and before[opens] in ("in", "of", "on", "(") and _ENTITY in before[:opens]
        follows = list(before[place + 1 :])
        if follows[:1] == ["'s"] and not set(follows[1:]) <= _WORDS["having"]:
            return None, False
        return (None if led else _code(before, place)), False
    return None


def _code(words: Sequence[str], place: int) -> str | None:
    """The code of the relative at a place; None for a relative of another person, and for one by marriage or care."""
    follows = list(words[place + 1 : place + 5])
    if follows[:2] == ["'s", "side"]:
        return _FAMILY
    if follows[:2] in (["in", "law"], ["-", "in"]):
        return None
    if follows[:1] in (["'s"], ["of"]) and any(map(_is_person, follows)):
        return None
    at = place - 1
    while at >= 0 and _is_own(words[at]) and words[at] not in _WORDS["not born"]:
        at -= 1
    owner = words[max(0, at - 3) : max(0, at)]
    if at < 0:
        return _RELATIVES[words[place]]
    if words[at] in _WORDS["not born"] or (words[at] == "of" and any(map(_is_person, owner[-1:]))):
        return None
    if words[at] == "'s" and owner[-1:] not in (["patient"], ["pt"]) and not _WORDS["titles"] & set(owner[:-1]):
        return None
    return _RELATIVES[words[place]]
