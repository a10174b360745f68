from clinspan.dictionary.tag import Tagger
from clinspan.document import Document, Entity, Span
from clinspan.labels import Label, LabelSet

LABELS = LabelSet(
    "d", (Label("disease", "An illness.", semantic_types=("Disease or Syndrome",), terms=("sugar", "GERD")),)
)


def gold(text, *mentions):
    entities = []
    for mention in mentions:
        start = text.index(mention)
        entities.append(Entity(Span(start, start + len(mention)), "disease", mention))
    return Document(text, text, tuple(entities))


POOL = [
    gold("A common cold is cold air.", "common cold"),
    gold("It was cold, and a gronk.", "gronk"),
    gold("The Gronks; cold.", "Gronks"),
    gold("A plain bone. A bone. A bone again.", "bone"),
    gold("XYZ and pneumonia", "XYZ", "pneumonia"),
    gold("XYZ xyz", "XYZ"),
]


def test_a_pool_teaches_what_is_not_meant_and_what_is_missing(small):
    plain = Tagger(small, LABELS)
    taught = plain.learned(POOL)
    text = "A cold, a gronk, XYZ, xyz, pneumonia, a bone and a common cold"
    assert [e.text for e in plain.tag(text)] == ["cold", "pneumonia", "common cold"]
    found = taught.tag(text)
    assert [e.text for e in found] == ["gronk", "XYZ", "pneumonia", "common cold"]
    scores = {e.text: e.score for e in found}
    assert scores["gronk"] == 0.75  # 2 of 2, drawn towards one half
    assert scores["pneumonia"] == 2 / 3
    assert {e.text: e.concepts[:1] and e.concepts[0].id for e in found}["pneumonia"] == "T:14"


def test_what_the_pool_has_not_seen_has_no_score(small):
    (entity,) = Tagger(small, LABELS).learned(POOL).tag("Huntington disease")
    assert entity.score is None


def test_terms_of_the_label_set_are_tagged_whatever_the_pool_says(small):
    pool = [gold("sugar sugar sugar is no disease")]
    taught = Tagger(small, LABELS).learned(pool)
    assert [e.text for e in taught.tag("He has Sugar and GERD, not gerd.")] == ["Sugar", "GERD"]
