import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.dictionary.facts import FactsMode, rank
from clinspan.labels import Label, LabelSet

LABELS = LabelSet("d", (Label("disease", "An illness.", semantic_types=("Disease or Syndrome", "Neoplastic Process")),))
TEXT = "Type 2 diabetes mellitus after a heart attack, with aspirin. Ovarian cancers too. A cold."


def words(text):
    return len(text.split())


def facts(small, budget=1000, mode=FactsMode.BOTH, labels=LABELS, **more):
    return rank(small.scan(TEXT), labels, budget, mode, words, **more)


def test_both_gives_name_types_and_definition_the_closest_match_first(small):
    assert facts(small) == (
        "cold: Disease or Syndrome",
        "heart attack (myocardial infarction): Disease or Syndrome. Necrosis of heart muscle.",
        "Type 2 diabetes mellitus (Diabetes Mellitus, Type 2): Disease or Syndrome. A metabolic disease.",
        "Ovarian cancers (ovarian cancer): Neoplastic Process",
    )


@pytest.mark.parametrize(
    ("mode", "line"),
    [
        (FactsMode.TYPES, "heart attack (myocardial infarction): Disease or Syndrome"),
        (FactsMode.DEFINITIONS, "heart attack (myocardial infarction): Necrosis of heart muscle."),
    ],
)
def test_types_and_definitions_can_be_had_alone(small, mode, line):
    assert line in facts(small, mode=mode)
    assert facts(small, mode=FactsMode.NONE) == ()


def test_terms_of_no_label_are_left_out_unless_the_set_names_no_types(small):
    assert not any("aspirin" in line for line in facts(small))
    plain = LabelSet("d", (Label("thing", "Anything."),))
    assert any("aspirin" in line for line in facts(small, labels=plain))


def test_a_type_is_defined_where_the_concept_is_not(small):
    defined = facts(small, mode=FactsMode.DEFINITIONS, type_definitions={"Neoplastic Process": "A growth."})
    assert "Ovarian cancers (ovarian cancer): Neoplastic Process: A growth." in defined


def test_one_concept_gives_one_fact(small):
    matches = small.scan("heart attack, heart attacks, myocardial infarction")
    (line,) = rank(matches, LABELS, 100, FactsMode.TYPES, words)
    assert line == "myocardial infarction: Disease or Syndrome"


@given(st.integers(0, 60), st.sampled_from(list(FactsMode)))
def test_the_budget_is_kept(small, budget, mode):
    lines = facts(small, budget=budget, mode=mode)
    assert sum(map(words, lines)) <= budget


def test_a_definition_is_cut_before_a_term_is_lost(small):
    (line,) = rank(small.scan("heart attack"), LABELS, 8, FactsMode.BOTH, words)
    assert line == "heart attack (myocardial infarction): Disease or Syndrome"
