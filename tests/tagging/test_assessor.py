"""Who says assertion: the encoder that tags, or where it says none the one that comes with clinspan, or rules alone."""

from dataclasses import replace

import pytest

from clinspan.document import Document, Entity, Span
from clinspan.labels import Attribute, Label, LabelSet
from clinspan.tagging.open import assessor, given_attributes
from clinspan.tagging.tagger import Tagger

pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
TEXT = "FAMILY HISTORY: breast cancer.\n\nShe denies chest pain, fever or cough. CT: diverticulitis."
NAMES = ("breast cancer", "chest pain", "fever", "cough", "diverticulitis")
EXPECTED = ["associated-with-someone-else", "absent", "absent", "absent", "present"]
PROBLEMS = LabelSet.builtin("problem-treatment-test")
YES, NO = ("present", "Is."), ("absent", "Is not.")


def document(label: str) -> Document:
    places = ((name, TEXT.index(name)) for name in NAMES)
    return Document("d", TEXT, tuple(Entity(Span(at, at + len(name)), label, name) for name, at in places))


@pytest.mark.parametrize("label", ["problem", "complaint"])
def test_the_encoder_for_notes_says_it_of_mentions_of_any_label(label):
    reads = given_attributes(PROBLEMS)
    said = reads(document(label))
    assert [one["assertion"][0] for one in said] == EXPECTED
    assert all(0 < one["assertion"][1] <= 1 for one in said)
    some = reads(document(label), [1, 4])
    assert [bool(one) for one in some] == [False, True, False, False, True]
    assert some[4] == said[4]


def test_tagging_hears_it_unless_rules_are_asked_for():
    with Tagger.open(labels="problem-treatment-test", dictionary=None) as tagger:
        assert tagger.assessor is tagger.encoder
        assert tagger.describe()["assertion of problems"] == "the encoder that finds them and rules"
        found = tagger.tag(TEXT)
        assert {e.text: e.attribute("assertion") for e in found.entities}["chest pain"] == "absent"
        by_rules = tagger.with_(settings=replace(tagger.settings, assertion="rules"))
        assert by_rules.attributes is None
        assert by_rules.describe()["assertion of problems"] == "rules"
    assert Tagger(labels=PROBLEMS).attributes is None


def test_it_speaks_of_what_another_encoder_found():
    with Tagger.open(labels="disease", dictionary=None, threads=3) as tagger:
        assert tagger.encoder.known_attributes == ()
        assert tagger.assessor.name.startswith("encoder:clinical-notes")
        assert tagger.assessor.classifier._threads == 3
        assert tagger.describe()["assertion of problems"] == f"{tagger.assessor.name} and rules"
        (found, *_) = tagger.tag("CT shows diverticulitis; her father did not have it.").entities
        assert (found.text, found.attribute("assertion")) == ("diverticulitis", "present")
        said = tagger.assess(document("disease")).entities
    assert [one.attribute("assertion") for one in said] == EXPECTED


def test_labels_whose_attributes_have_other_values_are_left_to_the_rules():
    other = Attribute("assertion", (YES, ("perhaps", "May be.")), "present")
    assert assessor(LabelSet("own", (Label("finding", "A finding.", attributes=(other,)),))) is None
    assert assessor(LabelSet("own", (Label("finding", "A finding."),))) is None
    few = Attribute("assertion", (YES, NO), "present")
    assert assessor(LabelSet("own", (Label("finding", "A finding.", attributes=(few,)),))) is not None
