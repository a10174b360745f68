"""Linking: the concepts that an entity may stand for, best first; none where the dictionary does not know it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from clinspan.dictionary.match import SYNONYM, WEIGHT, How, LinkReason, Sense, TermMatch, probability, reason_of
from clinspan.dictionary.normalise import drug_caused, gene_names, is_acronym, normal_form, parts, rewordings
from clinspan.dictionary.senses import KINDS, Meaning, short_forms
from clinspan.dictionary.store import Dictionary
from clinspan.dictionary.written import Written
from clinspan.document import Concept, Document, Span
from clinspan.errors import ConfigError, did_you_mean
from clinspan.labels import LabelSet

_GENE = "Gene or Genome"
_GENE_SOURCES = frozenset({"HGNC"})
"""Vocabularies of names so short and so many (CAT, MET, REST, SHH) that they are read where a label asks for genes."""
_CARE = frozenset(
    {"Laboratory Procedure", "Diagnostic Procedure", "Therapeutic or Preventive Procedure", "Medical Device"}
)
_CARE_SOURCES = frozenset({"CARE", "ICD10PCS"})
"""Vocabularies of what is done for patients: words so common (port, film, exam) name entities, but find none."""
_DRUG = "Pharmacologic Substance"
_CLASSIFICATIONS = frozenset({"ICD10CM"})
"""Vocabularies whose concepts are classes to count under, by cause as well: others do not tell these apart."""
_KNOWN_KINDS = frozenset[str]().union(*KINDS.values())
_DETERMINER = re.compile(r"(?:an?|the|his|her|my|your|their|our|this|any|some)\s+", re.IGNORECASE)
_EVEN = 0.5
"""A first concept that is wrong more often than right is none."""
_AMBIGUOUS = 0.1
"""Senses whose scores are nearer than this are equally likely; a label's sense then wins over one without label."""


class LabelTypes:
    """The semantic types of a label set, each with the first label that names it."""

    def __init__(self, labels: LabelSet):
        self._labels: dict[str, str] = {}
        self._types = {label.name: label.semantic_types for label in labels.labels}
        for label in labels.labels:
            for name in label.semantic_types:
                self._labels.setdefault(name, label.name)
        self._known: dict[tuple[str, ...], str | None] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that name any type."""
        return tuple(dict.fromkeys(self._labels.values()))

    def seen(self, dictionary: Dictionary) -> Dictionary:
        """A dictionary as these labels look for entities in it: without genes, unless a label names their type."""
        return dictionary.without(self._unasked | _CARE_SOURCES)

    def named(self, dictionary: Dictionary, label: str) -> Dictionary:
        """A dictionary as names of a label's entities are looked up in it."""
        cares = not _CARE.isdisjoint(self.types_of(label))
        return dictionary.without(self._unasked) if cares else self.seen(dictionary)

    @property
    def _unasked(self) -> frozenset[str]:
        return frozenset() if _GENE in self._labels else _GENE_SOURCES

    def types_of(self, label: str) -> tuple[str, ...]:
        """The semantic types of a label; none where the set lacks it."""
        return self._types.get(label, ())

    def label_of(self, sense: Sense) -> str | None:
        """The label of a sense; None where its types are of none."""
        types = sense.types
        # A dictionary has many senses and few sets of types.
        if types not in self._known:
            self._known[types] = next((self._labels[name] for name in types if name in self._labels), None)
        return self._known[types]

    def decide(self, senses: Sequence[Sense]) -> str | None:
        """The label of a term with these senses, best first; None when its likely senses have none."""
        for sense in senses:
            if sense.score < senses[0].score - _AMBIGUOUS:
                return None
            label = self.label_of(sense)
            if label is not None:
                return label
        return None

    def senses(self, senses: Sequence[Sense], label: str) -> tuple[Sense, ...]:
        """The senses that are of `label`, in the same order."""
        return tuple(sense for sense in senses if self.label_of(sense) == label)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Which concepts are reported.

    Attributes:
        codes: vocabularies by name, the one that is wanted most first, parted by commas; empty for all.
        precision: concepts that are right with a lower probability, or with none that is known, are left out.
    """

    codes: str = ""
    precision: float | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The vocabularies in small letters."""
        return tuple(dict.fromkeys(code.strip().casefold() for code in self.codes.split(",") if code.strip()))


@dataclass(frozen=True, slots=True)
class Meant:
    """What an entity's words may mean.

    Attributes:
        share: how far the meaning that was chosen goes before the other meanings of a short form.
        rival: whether a concept of another meaning agrees as closely as the first.
        told: why its senses were taken, where that is not how a sense's words agree.
    """

    senses: tuple[Sense, ...]
    how: How
    share: float = 1.0
    rival: bool = False
    told: LinkReason | None = None

    def reason(self, sense: Sense) -> LinkReason:
        """Why one of its senses was taken."""
        return self.told or reason_of(sense)


class Linker:
    """Links entities to a dictionary's concepts by what stands around them; none where no concept fits.

    Raises:
        ConfigError: when the settings name a vocabulary that the dictionary lacks.
    """

    def __init__(self, dictionary: Dictionary, labels: LabelSet, settings: LinkSettings | None = None):
        self._types = LabelTypes(labels)
        self._dictionary = self._types.seen(dictionary)
        self._named = {label.name: self._types.named(dictionary, label.name) for label in labels.labels}
        self._settings = settings or LinkSettings()
        known = {name.casefold(): name for name in dictionary.info.crosswalks}
        known |= {source.name.casefold(): source.name for source in dictionary.info.sources}
        for code in self._settings.wanted:
            if code not in known:
                fix = did_you_mean(code, known)
                expected = f"some of {', '.join(known.values())}"
                raise ConfigError(f"the dictionary has no codes {code!r}", where="--codes", expected=expected, fix=fix)

    def link(self, document: Document, written: Written | None = None) -> Document:
        """The document with the concepts of each entity that has none yet.

        Args:
            written: the document's text, where the dictionary was asked about it before: it is not scanned again.
        """
        if all(entity.concepts for entity in document.entities):
            return document
        written = written or Written.of(document.text)
        scanned = self._dictionary.scan(written, fuzzy=False, overlapping=True)
        matches = {match.span: match.senses for match in scanned}
        entities = tuple(
            entity
            if entity.concepts
            else replace(entity, concepts=self.concepts(written, entity.span, entity.label, matches.get(entity.span)))
            for entity in document.entities
        )
        return replace(document, entities=entities)

    def concepts(
        self, written: Written, place: Span, label: str, senses: Sequence[Sense] | None
    ) -> tuple[Concept, ...]:
        """The concepts that what stands at `place` may mean, best first; the first has a score where one is known.

        Args:
            senses: what the dictionary found there; None to look the words up.
        """
        return self._made(self.reading(written, place, label, senses), label)

    def reading(self, written: Written, place: Span, label: str, senses: Sequence[Sense] | None) -> Meant:
        """How what stands at `place` is read: the senses that may be meant, those of the label first."""
        place = _bare(written.text, place)
        said = place.of(written.text)
        names = self._names(label)
        long = written.long_form(said)
        if long is not None:
            return self._caused(
                written, long, label, self._known(names.find(long, fuzzy=False), long, label, How.DEFINED)
            )
        chosen = short_forms().choose(written.text, place, self._types.types_of(label))
        if chosen is not None:
            meant = self.named(chosen.meaning, label)
            return self._read(meant, chosen.meaning.name, label, How.LISTED, chosen.share)
        if _GENE in self._types.types_of(label):
            return self._gene(said, label)
        found = names.find(said) if senses is None or names is not self._dictionary else senses
        if is_acronym(said):
            # A short form says too little to go against the label.
            fit = [sense for sense in found if self._types.label_of(sense) in (None, label)]
            return self._read(fit, said, label, How.UNDEFINED)
        return self._caused(written, said, label, self._known(found, said, label, How.NAMED))

    def named(self, meaning: Meaning, label: str) -> tuple[Sense, ...]:
        """What a meaning of a short form names, as entities of a label are looked up: nothing of another kind."""
        kind = KINDS.get(meaning.kind)
        if kind is None:
            return ()
        others = _KNOWN_KINDS - kind
        senses = self._names(label).find(meaning.name, fuzzy=False)
        return tuple(sense for sense in senses if not kind.isdisjoint(sense.types) or others.isdisjoint(sense.types))

    def _names(self, label: str) -> Dictionary:
        return self._named.get(label, self._dictionary)

    def _known(self, senses: Sequence[Sense], name: str, label: str, how: How) -> Meant:
        return self._read(senses, name, label, how) if senses else self._reworded(name, label, how)

    def _caused(self, written: Written, name: str, label: str, general: Meant) -> Meant:
        """What a drug caused, where the text says so of these words and vocabularies have it; else what was read."""
        named = self._of_label(f"drug-induced {name}", label)
        specific = tuple(
            sense for sense in named if sense.source not in _CLASSIFICATIONS and self._dictionary.equivalents(sense)
        )
        if specific and drug_caused(written.tokens.forms, normal_form(name).split(), self._is_drug):
            return Meant((*specific, *general.senses), general.how, told=LinkReason.CAUSED)
        return general

    def _is_drug(self, name: str) -> bool:
        match = self._dictionary.match(name, fuzzy=False, reorder=False)
        return match is not None and any(_DRUG in sense.types for sense in match.senses)

    def _reworded(self, name: str, label: str, how: How) -> Meant:
        """What the dictionary has in other words or as several names; of the label alone, since these are guesses."""
        named = [self._of_label(part, label) for part in parts(name, lambda part: bool(self._of_label(part, label)))]
        if named:
            return Meant(tuple(dict.fromkeys(senses[0] for senses in named)), how, told=LinkReason.PART)
        for other in rewordings(name):
            senses = self._of_label(other, label)
            if senses:
                return replace(self._read(senses, other, label, how), told=LinkReason.REWORDED)
        return Meant((), how)

    def _gene(self, said: str, label: str) -> Meant:
        """A gene by its symbol or name, of the label alone: a drug or a disease of these letters is none."""
        for name in gene_names(said):
            match = self._names(label).match(name, fuzzy=False)
            senses = self._types.senses(match.senses, label) if match else ()
            if senses:
                read = self._read(senses, name, label, How.NAMED)
                return read if name == said else replace(read, told=LinkReason.REWORDED)
        return Meant((), How.NAMED)

    def _of_label(self, name: str, label: str) -> tuple[Sense, ...]:
        match = self._names(label).match(name, fuzzy=False, reorder=False)
        return self._types.senses(match.senses, label) if match else ()

    def _read(self, senses: Iterable[Sense], words: str, label: str, how: How, share: float = 1.0) -> Meant:
        ordered = tuple(sorted(senses, key=lambda sense: (not self._fits(sense, label), -_closeness(sense, words))))
        if not ordered:
            return Meant((), how, share)
        closest = _closeness(ordered[0], words)
        others = [sense.concept for sense in ordered[1:] if _closeness(sense, words) >= closest]
        rival = bool(others) and not {one.id for one in self._dictionary.equivalents(ordered[0])}.issuperset(others)
        return Meant(ordered, how, share, rival)

    def _fits(self, sense: Sense, label: str) -> bool:
        """Whether a sense is of the label, by its own types or an equivalent's: HPO has diseases as findings.

        What is of another label by its own types is not: the test "iron" measures the substance, and is none.
        """
        own = self._types.label_of(sense)
        if own is not None:
            return own == label
        types = self._types.types_of(label)
        return any(kind in types for same in self._dictionary.equivalents(sense) for kind in same.types)

    def _made(self, reading: Meant, label: str) -> tuple[Concept, ...]:
        if not reading.senses:
            return ()
        best = reading.senses[0]
        score = None
        if self._fits(best, label) or reading.how is How.LISTED:
            score = probability(reading.how, reading.reason(best), best.source, rival=reading.rival)
            if score is not None and score < _EVEN:
                return ()
            score = None if score is None else round(score * reading.share, 3)
        if self._settings.precision is not None and (score is None or score < self._settings.precision):
            return ()
        scores = (score, *(None for _ in reading.senses[1:]))
        made = [self._concept(reading, sense, one) for sense, one in zip(reading.senses, scores, strict=True)]
        return tuple(made if not self._settings.wanted else self._coded(reading.senses, made))

    def _concept(self, reading: Meant, sense: Sense, score: float | None) -> Concept:
        reason = reading.reason(sense) if reading.how is How.NAMED else LinkReason.SHORT_FORM
        same = tuple(concept.id for concept in self._dictionary.equivalents(sense))
        return Concept(sense.concept, sense.name, sense.source, sense.types, score, reason, same)

    def _coded(self, senses: Sequence[Sense], made: Sequence[Concept]) -> Iterator[Concept]:
        """The concepts of the vocabularies that are wanted, and the equivalents that they have for the others."""
        given: set[str] = set()
        for sense, concept in zip(senses, made, strict=True):
            pool = (concept, *self._dictionary.equivalents(sense))
            ids = [one.id for one in pool]
            for code in self._settings.wanted:
                for one in pool:
                    if code in (one.source.casefold(), one.id.partition(":")[0].casefold()) and one.id not in given:
                        given.add(one.id)
                        same = tuple(id for id in ids if id != one.id)
                        yield replace(one, score=concept.score, reason=concept.reason, equivalents=same)


def _bare(text: str, place: Span) -> Span:
    """A place without the article or possessive that it begins with: no name of a vocabulary has one."""
    found = _DETERMINER.match(text, place.start, place.end)
    return Span(found.end(), place.end) if found and found.end() < place.end else place


def _closeness(sense: Sense, words: str) -> float:
    """A sense's score, as if it were exact where case alone differs: each vocabulary has capitals of its own.

    Some show the plural ("Infections"): there the singular, which they have as a synonym, is the name as well.
    """
    alike = sense.match is TermMatch.NORMALISED and sense.term.casefold() == words.casefold()
    score = sense.score / WEIGHT[TermMatch.NORMALISED] if alike else sense.score
    return WEIGHT[TermMatch.EXACT] if sense.shown and score >= SYNONYM * WEIGHT[TermMatch.EXACT] else score
