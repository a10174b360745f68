import tomllib
from importlib import import_module
from pathlib import Path

import pytest

spacy = pytest.importorskip("spacy")
from clinspan import spacy_pipe  # noqa: E402

LABELS = """
name = "s"
[[labels]]
name = "problem"
definition = "A problem."
terms = ["cough", "gout", "breast cancer", "cancer", "fever", "rash", "pneumonia", "asthma", "appendicitis"]
[[labels.attributes]]
name = "assertion"
default = "present"
[labels.attributes.values]
present = "Is there."
absent = "Is not there."
possible = "May be there."
hypothetical = "May come."
associated-with-someone-else = "Of others."
[[labels.attributes]]
name = "temporality"
default = "current"
[labels.attributes.values]
current = "Now."
past = "Once."
[[labels]]
name = "organ"
definition = "An organ."
terms = ["breast"]
"""
TEXT = (
    "Denies cough. History of appendicitis. His mother has breast cancer. Possible pneumonia. Return if rash. Asthma."
)
FLAGS = ("is_negated", "is_historical", "is_family", "is_uncertain", "is_hypothetical")


@pytest.fixture
def nlp(tmp_path):
    path = tmp_path / "labels.toml"
    path.write_text(LABELS)
    nlp = spacy.blank("en")
    nlp.add_pipe("clinspan", config={"llm": "none", "labels": str(path), "options": {"dictionary": "none"}})
    return nlp


def said(doc):
    return {ent.text: [flag for flag in FLAGS if getattr(ent._, flag)] for ent in doc.ents}


def test_entities_say_what_medspacy_would_say_of_them(nlp):
    doc = nlp(TEXT)
    assert said(doc) == {
        "cough": ["is_negated"],
        "appendicitis": ["is_historical"],
        "breast cancer": ["is_family"],
        "pneumonia": ["is_uncertain"],
        "rash": ["is_hypothetical"],
        "Asthma": [],
    }
    assert {ent.label_ for ent in doc.ents} == {"problem"}
    cough = doc.ents[0]._.clinspan
    assert (TEXT[cough["start"] : cough["end"]], cough["attributes"]["assertion"]) == ("cough", "absent")


def test_entities_that_overlap_are_in_the_span_group(nlp):
    doc = nlp("Has breast cancer.")
    assert [ent.text for ent in doc.ents] == ["breast cancer"]
    assert {(span.text, span.label_) for span in doc.spans["clinspan"]} >= {("breast cancer", "problem")}


def test_a_stream_gives_what_single_docs_give(nlp):
    texts = ["Denies cough.", "", "Has fever and gout."]
    assert [said(doc) for doc in nlp.pipe(texts)] == [said(nlp(text)) for text in texts]


def test_tokens_are_widened_to_and_other_entities_stay(nlp):
    doc = nlp.make_doc("cough/fever Paris")
    doc.ents = [doc.char_span(12, 17, label="GPE")]
    doc = nlp.get_pipe("clinspan")(doc)
    assert "Paris" in [ent.text for ent in doc.ents]
    assert {span._.clinspan["text"] for span in doc.spans["clinspan"]} <= {"cough", "fever"}


def test_docs_can_be_kept(nlp):
    from spacy.tokens import DocBin

    kept = DocBin(store_user_data=True, docs=[nlp(TEXT)]).to_bytes()
    (doc,) = DocBin().from_bytes(kept).get_docs(nlp.vocab)
    assert said(doc)["cough"] == ["is_negated"]


def test_the_package_declares_the_component():
    declared = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]["entry-points"]
    module, _, name = declared["spacy_factories"]["clinspan"].partition(":")
    assert getattr(import_module(module), name) is spacy_pipe.make
