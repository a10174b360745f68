"""A fused model is learned from gold documents, written, and decides in a tagger."""

import hashlib
import json
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clinspan import fusion
from clinspan.cli.main import app
from clinspan.codec import dump
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError, InputError
from clinspan.fuse import learn_weights
from clinspan.fusion.model import FLOOR, FusedModel, for_sources
from clinspan.labels import Label, LabelSet
from clinspan.llms.base import Traits
from clinspan.messages import Completion, FoundSpan, Request
from clinspan.models import adapters
from clinspan.tagging import open as parts
from clinspan.tagging.calibration import Calibration
from clinspan.tagging.tagger import Tagger

LABELS = LabelSet("s", (Label("disease", "A disease.", terms=("gout", "asthma", "measles")),))
DISEASES, OTHERS = ("gout", "asthma", "measles"), ("ward", "table", "window")


class Unsure:
    """An encoder that is as sure of other words as of diseases."""

    name, context, constrains = "encoder:unsure:1", None, True
    traits = Traits("encoder", "read")

    def complete(self, requests: Iterable[Request]):
        for request in requests:
            text = request.constraint.text
            found = []
            for word in (*DISEASES, *OTHERS):
                at = text.find(word)
                if at >= 0:
                    found.append(FoundSpan(Span(at, at + len(word)), "disease", 0.3 + 0.1 * (len(text) % 4)))
            if request.constraint.consider is None:
                found = [one for one in found if one.score > 0.5]
            yield Completion(text, spans=tuple(found), constrained=True)

    def count_tokens(self, text: str) -> int:
        return len(text.split())


class Voter(Unsure):
    """An LLM that votes without a probability, for diseases alone."""

    name, traits = "voter", Traits()

    def complete(self, requests: Iterable[Request]):
        for request in requests:
            text = request.constraint.text
            places = [Span(at, at + len(word)) for word in DISEASES if (at := text.find(word)) >= 0]
            yield Completion(text, spans=tuple(FoundSpan(place, "disease") for place in places), constrained=True)


def gold(count: int) -> list[Document]:
    rng = random.Random(3)
    made = []
    for number in range(count):
        disease, other = rng.choice(DISEASES), rng.choice(OTHERS)
        text = f"The {other} near {disease}{' now' * rng.randrange(4)}."
        at = text.index(disease)
        made.append(Document(str(number), text, (Entity(Span(at, at + len(disease)), "disease", disease),)))
    return made


def shipped(name: str) -> dict[str, str]:
    """The sources of a fused model that comes with clinspan."""
    return json.loads((Path(fusion.__file__).parent / "models" / f"{name}.json").read_text(encoding="utf-8"))["sources"]


def f1(documents: list[Document], tagger: Tagger) -> float:
    right = found = 0
    for document, tagged in zip(documents, tagger.tag_many(Document(d.id, d.text) for d in documents), strict=True):
        true = {(e.span, e.label) for e in document.entities}
        right += len(true & {(e.span, e.label) for e in tagged.entities})
        found += len(true) + len(tagged.entities)
    return 2 * right / found


def test_it_believes_the_dictionary_where_the_encoder_does_not_know(tmp_path):
    tagger = Tagger(encoder=Unsure(), labels=LABELS)
    learned = learn_weights(tagger, gold(40))
    assert learned.helps
    encoder, together = learned.expected
    assert encoder.who == "the encoder alone"
    assert together.f1 == pytest.approx(encoder.f1 + encoder.gain)
    assert together.f1 > 0.95 > encoder.f1
    path = tmp_path / "fused.json"
    path.write_text(learned.model.to_json(), encoding="utf-8")
    fused = Tagger.open(None, labels=LABELS, encoder=Unsure(), dictionary=None, fused=path)
    assert f1(gold(30), fused) > 0.95
    assert all(0 < entity.score < 1 for entity in fused.tag("The ward near gout.").entities)
    assert "decided by a fused model" in fused.describe()


def test_an_llm_without_probabilities_is_a_vote():
    tagger = Tagger(Voter(), encoder=Unsure(), labels=LabelSet("s", (Label("disease", "A disease."),)))
    learned = learn_weights(tagger, gold(40))
    assert [one.who for one in learned.expected][:2] == ["the encoder alone", "the LLM alone"]
    assert learned.expected[-1].f1 > 0.95
    assert set(learned.model.tables) == {"without llm", "with llm"}
    # Where no LLM is there, the same model decides without it.
    silent = Tagger(encoder=Unsure(), labels=tagger.labels, fused=learned.model)
    assert silent.tag("The ward near gout.").windows


def test_the_encoder_is_asked_for_all_that_it_takes_for_possible():
    heard: list[Request] = []

    class Listening(Unsure):
        def complete(self, requests):
            return super().complete(request for request in requests if heard.append(request) is None)

    tagger = Tagger(encoder=Listening(), labels=LABELS)
    found = tagger.hear(Document("1", "The ward near gout."))
    assert [request.constraint.consider for request in heard] == [FLOOR]
    assert [(one.entity.text, set(one.said)) for one in found.candidates] == [
        ("ward", {"encoder"}),
        ("gout", {"encoder", "dictionary"}),
    ]
    tagger.tag("The ward near gout.")
    assert heard[-1].constraint.consider is None


def test_a_model_over_other_sources_is_refused_when_the_tagger_is_made():
    learned = learn_weights(Tagger(encoder=Unsure(), labels=LABELS), gold(25))
    with pytest.raises(ConfigError, match="fitted over llm 'none', not over 'voter'"):
        Tagger(Voter(), encoder=Unsure(), labels=LABELS, fused=learned.model)
    with pytest.raises(ConfigError, match="fitted for disease, not for chemical"):
        Tagger(encoder=Unsure(), labels=LabelSet("c", (Label("chemical", "A chemical."),)), fused=learned.model)


def test_strings_are_counted_in_the_documents_that_are_named():
    tagger = Tagger(encoder=Unsure(), labels=LABELS)
    text = "Gout is no ward. A ward."
    counted = [Document("c", text, (Entity(Span(0, 4), "disease", "Gout"), Entity(Span(11, 15), "other", "ward")))]
    prior = learn_weights(tagger, gold(25), counted=counted).model.prior
    assert prior.of_string("gout", "disease") == (1, 1)
    # An annotation with another label is none of what is asked for.
    assert prior.of_string("ward", "disease") == (0, 0)


def test_the_dictionary_alone_is_nothing_to_weigh():
    with pytest.raises(ConfigError, match="an encoder or an LLM"):
        learn_weights(Tagger(labels=LABELS), gold(25))


def test_too_little_gold_is_refused():
    with pytest.raises(InputError, match="20 or more"):
        learn_weights(Tagger(encoder=Unsure(), labels=LABELS), gold(19))


def test_a_calibration_or_teaching_documents_leave_the_decision_to_the_encoder():
    tagger = Tagger.open("auto", labels="problem-treatment-test", calibration=Calibration(), dictionary=None)
    assert tagger.fused is None


def test_the_command_says_what_it_brings_and_refuses_an_output_that_exists(tmp_path):
    path, output = tmp_path / "gold.jsonl", tmp_path / "fused.json"
    path.write_text("".join(dump(document) + "\n" for document in gold(19)), encoding="utf-8")
    options = [str(path), "-o", str(output), "--labels", "problem-treatment-test", "--llm", "none"]
    refused = CliRunner().invoke(app, ["fuse", *options, "--dictionary", "none"])
    assert isinstance(refused.exception, ConfigError | InputError)
    output.write_text("{}")
    refused = CliRunner().invoke(app, ["fuse", *options])
    assert "exists" in str(refused.exception)


def test_a_file_that_is_no_fused_model_is_refused(tmp_path):
    path = tmp_path / "fused.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not a fused model"):
        FusedModel.read(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        FusedModel.read(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("labels", "encoder"),
    [("problem-treatment-test", "clinical-notes"), ("disease", "literature"), ("chemical-disease", "literature")],
)
def test_those_that_come_with_clinspan_know_the_encoders_and_vocabularies_beside_them(labels, encoder):
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    with Tagger.open("none", labels=labels, encoder=encoder) as tagger:
        assert tagger.fused is not None
        assert tagger.fused.check(tagger.labels.names, tagger.sources) is None


def test_that_for_diseases_knows_the_adapter_beside_it():
    model = for_sources(("disease",), shipped("disease.llm"))
    assert model is not None
    assert set(model.tables) == {"without llm", "with llm"}
    adapter = adapters.for_labels(("disease",))
    assert adapter is not None
    with (adapter / "adapter.gguf").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # A model over another adapter would leave the LLM out of the decision without a word.
    assert model.sources["llm"].endswith(f"+adapter:{digest[:12]}")


def test_beside_an_llm_an_encoder_reads_once_as_the_fused_model_over_both_heard_it():
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    labels = parts.labels("disease")
    form = parts.form("tanl")
    alone, beside = (parts.encoder("literature", labels, form, alone=alone) for alone in (True, False))
    assert alone.name == shipped("disease")["encoder"] == shipped("chemical-disease")["encoder"]
    assert beside.name == shipped("disease.llm")["encoder"] != alone.name


def test_abstracts_are_decided_with_the_counts_of_the_documents_that_the_encoder_learned_from():
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    with Tagger.open("none", labels="chemical-disease", encoder="literature") as tagger:
        found = tagger.tag("Heparin-induced thrombocytopenia was seen after heparin.").entities
        assert tagger.fused is not None
        annotated, seen = tagger.fused.prior.of_string("heparin", "chemical")
    assert [(one.text, one.label) for one in found] == [
        ("Heparin", "chemical"),
        ("thrombocytopenia", "disease"),
        ("heparin", "chemical"),
    ]
    assert 10 < annotated <= seen
