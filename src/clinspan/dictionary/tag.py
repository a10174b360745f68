"""Tagging from the dictionary alone: the honest baseline for every LLM, and what `--llm none` does."""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib import resources

import marisa_trie
import regex

from clinspan.dictionary.link import LabelTypes, Linker, LinkSettings
from clinspan.dictionary.match import Match, Sense, TermMatch, longest_apart
from clinspan.dictionary.normalise import Tokens, is_acronym, normal_form, tokenise, visible
from clinspan.dictionary.senses import KINDS, short_forms
from clinspan.dictionary.store import Dictionary
from clinspan.dictionary.written import Abbreviation, Written
from clinspan.document import Document, Entity, MatchKind, Span
from clinspan.labels import LabelSet

IsTerm = Callable[[str], bool]
"""Whether a string is a term of the label at hand."""

_WORD = r"[^\W_]+(?:['’-][^\W_]+)*"
_COORDINATED = re.compile(rf"((?:{_WORD}\s)?{_WORD})(?:,?\s(?:and/or|and|or)\s|\s?/\s?|,\s|-(?=\w))$")
# What a coordination ends in: looked for first, since nearly all terms stand after none, and telling so by the whole
# pattern takes as long as all else about the term.
_JOINED = re.compile(r"(?:\b(?:and|or)|,|/)\s$|/$")
_MODIFIER = re.compile(
    r"(?:\b(?:familial|inherited|hereditary|sporadic|X-linked|autosomal(?:[ -](?:dominant|recessive))?)\s)+$",
    re.IGNORECASE,
)
_PERSONS = re.compile(r"\b(?:[Vv][ao]n |[Dd]e )?[A-Z][a-zé]{2,}-[A-Z][a-zé]{2,}(?:-[A-Z][a-zé]{2,})*(?![\w-])")
_NAMED = ("syndrome", "disease")
_REACH = 80


def term_key(term: str) -> str:
    """What makes two spellings one term: the normal form, with its case for an acronym."""
    term = visible(term)
    return "=" + term if is_acronym(term) else normal_form(term)


def label_terms(labels: LabelSet) -> dict[str, str]:
    """The key of each term that labels.toml names, with its label."""
    return {term_key(term): label.name for label in labels.labels for term in label.terms if term_key(term)}


class TermList:
    """Finds labelled terms in a text.

    Args:
        terms: by key (see `term_key`), the label.
    """

    def __init__(self, terms: Mapping[str, str]):
        self._terms = terms
        self._cased = {key[1:]: key for key in terms if key.startswith("=")}
        self._trie = marisa_trie.Trie(key + " " for key in terms if not key.startswith("="))

    def __len__(self) -> int:
        return len(self._terms)

    def scan(self, text: str, tokens: Tokens) -> Iterator[tuple[int, int, str]]:
        """(first token, one past the last, key) of each term in `text`."""
        if len(self._trie):
            for at, end, prefix in walk(self._trie, tokens.forms):
                yield at, end, prefix[:-1]
        if self._cased:
            plain = text.isascii()
            for at, (start, end) in enumerate(zip(tokens.starts, tokens.ends, strict=True)):
                key = self._cased.get(text[start:end] if plain else visible(text[start:end]))
                if key is not None:
                    yield at, at + 1, key

    def label(self, key: str) -> str:
        """The label of a key that `scan` found."""
        return self._terms[key]


def walk(trie: marisa_trie.Trie, forms: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(first token, one past the last, key) of each key of `trie` that the forms hold."""
    line = " ".join(forms) + " "
    place = 0
    for at, form in enumerate(forms):
        for prefix in trie.iter_prefixes(line[place : place + 200]):
            yield at, at + prefix.count(" "), prefix
        place += len(form) + 1


def extend_left(text: str, span: Span, is_term: IsTerm) -> Span:
    """The span with the coordinated names and the words of inheritance on its left."""
    while True:
        longer = _coordinated(text, span, is_term)
        if longer is None:
            break
        span = longer
    modifier = _MODIFIER.search(text, max(0, span.start - _REACH), span.start)
    return Span(modifier.start(), span.end) if modifier else span


def _coordinated(text: str, span: Span, is_term: IsTerm) -> Span | None:
    if not _JOINED.search(text, max(0, span.start - 5), span.start):
        return None
    found = _COORDINATED.search(text, max(0, span.start - _REACH), span.start)
    words = re.findall(rf"{_WORD}", span.of(text))
    if not found or len(words) < 2:
        return None
    both = found.group(1)
    last = both.rpartition(" ")[2]
    for left in dict.fromkeys((last, both)):
        for heads in range(1, min(3, len(words))):
            if is_term(f"{left} {' '.join(words[-heads:])}") and not is_term(left):
                return Span(found.end(1) - len(left), span.end)
    return None


def persons(text: str, is_term: IsTerm) -> Iterator[tuple[Span, str]]:
    """The names of two or more persons that stand for a syndrome, with the term that they are short for."""
    for found in _PERSONS.finditer(text):
        for noun in _NAMED:
            if is_term(f"{found.group()} {noun}"):
                yield Span(found.start(), found.end()), f"{found.group()} {noun}"
                break


_LONGEST_HEADING = 60
_LINE = regex.compile(r"[^\r\n]*")
_MARKER = regex.compile(r"\A[ \t]*(?:(?:[-*#•]|\(?\d{1,2}[.)])[ \t]*)?")


@cache
def _section_names() -> frozenset[str]:
    text = resources.files(__package__).joinpath("everyday.toml").read_text(encoding="utf-8")
    return frozenset(normal_form(name) for name in tomllib.loads(text)["sections"]["names"])


def in_heading(text: str, place: Span) -> bool:
    """Whether it stands in the name of a section: at the start of a line, up to its end or a colon."""
    start = max(text.rfind("\n", 0, place.start), text.rfind("\r", 0, place.start)) + 1
    line = _LINE.match(text, start, min(len(text), start + _LONGEST_HEADING))
    name = line.group().split(":")[0] if line else ""
    if start + len(name) < place.end:
        return False
    return normal_form(_MARKER.sub("", name)) in _section_names()


@dataclass(frozen=True, slots=True)
class TermCount:
    """How often a term stands in the pool's texts, and how often it is annotated there, just so, with its label."""

    seen: int
    annotated: int

    @property
    def precision(self) -> float:
        """The share that is annotated, drawn towards one half where little was seen (Laplace)."""
        return (self.annotated + 1) / (self.seen + 2)


@dataclass(frozen=True, slots=True)
class Decision:
    """Which terms to tag, learned from a pool.

    Attributes:
        counts: for (label, key of a term) what was counted.
        added: by key, the label of terms that the pool annotates and the dictionary may lack.
        threshold: a term is tagged when its precision is above it.
    """

    counts: Mapping[tuple[str, str], TermCount]
    added: Mapping[str, str] = field(default_factory=dict)
    threshold: float = 0.4

    def keeps(self, label: str, term: str) -> bool:
        """Whether a term of the dictionary is tagged: yes, where the pool says nothing of it."""
        count = self.counts.get((label, term_key(term)))
        return count is None or count.precision > self.threshold

    def score(self, label: str, term: str) -> float | None:
        """The probability that the term is an entity; None where the pool says nothing of it."""
        count = self.counts.get((label, term_key(term)))
        return None if count is None else count.precision


def learn(pool: Sequence[Document], tagged: Sequence[Iterable[Entity]], *, threshold: float = 0.4) -> Decision:
    """Counts in an annotated pool what the tagger found there, and what it could not know.

    A mention inside a longer annotated one counts neither for nor against its term: the longer one decides.

    Args:
        tagged: for each document what the tagger finds in it without a decision.
    """
    seen: Counter[tuple[str, str]] = Counter()
    annotated: Counter[tuple[str, str]] = Counter()
    own = _annotated_terms(pool)
    terms = TermList(own)
    for document, entities in zip(pool, tagged, strict=True):
        gold = {entity.span: entity.label for entity in document.entities if not entity.fragments}
        found = {(entity.span, entity.label) for entity in entities}
        tokens = tokenise(document.text)
        for start, end, term in terms.scan(document.text, tokens):
            found.add((Span(tokens.starts[start], tokens.ends[end - 1]), own[term]))
        for span, label in found:
            key = (label, term_key(span.of(document.text)))
            if gold.get(span) == label:
                annotated[key] += 1
                seen[key] += 1
            elif not any(other.contains(span) for other in gold):
                seen[key] += 1
    counts = {key: TermCount(times, annotated[key]) for key, times in seen.items()}
    kept = {key: label for key, label in own.items() if _worth(counts.get((label, key)), threshold)}
    return Decision(counts, kept, threshold)


def _worth(count: TermCount | None, threshold: float) -> bool:
    return count is not None and count.annotated * 2 > count.seen and count.precision > threshold


def _annotated_terms(pool: Sequence[Document]) -> dict[str, str]:
    """The key of each annotated mention, with the label it has most often."""
    labels: dict[str, Counter[str]] = {}
    for document in pool:
        for entity in document.entities:
            if not entity.fragments:
                labels.setdefault(term_key(entity.text), Counter())[entity.label] += 1
    return {key: counted.most_common(1)[0][0] for key, counted in labels.items() if key}


_TOO_GENERAL = """
abnormality acute all anomaly arm carcinogenesis carrier chronic combined complication condition death defect deficiency
disease disorder dysfunction early face family finding hypersensitive illness impairment injury late lesion lethal
malformation mass mild oncogenesis onset other pain problem progression recurrence red severe sign strain susceptibility
symptom syndrome trisomy tumorigenesis wound
"""
GENERIC = frozenset(normal_form(word) for word in _TOO_GENERAL.split())
"""Words too general to be an entity alone, in normal form."""


@dataclass(frozen=True, slots=True)
class _Found:
    span: Span
    label: str
    senses: tuple[Sense, ...]
    always: bool = False


class Tagger:
    """Tags texts with the terms of a dictionary that are of a label set's types.

    Terms that labels.toml names are tagged wherever they stand.

    Args:
        dictionary: None for the label set's own terms, and those of a decision, alone.
        fuzzy: whether misspelt terms are tagged too.
        extend: whether a name takes in coordinated names and words of inheritance on its left.
        links: which concepts its entities carry.
    """

    def __init__(
        self,
        dictionary: Dictionary | None,
        labels: LabelSet,
        *,
        decision: Decision | None = None,
        fuzzy: bool = False,
        extend: bool = True,
        links: LinkSettings | None = None,
    ):
        self._types = LabelTypes(labels)
        self._dictionary = self._types.seen(dictionary) if dictionary is not None else None
        self._labels = labels
        self._links = links
        self._linker = Linker(dictionary, labels, links) if dictionary is not None else None
        self._decision = decision
        self._always = label_terms(labels)
        self._terms = TermList({**(decision.added if decision else {}), **self._always})
        self._fuzzy = fuzzy
        self._extend = extend

    def learned(self, pool: Sequence[Document]) -> "Tagger":
        """This tagger with a decision learned from a pool of annotated documents."""
        make = partial(
            Tagger, self._dictionary, self._labels, fuzzy=self._fuzzy, extend=self._extend, links=self._links
        )
        plain = make()
        decision = learn(pool, [plain.tag(document.text) for document in pool])
        return make(decision=decision)

    @property
    def knows_nothing(self) -> bool:
        """True where there is neither a dictionary nor any term of its own: no text has an entity then."""
        return self._dictionary is None and not len(self._terms)

    def tag(self, text: str | Written) -> tuple[Entity, ...]:
        """The entities of `text`, which may be written out already, in text order, none overlapping another."""
        written = Written.of(text) if isinstance(text, str) else text
        text = written.text
        # The label set's own terms come first: at the same place the user's word goes before the vocabularies'.
        found = self._listed(written)
        found += [labelled for match in self._scan(written) if (labelled := self._label(text, match)) is not None]
        if self._extend:
            found = [self._extended(text, f) for f in longest_apart(self._kept(text, found))]
            found.extend(self._persons(written))
        found = [f for f in found if not in_heading(text, f.span)]
        return tuple(self._entity(written, f) for f in longest_apart(self._kept(text, found)))

    def _label(self, text: str, match: Match) -> _Found | None:
        label = self._types.decide(match.senses)
        if label is None:
            return None
        if match.kind is not TermMatch.ABBREVIATION:
            if normal_form(match.text) in GENERIC:
                return None
            if is_acronym(match.text) and re.match(r"-\w", text[match.span.end : match.span.end + 2]):
                return None  # a part of a longer name, most often of a gene or a protein
            types = self._types.types_of(label)
            chosen = short_forms().choose(text, match.span, types)
            if chosen is not None and KINDS.get(chosen.meaning.kind, frozenset()).isdisjoint(types):
                return None
        return _Found(match.span, label, self._types.senses(match.senses, label))

    def _scan(self, written: Written) -> tuple[Match, ...]:
        if self._dictionary is None:
            return ()
        return self._dictionary.scan(written, fuzzy=self._fuzzy, overlapping=True)

    def _senses(self, term: str, label: str) -> tuple[Sense, ...]:
        if self._dictionary is None:
            return ()
        return self._types.senses(self._dictionary.find(term, fuzzy=False), label)

    def _is_term(self, label: str, term: str) -> bool:
        if self._dictionary is None:
            return False
        match = self._dictionary.match(term, fuzzy=False, reorder=False)
        return match is not None and self._types.decide(match.senses) == label

    def _extended(self, text: str, f: _Found) -> _Found:
        return replace(f, span=extend_left(text, f.span, partial(self._is_term, f.label)))

    def _kept(self, text: str, found: list[_Found]) -> list[_Found]:
        decision = self._decision
        if decision is None:
            return found
        return [f for f in found if f.always or decision.keeps(f.label, f.span.of(text))]

    def _listed(self, written: Written) -> list[_Found]:
        found = []
        for first, last, key in self._terms.scan(written.expansion.text, written.tokens):
            place = written.place(first, last)
            if place is not None:
                label = self._terms.label(key)
                senses = self._senses(place[0].of(written.text), label)
                found.append(_Found(place[0], label, senses, always=key in self._always))
        return found + _short_forms(found, written.defined)

    def _persons(self, written: Written) -> list[_Found]:
        expansion = written.expansion
        found = []
        for label in self._types.labels:
            for span, term in persons(expansion.text, partial(self._is_term, label)):
                place = expansion.to_source(span.start, span.end)
                if place is not None:
                    senses = self._senses(term, label)
                    found.append(_Found(place[0], label, senses))
        return found + _short_forms(found, written.defined)

    def _entity(self, written: Written, f: _Found) -> Entity:
        mention = f.span.of(written.text)
        score = self._decision.score(f.label, mention) if self._decision else None
        concepts = self._linker.concepts(written, f.span, f.label, f.senses) if self._linker is not None else ()
        return Entity(f.span, f.label, mention, score=score, match=MatchKind.DICTIONARY, concepts=concepts)


def _short_forms(found: Sequence[_Found], defined: Sequence[Abbreviation]) -> list[_Found]:
    """The short forms in the brackets that define them, where the long form was found."""
    meant = {f.span: f for f in found}
    return [
        _Found(pair.short_span, meant[pair.long_span].label, meant[pair.long_span].senses)
        for pair in defined
        if pair.long_span in meant
    ]
