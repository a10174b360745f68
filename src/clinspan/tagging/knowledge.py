"""What the dictionary says about one document: entities it would tag, and concepts for what is found."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from clinspan.dictionary import facts, tag
from clinspan.dictionary.facts import FactsMode, looked_up, read_candidates
from clinspan.dictionary.link import LabelTypes, Linker, LinkSettings
from clinspan.dictionary.match import Match
from clinspan.dictionary.store import Dictionary
from clinspan.dictionary.written import Written
from clinspan.document import Document, Entity, Span
from clinspan.errors import LLMError
from clinspan.labels import LabelSet
from clinspan.messages import Candidate, Completion, FinishReason, Message, Place, Request
from clinspan.prompt import template
from clinspan.tagging.settings import FactSettings
from clinspan.text.windows import CountTokens


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Made once for each document; spans are the document's, in text order.

    Attributes:
        matches: every term of the dictionary in the text, of any type.
        proposals: the entities that the dictionary alone would tag, abbreviations defined in the text included.
        written: the text as the dictionary reads it; None where nothing is known.
        terms: every term of any type, though it overlaps another; only where they are asked for.
    """

    matches: tuple[Match, ...] = ()
    proposals: tuple[Entity, ...] = ()
    written: Written | None = None
    terms: tuple[Match, ...] = ()

    def matches_in(self, window: Span) -> list[Match]:
        """The dictionary's terms that stand within a window."""
        return [match for match in _starting_in(self.matches, window) if window.contains(match.span)]

    def proposals_in(self, core: Span) -> Sequence[Entity]:
        """The proposals that begin within a span."""
        return _starting_in(self.proposals, core)

    def proposals_within(self, window: Span) -> list[Entity]:
        """The proposals that stand whole within a window."""
        return [entity for entity in self.proposals_in(window) if window.contains(entity.span)]

    def candidates(self, window: Span) -> tuple[Candidate, ...]:
        """The proposals that lie within a window, in its offsets."""
        labels: dict[Span, list[str]] = {}
        for entity in self.proposals_within(window):
            names = labels.setdefault(entity.span.shift(-window.start), [])
            if entity.label not in names:
                names.append(entity.label)
        return tuple(Candidate(span, tuple(labels[span])) for span in sorted(labels))


class _Placed(Protocol):
    @property
    def span(self) -> Span: ...


_P = TypeVar("_P", bound=_Placed)


def _starting_in(found: Sequence[_P], place: Span) -> Sequence[_P]:
    """Those of `found`, which is in text order, that begin within a span; quick however long the document is."""
    first = bisect_left(found, place.start, key=_start)
    return found[first : bisect_left(found, place.end, lo=first, key=_start)]


def _start(placed: _Placed) -> int:
    return placed.span.start


class Lookup:
    """A dictionary as one label set sees it.

    Args:
        dictionary: None for none: then the label set's own terms are all that is proposed.
        labels: whose semantic types and terms say what is proposed.
        pool: annotated documents, from which it is learned which terms their guideline means.
        links: which concepts are reported.
    """

    def __init__(
        self,
        dictionary: Dictionary | None,
        labels: LabelSet,
        *,
        pool: Sequence[Document] = (),
        links: LinkSettings | None = None,
    ):
        # As the labels see it, so that a text is scanned once for all that is asked.
        self._dictionary = LabelTypes(labels).seen(dictionary) if dictionary is not None else None
        self._labels = labels
        tagger = tag.Tagger(dictionary, labels, links=links)
        self._tagger = tagger.learned(pool) if pool else tagger
        self._linker = Linker(dictionary, labels, links) if dictionary is not None else None

    def knowledge(self, text: str, *, matches: bool, terms: bool = False) -> Knowledge:
        """Looks a whole document up; `matches` says whether facts will be wanted, `terms` whether all terms will."""
        if self._tagger.knows_nothing:
            return Knowledge()
        written = Written.of(text)
        scanned = self._dictionary.scan(written) if matches and self._dictionary is not None else ()
        within = self._dictionary.scan(written, overlapping=True) if terms and self._dictionary is not None else ()
        return Knowledge(scanned, self._tagger.tag(written), written, within)

    def facts(
        self, matches: Iterable[Match], proposals: Iterable[Entity], settings: FactSettings, count: CountTokens
    ) -> tuple[str, ...]:
        """One line for each term of a window that is worth telling, within the budget."""
        if settings.mode is FactsMode.LABELS:
            return facts.labelled(proposals, settings.budget, count)
        told = self._dictionary.type_definitions if self._dictionary is not None else {}
        return facts.rank(matches, self._labels, settings.budget, settings.mode, count, type_definitions=told)

    def linked(self, document: Document, known: Knowledge) -> Document:
        """The document with concepts at every entity that the dictionary knows; `known` is what was looked up in it."""
        return self._linker.link(document, known.written) if self._linker is not None else document


_LIST_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a list gave: the terms that the dictionary knows; `fault` says why there is no list."""

    matches: tuple[Match, ...] = ()
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Proposer:
    """Asks for lists of candidates and looks up what they hold.

    Attributes:
        labels: what the candidates may be.
        dictionary: where they are looked up.
    """

    labels: LabelSet
    dictionary: Dictionary

    def request(self, text: str, about: Place | None = None) -> Request:
        """Asks for the list of candidates in a window."""
        asked = template("propose").render(labels=self.labels.labels, text=text)
        return Request((Message("user", asked),), _LIST_TOKENS, about=about)

    def read(self, answer: Completion | LLMError) -> Proposed:
        """Looks up what the answer lists. Never raises: what goes wrong is said in `fault`."""
        if isinstance(answer, LLMError):
            return Proposed(fault=f"the list of candidates was not read: {answer}")
        listed = read_candidates(answer.text)
        fault = None
        if listed.failed:
            fault = "the list of candidates was not read: it is not a list"
        elif answer.finish is FinishReason.LENGTH:
            fault = f"the list of candidates was not read to its end: cut off after {answer.completion_tokens} tokens"
        elif answer.finish is FinishReason.REFUSAL:
            fault = "the list of candidates was not read: the model declined to answer"
        return Proposed(looked_up(LabelTypes(self.labels).seen(self.dictionary), listed.terms), fault)
