"""The built-in label sets: what their terms and examples must keep to, so that matching them does no harm."""

import re
from collections import Counter

import pytest

from clinspan.labels import LabelSet, builtin_names

CLINICAL = LabelSet.builtin("problem-treatment-test")
# Words that have a clinical sense and a plainer one that is more frequent.
AMBIGUOUS = {
    "lead", "culture", "fall", "falls", "discharge", "elevation", "pathology", "medications", "allergies", "exam",
    "cold", "pt", "us", "or", "on", "in", "as", "be", "it", "pet", "all", "als", "can", "cap", "ms", "pe", "ra",
}  # fmt: skip


@pytest.mark.parametrize("name", builtin_names())
def test_each_set_defines_types_and_shows_a_text_with_and_one_without_entities(name: str) -> None:
    labels = LabelSet.builtin(name)
    for label in labels.labels:
        assert label.guideline
        # What is said of a drug is no concept of UMLS.
        assert label.semantic_types or name == "medication"
        assert any(entity.label == label.name for example in labels.examples for entity in example.entities)
    assert any(not example.entities for example in labels.examples)


@pytest.mark.parametrize("name", builtin_names())
def test_every_mention_of_a_fixed_example_is_marked_each_time_it_stands_there(name: str) -> None:
    # An example that leaves one occurrence unmarked teaches the model to skip it.
    for example in LabelSet.builtin(name).examples:
        marked = Counter(entity.text for entity in example.entities)
        for mention, count in marked.items():
            inside = sum(e.text != mention and mention in e.text for e in example.entities)
            assert len(re.findall(rf"(?<!\w){re.escape(mention)}(?!\w)", example.text)) <= count + inside, mention


def test_the_clinical_terms_are_many_and_each_has_one_label() -> None:
    counts = {label.name: len(label.terms) for label in CLINICAL.labels}
    assert counts["test"] >= 400
    assert counts["treatment"] >= 300
    every = [term.casefold() for label in CLINICAL.labels for term in label.terms]
    assert [term for term, count in Counter(every).items() if count > 1] == []


def test_no_clinical_term_is_an_everyday_word() -> None:
    for label in CLINICAL.labels:
        for term in label.terms:
            # Capitals tell an abbreviation from the word, since the dictionary keeps the case of acronyms.
            if not re.search(r"[A-Z].*[A-Z]", term):
                assert term.casefold() not in AMBIGUOUS, term
                assert len(term) > 2, term
