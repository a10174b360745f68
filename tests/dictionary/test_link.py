from clinspan.dictionary.link import Linker
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
    assert 0 < concept.score <= 1
    assert unknown.concepts == ()


def test_a_short_form_is_linked_to_what_it_stands_for(small):
    linked = Linker(small, LABELS).link(document("Myocardial infarction (MI). The MI was", "MI"))
    assert [concept.id for concept in linked.entities[0].concepts] == ["T:1"]


def test_senses_of_the_entitys_label_come_first(small):
    linker = Linker(small, LABELS)
    assert [concept.id for concept in linker.concepts("cold", "disease")] == ["T:9", "T:10"]
    assert [concept.id for concept in linker.concepts("cold", "weather")] == ["T:10", "T:9"]


def test_coverage_says_what_share_the_dictionary_knew_and_how_old_it_is(small):
    linker = Linker(small, LABELS)
    coverage = linker.coverage([linker.link(document("A heart attack or a gronk.", "heart attack", "gronk"))])
    assert coverage.share == 0.5
    assert str(coverage) == f"the dictionary, built {small.info.built[:10]}, knows 1 of 2 entities (50%)"
    assert linker.coverage([]).share == 0.0
