"""A small review room: a note with a problem and a drug, labels that declare attributes."""

from dataclasses import replace
from pathlib import Path

from clinspan.document import Concept, Document, Entity, Span, WindowReport, WindowState
from clinspan.labels import Attribute, Label
from clinspan.review.note import Mark
from clinspan.review.store import Store

TEXT = "She denies gout \N{PILL} and takes colchicine 0.6 mg."
ASSERTION = Attribute("assertion", (("present", "Is there."), ("absent", "Is denied.")), "present")
LABELS = (
    Label("problem", "A problem.", attributes=(ASSERTION,)),
    Label("drug", "A drug."),
    Label("dose", "A dose.", of="drug"),
)


def entity(text: str, mention: str, label: str, **said) -> Entity:
    start = text.index(mention)
    return Entity(Span(start, start + len(mention)), label, mention, **said)


GOUT = entity(
    TEXT,
    "gout",
    "problem",
    score=0.8,
    concepts=(Concept("D1", "gout", "MSH", ("T1",), 0.5, "exact"),),
    attributes={"assertion": "present", "section": "hpi"},
    attribute_scores=(("assertion", 0.6),),
    id="e1",
)
DRUG = entity(TEXT, "colchicine", "drug", id="e2")
DOSE = entity(TEXT, "0.6 mg", "dose", id="e3", attributes={"of": "e2"})
NOTE = Document(
    "../ward 3/%2e\N{PILL}",
    TEXT,
    (GOUT, DRUG, DOSE),
    (WindowReport(Span(0, 16), WindowState.OK), WindowReport(Span(16, len(TEXT)), WindowState.FAILED, detail="no")),
    {"ward": 3},
)


def mark(one: Entity, **changed) -> Mark:
    fragments = tuple((part.start, part.end) for part in one.fragments)
    return replace(Mark(one.start, one.end, one.label, dict(one.attributes), fragments, one.id), **changed)


def opened(folder: Path, *documents: Document) -> Store:
    store = Store(folder / "reviews.sqlite", create=True)
    store.add(documents or (NOTE,), labels=LABELS)
    return store
