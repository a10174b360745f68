"""What an adapter is worth on held-out documents: strict scores by the real decoder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from clinspan.document import Document, Entity, Span
from clinspan.errors import LLMError
from clinspan.evaluation.score import Score, intervals, score
from clinspan.formats.named import asked_of
from clinspan.formats.tanl import Tanl
from clinspan.llms.base import LLM
from clinspan.llms.embedded import EmbeddedLLM, EmbeddedSettings
from clinspan.messages import CopyConstraint, Request
from clinspan.prompt import build
from clinspan.text.windows import WindowSettings, windows
from clinspan.tuning.corpora import Gold
from clinspan.tuning.epochs import FactsOf, prompt

SENTENCES = WindowSettings(max_tokens=128, max_sentences=1, overlap_sentences=0)
"""One sentence a window, each asked about once."""


@dataclass(frozen=True, slots=True)
class Held:
    """Held-out documents to be scored on, how they are cut, and the facts that the model is told; None for none.

    Attributes:
        attributes: whether the model is asked for them; they are not scored.
    """

    gold: Gold
    windows: WindowSettings = SENTENCES
    facts: FactsOf | None = None
    attributes: bool = False


def tag(llm: LLM, held: Held) -> list[Document]:
    """The documents with what the LLM finds in them by constrained decoding, without calibration.

    Raises:
        LLMError: when a request fails.
    """
    form = Tanl()
    settings = prompt(attributes=held.attributes)
    asked = settings.asked(replace(held.gold.labels, examples=()))
    found: list[Document] = []
    for doc in held.gold.documents:
        places = windows(doc.text, held.windows, count=llm.count_tokens)
        texts = [window.span.of(doc.text) for window in places]
        requests = [
            Request(
                build(t, labels=asked, form=form, facts=_told(held, doc, window.span), settings=settings),
                constraint=CopyConstraint(t, asked.names, attributes=asked_of(asked)),
            )
            for window, t in zip(places, texts, strict=True)
        ]
        entities: dict[Entity, None] = {}
        for window, text, answer in zip(places, texts, llm.complete(requests), strict=True):
            if isinstance(answer, LLMError):
                raise answer
            for mention in form.parse(answer.text, asked).mentions:
                at = mention.position
                if at is not None and window.core.start <= at.start + window.span.start < window.core.end:
                    entities[Entity(at.shift(window.span.start), mention.label, at.of(text))] = None
        found.append(replace(doc, entities=tuple(entities)))
    return found


def _told(held: Held, document: Document, window: Span) -> Sequence[str]:
    return held.facts(document, window, held.gold.labels) if held.facts is not None else ()


def strict_score(base: Path, adapter: Path, held: Held, *, threads: int | None = None) -> Score:
    """The strict score of an adapter on held-out documents.

    Args:
        base: the GGUF file the adapter was trained on.
        held: the documents, their labels and how they are cut.
    """
    with EmbeddedLLM(base, EmbeddedSettings(adapter=adapter, threads=threads)) as llm:
        mine = tag(llm, held)
    return score(held.gold.documents, mine, labels=held.gold.labels.names)


def report(found: Score) -> dict[str, Any]:
    """A score as the card shows it: micro and by label, each with its 95 % interval, and its signature."""
    micro, by_label = intervals(found)
    rows = {"all": (found.micro, micro), **{name: (found.by_label[name], by_label[name]) for name in found.labels}}
    return {
        "signature": found.signature,
        "strict": {
            name: {
                **{key: round(value, 4) for key, value in asdict(figures).items()},
                "f1_interval": [round(between.f1.low, 4), round(between.f1.high, 4)],
            }
            for name, (figures, between) in rows.items()
        },
    }
