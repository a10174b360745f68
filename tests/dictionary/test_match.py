import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.dictionary.match import TermMatch
from clinspan.dictionary.written import Written


@pytest.mark.parametrize(
    ("text", "mention", "concept", "kind"),
    [
        ("He had a heart attack.", "heart attack", "T:1", TermMatch.EXACT),
        ("Two Heart-Attacks", "Heart-Attacks", "T:1", TermMatch.NORMALISED),
        ("type II diabetes mellitus", "type II diabetes mellitus", "T:2", TermMatch.NORMALISED),
        ("Diabetes Mellitus, Type 2 since 2001", "Diabetes Mellitus, Type 2", "T:2", TermMatch.EXACT),
        ("a cancer of the lung", "cancer of the lung", "T:3", TermMatch.REORDERED),
        ("Huntington's disease", "Huntington's disease", "T:6", TermMatch.NORMALISED),
        ("acute lymphoblastic leukaemia", "acute lymphoblastic leukaemia", "T:7", TermMatch.NORMALISED),
        ("a myocardal infarction", "myocardal infarction", "T:1", TermMatch.FUZZY),
        ("Pnuemonia was seen", "Pnuemonia", "T:14", TermMatch.FUZZY),
        ("β-thalassaemia", "β-thalassaemia", "T:15", TermMatch.NORMALISED),
    ],
)
def test_terms_are_found_as_clinicians_write_them(small, text, mention, concept, kind):
    (match,) = small.scan(text)
    assert (match.text, match.senses[0].concept, match.kind) == (mention, concept, kind)
    assert match.span.of(text) == mention


def test_an_acronym_is_found_in_its_own_case_alone(small):
    assert [m.text for m in small.scan("ALL was found in all of them")] == ["ALL"]
    assert small.find("all") == ()
    assert small.find("ALLs")[0].concept == "T:7"


def test_all_senses_come_back_ranked(small):
    senses = small.find("cold")
    assert [sense.concept for sense in senses] == ["T:9", "T:10"]
    assert {sense.types for sense in senses} == {("Disease or Syndrome",), ("Natural Phenomenon or Process",)}
    assert small.find("common colds")[0].score < senses[0].score


def test_a_sense_carries_name_types_definition_and_the_term_met(small):
    (sense,) = small.find("Heart Attack")
    assert sense.name == "myocardial infarction"
    assert sense.term == "heart attack"
    assert sense.source == "T"
    assert sense.types == ("Disease or Syndrome",)
    assert sense.definition == "Necrosis of heart muscle."


def test_find_takes_any_order_of_words_and_one_misspelling(small):
    assert small.find("infarction, myocardial")[0].concept == "T:1"
    assert small.find("lung cancers")[0].concept == "T:3"
    assert small.find("infarction myocardial", fuzzy=False)[0].concept == "T:1"
    assert small.find("breest cancer")[0].concept == "T:4"
    assert small.find("lang cancer") == ()  # too short a word to be misspelt
    assert small.find("pneumonic") == ()  # an ending, not a misspelling
    assert small.find("ovarain cancer")[0].concept == "T:5"
    assert small.find("nothing of the kind") == ()
    assert small.find("...") == ()


def test_digits_are_never_respelt(small):
    assert small.scan("Type 3 diabetes mellitus") == ()
    assert small.find("Diabetes mellitus type 1") == ()


def test_the_longest_of_overlapping_terms_is_kept_unless_all_are_wanted(small):
    text = "a lung cancer"
    assert [m.text for m in small.scan(text)] == ["lung cancer"]
    text = "cancer of the lung cancer"
    assert [m.text for m in small.scan(text)] == ["cancer of the lung"]
    assert {m.text for m in small.scan(text, overlapping=True)} == {"cancer of the lung", "lung cancer"}


def test_no_term_reaches_across_a_full_stop(small):
    assert small.scan("She has a cold heart. Attack on the lung. Cancer.") == small.scan("She has a cold heart.")


def test_short_forms_mean_what_the_text_defines(small):
    text = "Myocardial infarction (MI) is common. MI kills; MIs too. He is ADMItted."
    found = small.scan(text)
    assert [m.text for m in found] == ["Myocardial infarction", "MI", "MI", "MIs"]
    assert {m.senses[0].concept for m in found} == {"T:1"}
    assert found[1].kind is TermMatch.ABBREVIATION


def test_a_definition_overrules_the_dictionary(small):
    text = "The arterial low limit (ALL) was reached. ALL again."
    assert small.scan(text) == ()


def test_a_pickled_dictionary_is_opened_again(small):
    again = pickle.loads(pickle.dumps(small))
    assert again.find("heart attack") == small.find("heart attack")


@given(st.text(alphabet="lung cacer of the typs IDiabe-'(),.", max_size=80))
def test_matches_stand_in_the_text_and_never_overlap(small, text):
    end = 0
    for match in small.scan(text):
        assert match.span.of(text) == match.text
        assert match.span.start >= end
        assert match.senses
        end = match.span.end


def test_what_is_kept_of_a_text_is_never_given_for_another_question(small):
    first, second = Written.of("Pnuemonia (PN) or cancer of the lung"), Written.of("gout of the lung cancer; a cold")
    asked = [(text, fuzzy) for text in (first, second, first) for fuzzy in (True, False, True)]
    anew = [small.scan(text.text, fuzzy=fuzzy, overlapping=True) for text, fuzzy in asked]
    assert [small.scan(text, fuzzy=fuzzy, overlapping=True) for text, fuzzy in asked] == anew
    assert len({len(found) for found in anew}) > 1


@pytest.mark.parametrize("hidden", ["\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad\u200b"])
@pytest.mark.parametrize("term", ["asp|irin", "heart at|tack", "A|LL", "beta-thal|assemia"])
def test_characters_that_nobody_sees_hide_no_term_and_are_covered(small, term, hidden):
    written = term.replace("|", hidden)
    (match,) = small.scan(f"Today {hidden}{written}{hidden} was noted.")
    assert match.text == written
    assert match.senses[0].concept == small.find(term.replace("|", ""))[0].concept == small.find(written)[0].concept
