"""What an annotated pool teaches the tagger: terms that its guideline does not mean, and terms the dictionary lacks."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from clinspan.dictionary.normalise import tokenise
from clinspan.dictionary.terms import TermList, term_key
from clinspan.document import Document, Entity, Span


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
        pool: documents with their gold entities.
        tagged: for each document what the tagger finds in it without a decision.
        threshold: see `Decision`.
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
