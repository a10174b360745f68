"""Where a fused model decides: what the sources say of a document becomes candidates, and the best of them entities."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Any, Protocol

from clinspan.dictionary.link import LabelTypes
from clinspan.dictionary.store import Dictionary
from clinspan.document import Entity
from clinspan.fusion.heard import Heard, Source, gathered
from clinspan.fusion.model import FusedModel, entity_of
from clinspan.fusion.reasons import reasons
from clinspan.labels import LabelSet
from clinspan.llms.base import LLM
from clinspan.tagging.evidence import WindowEvidence, merged
from clinspan.tagging.knowledge import Knowledge
from clinspan.text.placeholders import outside
from clinspan.text.windows import Window


def heard(read: Sequence[WindowEvidence], known: Knowledge, text: str) -> Heard:
    """What was heard of a document, with what the dictionary proposes in it."""
    llm = [window for window in read if window.source == "llm"]
    told: list[tuple[Source, Entity]] = [("llm", one.entity) for one in merged(llm)]
    for window in read:
        if window.source == "encoder":
            told += [("encoder", one.entity) for one in window.in_core()]
    told += [("dictionary", entity) for entity in known.proposals]
    asked = [window.core for window in llm if window.read]
    defined = known.written.defined if known.written is not None else ()
    return Heard(text, gathered(told, asked), known.terms, tuple(defined))


DOUBT = 0.1
"""Entities that are expected to be decided wrongly in a window, from which on an LLM is asked about it."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The entities of a document, by place, and why, where that is asked for; see `fusion.reasons`."""

    entities: tuple[Entity, ...]
    reasons: list[dict[str, Any]] | None = None


class Decides(Protocol):
    """What makes entities of all that was heard of a document."""

    def doubtful(self, found: Heard, windows: Sequence[Window], share: float) -> frozenset[int]:
        """The windows, by their index, in which an LLM may change what is decided."""
        ...

    def decide(self, found: Heard) -> Decided:
        """The entities, by place."""
        ...


@dataclass(frozen=True, slots=True)
class Fused:
    """A fused model at work.

    Attributes:
        labels: what is asked for.
        explain: whether reasons are kept.
    """

    model: FusedModel
    labels: LabelSet
    explain: bool = False

    def doubtful(self, found: Heard, windows: Sequence[Window], share: float) -> frozenset[int]:
        """The windows, by their index, in which an LLM may change what is decided: those with the most doubt.

        A candidate with the probability p is decided wrongly with the probability min(p, 1 - p); what an LLM can gain
        in a window is at most the sum of these over the candidates that begin in it.

        Args:
            found: before any LLM was asked.
            share: of the windows, rounded to whole ones: over many documents no more than the share is asked about.
        """
        doubts = dict.fromkeys((window.index for window in windows), 0.0)
        starts = [window.core.start for window in windows]
        for verdict in self.model.verdicts(found, self.labels):
            at = max(0, bisect_right(starts, verdict.candidate.span.start) - 1)
            doubts[windows[at].index] += min(verdict.probability, 1 - verdict.probability)
        most = floor(share * len(windows) + 0.5)
        likely = sorted((index for index, doubt in doubts.items() if doubt >= DOUBT), key=lambda index: -doubts[index])
        return frozenset(likely[:most])

    def decide(self, found: Heard) -> Decided:
        """The best set of candidates, with probabilities, and without placeholders of de-identified text."""
        verdicts = self.model.verdicts(found, self.labels, explain=self.explain)
        kept = (outside(entity_of(verdict), found.text) for verdict in verdicts if verdict.taken)
        entities = sorted((one for one in kept if one is not None), key=lambda e: (e.start, -e.end, e.label))
        return Decided(tuple(entities), reasons(self.model, found, verdicts) if self.explain else None)


@dataclass(slots=True)
class Listener:
    """Decides nothing, and keeps what was heard of each document."""

    heard: list[Heard] = field(default_factory=list)

    def doubtful(self, found: Heard, windows: Sequence[Window], share: float) -> frozenset[int]:
        """Every window: all is to be heard."""
        del found, share
        return frozenset(window.index for window in windows)

    def decide(self, found: Heard) -> Decided:
        """Nothing."""
        self.heard.append(found)
        return Decided(())


def sources_of(
    labels: LabelSet, llm: LLM | None, encoder: LLM | None, dictionary: Dictionary | None
) -> Mapping[Source, str]:
    """The sources of a tagger, each with its name and version; of a dictionary those that its labels look at."""
    sources: dict[Source, str] = {}
    if dictionary is not None:
        seen = LabelTypes(labels).seen(dictionary).info.sources
        sources["dictionary"] = ", ".join(f"{source.name} {source.version}" for source in seen)
    if encoder is not None:
        sources["encoder"] = encoder.name
    if llm is not None:
        sources["llm"] = llm.name
    return sources
