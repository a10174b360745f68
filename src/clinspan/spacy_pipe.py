"""The component for spaCy: `nlp.add_pipe("clinspan")`."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from clinspan.document import Document, Entity
from clinspan.errors import MissingExtra
from clinspan.settings import DEFAULT_LABELS
from clinspan.tagging.tagger import Tagger

try:
    from spacy.language import Language
    from spacy.tokens import Doc, Span
    from spacy.util import filter_spans
except ImportError as error:
    raise MissingExtra("spacy", "spacy", purpose="the component for spaCy") from error

GROUP = "clinspan"
"""The span group that has all entities, also those that overlap."""
_SAYS = {
    "is_negated": ("assertion", "absent"),
    "is_uncertain": ("assertion", "possible"),
    "is_hypothetical": ("assertion", "hypothetical"),
    "is_family": ("assertion", "associated-with-someone-else"),
    "is_historical": ("temporality", "past"),
}
"""What medspaCy calls the values of attributes."""


class Component:
    """Tags each doc: `doc.ents` gets the entities that do not overlap, the longest first, and the span group all.

    Where tokens do not end at an entity's ends, its span is widened to tokens; `span._.clinspan` is the entity as
    `Entity.to_dict` gives it, with its exact offsets. Entities of other components stay where they overlap none.

    Args:
        tagger: finds the entities.
    """

    def __init__(self, tagger: Tagger):
        self.tagger = tagger
        for name in _SAYS:
            if not Span.has_extension(name):
                Span.set_extension(name, default=False)
        if not Span.has_extension("clinspan"):
            Span.set_extension("clinspan", default=None)

    def __call__(self, doc: Doc) -> Doc:
        """The same doc with its entities."""
        return _set(doc, self.tagger.tag(doc.text))

    def pipe(self, stream: Iterable[Doc], **_: object) -> Iterator[Doc]:
        """Tags docs as `Tagger.tag_many` does, several at a time where the LLM has room; in order."""
        waiting: deque[Doc] = deque()

        def texts() -> Iterator[str]:
            for doc in stream:
                waiting.append(doc)
                yield doc.text

        for document in self.tagger.tag_many(texts()):
            yield _set(waiting.popleft(), document)


def make(  # spaCy passes the first two
    nlp: Language,  # noqa: ARG001
    name: str,  # noqa: ARG001
    llm: str,
    labels: str | list[str],
    options: Mapping[str, Any],
) -> Component:
    """The component of a pipeline; its config has the arguments of `Tagger.open`, all but two under `options`."""
    return Component(Tagger.open(llm, labels=labels, **options))


def _set(doc: Doc, document: Document) -> Doc:
    spans = [_span(doc, entity) for entity in document.entities]
    doc.spans[GROUP] = spans
    chosen = filter_spans(spans)
    taken = {token.i for span in chosen for token in span}
    doc.set_ents([*chosen, *(ent for ent in doc.ents if not taken & set(range(ent.start, ent.end)))])
    # What is said of a span is kept by its place: where two share one, the span of `doc.ents` tells.
    places = {(span.start, span.end) for span in chosen}
    for span, entity in sorted(zip(spans, document.entities, strict=True), key=lambda pair: pair[0] in chosen):
        if span in chosen or (span.start, span.end) not in places:
            for said, (attribute, value) in _SAYS.items():
                span._.set(said, entity.attribute(attribute) == value)
            span._.set("clinspan", entity.to_dict())
    return doc


def _span(doc: Doc, entity: Entity) -> Span:
    concept = entity.concepts[0].id if entity.concepts else ""
    return doc.char_span(entity.start, entity.end, label=entity.label, kb_id=concept, alignment_mode="expand")


Language.factory(
    "clinspan",
    default_config={"llm": "auto", "labels": DEFAULT_LABELS, "options": {}},
    assigns=["doc.ents", "doc.spans"],
    func=make,
)
