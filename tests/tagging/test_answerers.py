"""Who can find each label is known before a note is read."""

from dataclasses import replace

import pytest

from clinspan.classifier.folder import for_descriptions, named
from clinspan.errors import ConfigError
from clinspan.formats import by_name
from clinspan.labels import Label, LabelSet
from clinspan.llms.base import Traits
from clinspan.messages import Completion
from clinspan.tagging import open as parts
from clinspan.tagging.tagger import Tagger

OWN = LabelSet("own", (Label("exposure", "What the patient was exposed to at work."), Label("hobby", "A pastime.")))
TANL, JSON = by_name("tanl"), by_name("json")


class Asked:
    name, context, constrains, traits = "asked", None, False, Traits("served")

    def complete(self, requests):
        yield from (Completion("") for _ in requests)

    def count_tokens(self, text):
        return len(text.split())


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ("problem-treatment-test", "clinical-notes"),
        ("medication", "clinical-notes"),
        ("disease", "literature"),
        ("chemical-disease", "literature"),
        ("gene", "literature"),
    ],
)
def test_left_to_clinspan_the_encoder_decides_that_was_taught_the_labels(labels, name):
    assert parts.chosen("auto", None, LabelSet.builtin(labels), TANL) == ("none", named(name))
    # It copies the text, as TANL does.
    assert parts.chosen("auto", None, LabelSet.builtin(labels), JSON) == ("none", None)


def test_left_to_clinspan_an_encoder_that_reads_definitions_finds_labels_that_no_model_was_tuned_for():
    assert parts.chosen("auto", None, OWN, TANL) == ("none", for_descriptions())
    # It copies the text, as TANL does.
    assert parts.chosen("auto", None, OWN, JSON) == ("none", None)


def test_what_the_user_names_is_taken(tmp_path):
    assert parts.chosen("openai:m", None, OWN, TANL) == ("openai:m", None)
    assert parts.chosen("auto", tmp_path, OWN, TANL) == ("none", tmp_path)
    assert parts.chosen("embedded", tmp_path, OWN, TANL) == ("embedded", tmp_path)
    assert parts.chosen("auto", None, OWN, TANL, adapter="mine") == ("embedded", None)


def test_labels_that_nothing_can_find_are_refused_before_a_note_is_read():
    known = replace(OWN.labels[0], terms=("asbestos",))
    tagger = Tagger(labels=replace(OWN, labels=(known, OWN.labels[1])))
    with pytest.raises(ConfigError, match=r"nothing here can find 'hobby' of the label set 'own'.*--llm openai:MODEL"):
        tagger.check_labels()
    assert tagger.answerers() == {"exposure": ("the dictionary",), "hobby": ()}


def test_an_llm_that_follows_instructions_can_find_any_label():
    tagger = Tagger(Asked(), labels=OWN)
    tagger.check_labels()
    assert tagger.answerers() == {"exposure": ("asked",), "hobby": ("asked",)}


def test_a_small_model_that_was_not_tuned_for_the_labels_is_asked_where_it_is_named_and_that_is_said():
    small = Asked()
    small.traits = Traits("embedded", "small")
    tagger = Tagger(small, labels=OWN)
    tagger.check_labels()
    said = {remark.name: remark.value for remark in tagger.remarks()}
    assert said["will hardly be found"].startswith("exposure, hobby: the model is small")


def test_what_the_dictionary_finds_alone_is_said():
    known = tuple(replace(label, terms=("asbestos",)) for label in OWN.labels)
    (remark,) = Tagger(labels=replace(OWN, labels=known)).remarks()
    assert (remark.name, remark.value, remark.warns) == ("found by the dictionary alone", "exposure, hobby", True)
