from tests.dictionary.conftest import Listed, entry

from clinspan.dictionary.build import build
from clinspan.dictionary.link import Linker
from clinspan.dictionary.store import Dictionary
from clinspan.dictionary.written import Written
from clinspan.document import Document, Entity, Span
from clinspan.labels import Label, LabelSet

LABELS = LabelSet(
    "l",
    (
        Label("disease", "An illness.", semantic_types=("Disease or Syndrome",)),
        Label("weather", "The sky.", semantic_types=("Natural Phenomenon or Process",)),
    ),
)


def document(text, *mentions, label="disease"):
    entities = []
    for mention in mentions:
        start = text.rindex(mention)
        entities.append(Entity(Span(start, start + len(mention)), label, mention))
    return Document("d", text, tuple(entities))


def test_each_entity_gets_ranked_concepts_or_none(small):
    linked = Linker(small, LABELS).link(document("A heart attack or a gronk.", "heart attack", "gronk"))
    known, unknown = linked.entities
    (concept,) = known.concepts
    assert (concept.id, concept.name, concept.source) == ("T:1", "myocardial infarction", "T")
    assert concept.types == ("Disease or Syndrome",)
    assert (concept.score, concept.reason) == (None, "synonym")
    assert unknown.concepts == ()


def test_a_short_form_is_linked_to_what_it_stands_for(small):
    linked = Linker(small, LABELS).link(document("Myocardial infarction (MI). The MI was", "MI"))
    assert [concept.id for concept in linked.entities[0].concepts] == ["T:1"]


def test_senses_of_the_entitys_label_come_first(small):
    for label, ids in (("disease", ["T:9", "T:10"]), ("weather", ["T:10", "T:9"])):
        (entity,) = Linker(small, LABELS).link(document("A cold.", "cold", label=label)).entities
        assert [concept.id for concept in entity.concepts] == ids


def test_a_text_that_was_scanned_before_is_not_scanned_again(small, monkeypatch):
    text = "Pnuemonia, and a myocardial infarction (MI). The MI was"
    written, plain = Written.of(text), Linker(small, LABELS).link(document(text, "Pnuemonia", "MI"))
    small.scan(written)
    monkeypatch.setattr(Dictionary, "_walk", None)
    assert Linker(small, LABELS).link(document(text, "Pnuemonia", "MI"), written) == plain
    assert all(entity.concepts for entity in plain.entities)


def test_a_finding_with_an_equivalent_of_the_label_is_of_the_label(tmp_path):
    kidney = entry("M:1", "kidney disease", types=("Disease or Syndrome",), source="M", same=("UMLS:C0022658",))
    finding = entry("H:1", "Nephropathy", types=("Finding",), source="H", same=("UMLS:C0022658",))
    other = entry("I:1", "Glomerular disorders", "Nephropathy", types=("Disease or Syndrome",), source="I")
    build([Listed([kidney], "M"), Listed([finding], "H"), Listed([other], "I")], tmp_path)
    (entity,) = Linker(Dictionary.open(tmp_path), LABELS).link(document("A nephropathy.", "nephropathy")).entities
    assert [concept.id for concept in entity.concepts] == ["H:1", "I:1"]
