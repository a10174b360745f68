"""A dictionary as its users see it: opened from a folder, shared by processes, asked for terms.

A prefix search in a trie finds all terms that start at a token, whatever the dictionary's size; a word that the
dictionary does not have is tried with its likely spellings, and "x of y" as "y x".
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, permutations
from pathlib import Path
from weakref import WeakKeyDictionary

from clinspan.dictionary import layout
from clinspan.dictionary.layout import Index, Info, code_of, read_manifest
from clinspan.dictionary.match import Match, Sense, Speller, TermMatch, longest_apart, senses_of
from clinspan.dictionary.normalise import is_acronym, normal_form
from clinspan.dictionary.written import Written
from clinspan.document import Concept, Span
from clinspan.errors import DictionaryError

_CACHE_SIZE = 1 << 14
_PERMUTED = 6
"""Words of the longest term whose orders are all tried: 720 lookups."""
_AROUND_OF = (3, 4)
"""Words left and right of "of" that may belong to one term."""
_BEFORE_MISSPELT = 4
_ALONE_FROM = 7
"""Letters that a misspelt word needs to be a term alone."""


@dataclass(frozen=True, slots=True)
class _Hit:
    start: int
    end: int
    key: int
    kind: TermMatch


class Dictionary:
    """A read-only dictionary; pickles as its path, and is mapped into each process. It keeps what it looked up."""

    def __init__(self, index: Index, hidden: frozenset[str] = frozenset()):
        self._index = index
        self._hidden = hidden
        self._without: dict[frozenset[str], Dictionary] = {hidden: self}
        self._speller = Speller(index)
        self._senses: dict[tuple[int, str, TermMatch], tuple[Sense, ...]] = {}
        self._first: dict[str, bool] = {}
        self._same: dict[int, tuple[Concept, ...]] = {}
        self._kept: WeakKeyDictionary[Written, dict[bool | None, dict[Span, Match]]] = WeakKeyDictionary()

    @classmethod
    def open(cls, path: str | Path) -> "Dictionary":
        """Opens the dictionary in folder `path`.

        Raises:
            DictionaryError: when there is none, a part of one, or one of another version.
        """
        path = Path(path)
        folder = read_manifest(path)["folder"]
        try:
            return cls(Index(path))
        except (DictionaryError, FileNotFoundError):
            if read_manifest(path)["folder"] == folder:
                raise
            return cls(Index(path))  # a build replaced it between the manifest and the files

    def __reduce__(self) -> tuple[object, ...]:
        return (_reopened, (self.path, self._hidden))

    def without(self, sources: Iterable[str]) -> "Dictionary":
        """The same dictionary as if it lacked the vocabularies `sources`, by their short names.

        Asked again, it gives the same object, so that what was found in a text is kept.
        """
        hidden = frozenset(sources).intersection(self._index.source_names)
        if hidden not in self._without:
            self._without[hidden] = Dictionary(self._index, hidden)
        return self._without[hidden]

    @property
    def path(self) -> Path:
        """The folder it was opened from."""
        return self._index.path

    @property
    def info(self) -> Info:
        """Counts, sources, licences and age; the counts are those of all that is in its folder."""
        info = self._index.info
        shown = tuple(source for source in info.sources if source.name not in self._hidden)
        return replace(info, sources=shown) if self._hidden else info

    @property
    def type_definitions(self) -> Mapping[str, str]:
        """Definitions of semantic types by name, where a source had them (UMLS's SRDEF)."""
        return self._index.type_definitions

    def scan(self, text: str | Written, *, fuzzy: bool = True, overlapping: bool = False) -> tuple[Match, ...]:
        """The terms that stand in `text`, in text order, each with all its senses ranked.

        Abbreviations that the text defines are found wherever they stand, as what they are short for.

        Args:
            fuzzy: whether words that the dictionary does not have may be misspelt.
            overlapping: all matches; else, of those that overlap, the longest (in code points, then the first).
        """
        matches = self._everywhere(Written.of(text) if isinstance(text, str) else text, fuzzy).values()
        return tuple(sorted(matches, key=lambda match: match.span) if overlapping else longest_apart(matches))

    def find(self, term: str, *, fuzzy: bool = True) -> tuple[Sense, ...]:
        """The senses of `term` taken as a whole, best first; empty when the dictionary has none."""
        match = self.match(term, fuzzy=fuzzy)
        return match.senses if match else ()

    def match(self, term: str, *, fuzzy: bool = True, reorder: bool = True) -> Match | None:
        """As `find`, with the kind of agreement; the span is that of the whole string.

        It is tried as it stands, else in another order of words, else respelt.

        Args:
            fuzzy: whether its words may be misspelt.
            reorder: whether its words may stand in another order.
        """
        form = normal_form(term)
        if not form:
            return None
        for kind, tried in self._attempts(form, fuzzy, reorder):
            key = self._index.keys.get(tried[: layout.LONGEST_KEY] + " ")
            senses = self._look_up(key, term, kind) if key is not None else ()
            if senses:
                return Match(Span(0, len(term)), term, _kind(senses, kind, term), senses)
        return None

    def equivalents(self, sense: Sense) -> tuple[Concept, ...]:
        """What other vocabularies call the same: at most one concept of each, those that a source states first.

        What no source states, names decide: a concept of another vocabulary is the same where its name is a name of
        this one, or this one's name is one of its names, or two names of both agree, and no second concept of that
        vocabulary fits as well.
        """
        known = self._same.get(sense.number)
        if known is None:
            if len(self._same) >= _CACHE_SIZE:
                self._same.clear()
            known = self._same[sense.number] = tuple(self._equivalents(sense.number)) if sense.number >= 0 else ()
        return known

    def _equivalents(self, concept: int) -> Iterator[Concept]:
        index = self._index
        have = {_vocabulary(index.concept_ids[concept])}
        for same in chain(self._stated(concept, have), self._named_alike(concept, have)):
            if _vocabulary(same.id) not in have:
                have.add(_vocabulary(same.id))
                yield same

    def _stated(self, concept: int, have: Container[str]) -> Iterator[Concept]:
        """By its own source, by another vocabulary's source, or by both as the same concept of UMLS.

        Args:
            have: vocabularies that are left out, asked anew each time.
        """
        index = self._index
        stated = index.stated(concept)
        yield from (self._known_as(code, concept) for code in stated if _vocabulary(code) not in have)
        own = code_of(index.concept_ids[concept])
        shared = [code for code in stated if code.startswith("UMLS:")]
        for code in (own, *shared):
            # Where two concepts of one vocabulary say that they are the same, it is not known which is.
            others = [(other, _vocabulary(index.concept_ids[other])) for other in index.coded(code.casefold())]
            counted = Counter(vocabulary for other, vocabulary in others if other != concept)
            for other, vocabulary in others:
                if other != concept and counted[vocabulary] == 1:
                    if vocabulary not in have:
                        yield self._concept(other)
                    further = (one for one in index.stated(other) if _vocabulary(one) not in have)
                    yield from (self._known_as(one, other) for one in further)

    def _known_as(self, code: str, concept: int) -> Concept:
        """The concept with an id, called as `concept` is where the dictionary does not have it."""
        index = self._index
        owners = [one for one in index.coded(code.casefold()) if code_of(index.concept_ids[one]) == code.casefold()]
        if owners:
            return self._concept(owners[0])
        called = index.names[index.concept_names[concept]]
        return Concept(code, called, code.partition(":")[0], index.types(concept))

    def _concept(self, concept: int) -> Concept:
        index = self._index
        shown = index.concept_names[concept]
        source = index.source_names[index.name_sources[shown]]
        return Concept(index.concept_ids[concept], index.names[shown], source, index.types(concept))

    def _named_alike(self, concept: int, have: Container[str]) -> Iterator[Concept]:
        index = self._index
        shown = index.concept_names[concept]
        own = index.name_sources[shown]
        votes: dict[int, dict[int, tuple[int, int]]] = {}
        agreed: set[tuple[int, int | None]] = set()
        for name in index.names_of(concept):
            text = index.names[name]
            key = None if is_acronym(text) else index.keys.get(normal_form(text)[: layout.LONGEST_KEY] + " ")
            for other in index.having(key) if key is not None else ():
                there = index.name_concepts[other]
                source = own if there == concept else index.name_sources[other]
                if source != own and index.source_names[source] not in self._hidden:
                    strong = (name == shown) + bool(index.name_flags[other] & layout.PREFERRED)
                    before = votes.setdefault(source, {}).get(there, (0, 0))
                    # Names that differ in case alone agree once.
                    again = (there, key) in agreed
                    agreed.add((there, key))
                    votes[source][there] = (max(before[0], strong), before[1] + (not again))
        for source in sorted(votes, key=index.source_ranks.__getitem__):
            (there, best), *others = sorted(votes[source].items(), key=lambda vote: vote[1], reverse=True)
            if (best[0] or best[1] > 1) and not (others and others[0][1] == best):
                yield self._concept(there)
                yield from self._stated(there, have)

    def _everywhere(self, written: Written, fuzzy: bool) -> dict[Span, Match]:
        """All matches by their places; kept with the text, since proposals, facts and links ask about the same one."""
        kept = self._kept.setdefault(written, {})
        if fuzzy in kept:
            return kept[fuzzy]
        # What needs no respelling is found once for both questions.
        if None not in kept:
            kept[None] = self._found(written, self._as_it_stands(written.tokens.forms))
        found = kept[fuzzy] = dict(kept[None])
        if fuzzy:
            for span, match in self._found(written, self._misspelt(written.tokens.forms)).items():
                found.setdefault(span, match)
        for pair in written.defined:
            named = found.get(pair.long_span)
            if named is None:
                ends = (
                    m for m in found.values() if m.span.end == pair.long_span.end and pair.long_span.contains(m.span)
                )
                named = max(ends, key=lambda match: len(match.span), default=None)
            if named is not None:
                found[pair.short_span] = Match(pair.short_span, pair.short, TermMatch.ABBREVIATION, named.senses)
        return found

    def _found(self, written: Written, hits: Iterable[_Hit]) -> dict[Span, Match]:
        found: dict[Span, Match] = {}
        for hit in hits:
            place = written.place(hit.start, hit.end)
            if place is None:
                continue
            surface = written.surface(hit.start, hit.end)
            senses = self._look_up(hit.key, surface, hit.kind)
            if senses:
                span, short = place
                kind = TermMatch.ABBREVIATION if short else _kind(senses, hit.kind, surface)
                # Of two matches of one place the one that was met first agrees most closely: a short form's longest.
                found.setdefault(span, Match(span, span.of(written.text), kind, senses))
        return found

    def _attempts(self, form: str, fuzzy: bool, reorder: bool) -> Iterator[tuple[TermMatch, str]]:
        yield TermMatch.NORMALISED, form
        words = [word for word in form.split() if word.isalnum() and word not in ("of", "the")]
        if reorder and 1 < len(words) <= _PERMUTED:
            for order in permutations(words):
                yield TermMatch.REORDERED, " ".join(order)
        if fuzzy:
            split = form.split()
            for at, word in enumerate(split):
                for other in self._speller.corrections(word):
                    yield TermMatch.FUZZY, " ".join([*split[:at], other, *split[at + 1 :]])

    def _look_up(self, key: int, surface: str, kind: TermMatch) -> tuple[Sense, ...]:
        wanted = (key, surface, kind)
        senses = self._senses.get(wanted)
        if senses is None:
            if len(self._senses) >= _CACHE_SIZE:
                self._senses.clear()
            found = senses_of(self._index, key, surface, kind)
            senses = self._senses[wanted] = tuple(sense for sense in found if sense.source not in self._hidden)
        return senses

    def _as_it_stands(self, forms: Sequence[str]) -> Iterator[_Hit]:
        for at, end, key in self._walk(forms, range(len(forms))):
            yield _Hit(at, end, key, TermMatch.NORMALISED)
        for at, form in enumerate(forms):
            if form == "of":
                yield from self._turned(forms, at)

    def _misspelt(self, forms: Sequence[str]) -> Iterator[_Hit]:
        for at, form in enumerate(forms):
            if len(form) >= layout.MISSPELT_FROM:
                for other in self._speller.corrections(form):
                    yield from self._respelt(forms, at, other)

    def _walk(self, forms: Sequence[str], starts: range) -> list[tuple[int, int, int]]:
        """(first token, one past the last, key) of each key that starts at one of `starts`."""
        line = " ".join(forms) + " "
        search = self._index.keys.iter_prefixes_with_ids
        reach = layout.LONGEST_KEY + 1
        place = sum(map(len, forms[: starts.start])) + starts.start
        found = []
        for at in starts:
            form = forms[at]
            if self._begins(form):
                for prefix, key in search(line[place : place + reach]):
                    found.append((at, at + prefix.count(" "), key))
            place += len(form) + 1
        return found

    def _begins(self, form: str) -> bool:
        """Whether any term begins with this token; most of a text's do not, and telling so by search takes longer."""
        known = self._first.get(form)
        if known is None:
            if len(self._first) >= _CACHE_SIZE:
                self._first.clear()
            known = self._first[form] = next(self._index.keys.iterkeys(form + " "), None) is not None
        return known

    def _turned(self, forms: Sequence[str], at: int) -> Iterator[_Hit]:
        left, right = _AROUND_OF
        after = at + 2 if forms[at + 1 : at + 2] in (["the"], ["a"], ["an"]) else at + 1
        for end in range(after + 1, min(len(forms), after + right) + 1):
            for start in range(max(0, at - left), at):
                key = self._index.keys.get(" ".join([*forms[after:end], *forms[start:at]]) + " ")
                if key is not None:
                    yield _Hit(start, end, key, TermMatch.REORDERED)

    def _respelt(self, forms: Sequence[str], at: int, other: str) -> Iterator[_Hit]:
        first = max(0, at - _BEFORE_MISSPELT)
        changed = [*forms[first:at], other, *forms[at + 1 : at + 12]]
        for start, end, key in self._walk(changed, range(at - first + 1)):
            if end > at - first and (end - start > 1 or len(other) >= _ALONE_FROM):
                yield _Hit(first + start, first + end, key, TermMatch.FUZZY)


def _reopened(path: Path, hidden: frozenset[str]) -> Dictionary:
    return Dictionary.open(path).without(hidden)


def _vocabulary(identifier: str) -> str:
    return code_of(identifier).partition(":")[0]


def _kind(senses: Sequence[Sense], kind: TermMatch, surface: str) -> TermMatch:
    if kind is TermMatch.NORMALISED and any(sense.term == surface for sense in senses):
        return TermMatch.EXACT
    return kind
