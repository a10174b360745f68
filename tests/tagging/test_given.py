"""Attributes of entities that are given, read by the encoder that comes with clinspan."""

import pytest

from clinspan.classifier.folder import for_labels
from clinspan.document import Document, Entity, Span
from clinspan.labels import LabelSet
from clinspan.llms.encoder import EncoderLLM
from clinspan.tagging.evidence import reads
from clinspan.tagging.tagger import Tagger

pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
LABELS = LabelSet.builtin("problem-treatment-test")
TEXT = "She denies chest pain. A CT of the abdomen showed diverticulitis.\n\nHer mother had breast cancer.\n" * 40


@pytest.fixture(scope="module")
def encoder():
    return EncoderLLM.opened(for_labels(LABELS.names))


def given(*mentions, text=TEXT, last=False):
    found = []
    for mention in mentions:
        start = text.rindex(mention) if last else text.index(mention)
        found.append(Entity(Span(start, start + len(mention)), "problem", mention))
    return Document("d", text, tuple(sorted(found, key=lambda e: e.start)))


def test_what_is_given_is_read_wherever_it_stands_in_a_long_note(encoder):
    for last in (False, True):
        document = given("chest pain", "diverticulitis", "breast cancer", last=last)
        said = reads(encoder)(document)
        assert [one["assertion"][0] for one in said][::2] == ["absent", "associated-with-someone-else"]
        assert all(0 < one["assertion"][1] <= 1 for one in said)
        assessed = Tagger(labels=LABELS, encoder=encoder).assess(document)
        assert [e.attribute("assertion") for e in assessed.entities] == [
            "absent",
            "present",
            "associated-with-someone-else",
        ]


def test_who_has_no_heads_for_attributes_says_nothing():
    assert reads(None) is None


def test_tagging_believes_the_encoder_where_it_is_sure(encoder):
    found = Tagger(labels=LABELS, encoder=encoder).tag(TEXT[:100])
    said = {e.text: e.attribute("assertion") for e in found.entities if e.label == "problem"}
    assert said["chest pain"] == "absent"
    assert said["diverticulitis"] == "present"
    assert not any(e.attribute_scores for e in found.entities)
