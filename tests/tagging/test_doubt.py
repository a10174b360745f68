"""A drug is no disease, whoever found it."""

import pytest

from clinspan.document import Document, Entity, Span
from clinspan.labels import LabelSet
from clinspan.llms.base import Traits
from clinspan.messages import Completion, FoundSpan
from clinspan.tagging.knowledge import Lookup
from clinspan.tagging.tagger import Tagger
from clinspan.tagging.way import Doubter, reads_beside

BOTH = LabelSet.builtin("chemical-disease")
TEXT = "Patient takes lisinopril, aspirin and atorvastatin. Allergies: penicillin (hives)."


class Reading:
    """An encoder that marks the words it knows."""

    name, context, constrains, traits = "reading", 512, True, Traits("encoder", "read")

    def __init__(self, **labels):
        self.labels, self.read = labels, 0

    def count_tokens(self, text):
        return len(text.split())

    def complete(self, requests):
        for request in requests:
            self.read += 1
            text = request.constraint.text
            spans = [(text.find(word), word, label) for word, label in self.labels.items() if word in text]
            yield Completion(
                text, spans=tuple(FoundSpan(Span(at, at + len(word)), label, 0.9) for at, word, label in spans)
            )


def diseases(text, *words):
    return [Entity(Span(text.index(word), text.index(word) + len(word)), "disease", word) for word in words]


def test_what_the_encoder_reads_as_a_chemical_is_doubted_and_what_it_reads_as_both_is_not():
    encoder = Reading(aspirin="chemical", gout="disease")
    found = Doubter(encoder, BOTH, Lookup(None, BOTH)).doubted(
        "aspirin for gout", diseases("aspirin for gout", "aspirin", "gout")
    )
    assert {entity.text: why for entity, why in found.items()} == {"aspirin": "reading reads it as a chemical"}


def test_a_text_without_diseases_is_not_read():
    encoder = Reading()
    assert Doubter(encoder, BOTH, Lookup(None, BOTH)).doubted("aspirin", []) == {}
    assert encoder.read == 0


@pytest.mark.parametrize(("labels", "reads"), [("disease", True), ("chemical-disease", False), ("medication", False)])
def test_it_reads_where_diseases_are_asked_for_and_chemicals_are_not(labels, reads):
    encoder = reads_beside(LabelSet.builtin(labels))
    assert (encoder is not None) == reads


def test_the_defaults_mark_no_drug_as_a_disease():
    with Tagger.open(labels="disease") as tagger:
        found = {entity.text for entity in tagger.tag(f"{TEXT} PMH: HTN, breast cancer.").entities}
    assert not found & {"lisinopril", "aspirin", "atorvastatin", "penicillin"}
    assert found >= {"HTN", "breast cancer"}


def test_what_an_llm_calls_a_disease_and_the_others_know_as_a_drug_is_kept_out():
    with Tagger.open("embedded", labels="disease") as tagger:
        done = tagger.tag(Document("n", TEXT))
        assert "what is no disease" in tagger.describe()
    drugs = {"lisinopril", "aspirin", "atorvastatin", "penicillin"}
    assert not drugs & {entity.text for entity in done.entities}
    said = [line for window in done.windows for line in window.unread]
    assert {line.split("'")[1] for line in said} >= drugs


def test_a_disease_of_an_abstract_stays():
    with Tagger.open(labels="disease") as tagger:
        done = tagger.tag("Mutations of this gene cause ataxia-telangiectasia and familial breast cancer.")
    assert "ataxia-telangiectasia" in {entity.text for entity in done.entities}
