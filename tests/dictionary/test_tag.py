import pytest

from clinspan.dictionary.tag import Tagger
from clinspan.document import Document, MatchKind
from clinspan.labels import Label, LabelSet

DISEASES = LabelSet(
    "d",
    (
        Label("disease", "An illness.", semantic_types=("Disease or Syndrome", "Neoplastic Process")),
        Label("drug", "A medicine.", semantic_types=("Pharmacologic Substance",)),
    ),
)


@pytest.fixture(scope="module")
def tagger(small):
    return Tagger(small, DISEASES)


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("Aspirin after a heart attack.", ["Aspirin", "heart attack"]),
        ("breast and ovarian cancer", ["breast and ovarian cancer"]),
        ("lung, breast, and ovarian cancers", ["lung, breast, and ovarian cancers"]),
        ("breast/ovarian cancer", ["breast/ovarian cancer"]),
        ("breast and/or\novarian cancer", ["breast and/or\novarian cancer"]),
        ("breast and \novarian cancer", ["breast and \novarian cancer"]),
        ("of breast or ovarian cancer", ["breast or ovarian cancer"]),
        ("aspirin and breast cancer", ["aspirin", "breast cancer"]),
        ("familial breast cancer", ["familial breast cancer"]),
        ("the Lesch-Nyhan gene", ["Lesch-Nyhan"]),
        ("the Nyhan-Lesch gene", []),
        ("this disease is a disease", []),
        ("ALL-A protein", []),
        ("von Hippel-Lindau (VHL) disease; VHL tumor", ["von Hippel-Lindau (VHL) disease", "VHL", "tumor"]),
    ],
)
def test_entities_of_the_label_set_are_tagged(tagger, text, mentions):
    entities = tagger.tag(text)
    assert [e.text for e in entities] == mentions
    Document("d", text, entities)


def test_entities_say_where_they_come_from(tagger):
    drug, disease = tagger.tag("Aspirin after a heart attack.")
    assert (drug.label, disease.label) == ("drug", "disease")
    assert disease.match is MatchKind.DICTIONARY
    assert disease.score is None
    assert [c.id for c in disease.concepts] == ["T:1"]
    assert disease.concepts[0].types == ("Disease or Syndrome",)


def test_the_label_sets_own_terms_go_before_the_vocabularies(small):
    labels = LabelSet(
        "t",
        (
            Label("drug", "A medicine.", semantic_types=("Pharmacologic Substance",)),
            Label("test", "An investigation.", terms=("aspirin",)),
        ),
    )
    assert [e.label for e in Tagger(small, labels).tag("Aspirin was 3 mg/dl.")] == ["test"]
