import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.dictionary.facts import looked_up, read_candidates

WANTED = ("heart attack", "Alzheimer's disease")


@pytest.mark.parametrize(
    "answer",
    [
        '["heart attack", "Alzheimer\'s disease"]',
        "['heart attack', 'Alzheimer\\'s disease']",
        "['heart attack', 'Alzheimer's disease']",
        '```json\n["heart attack", "Alzheimer\'s disease"]\n```',
        "```\nheart attack\nAlzheimer's disease",
        "- heart attack\n- Alzheimer's disease",
        "1. heart attack\n2) Alzheimer's disease",
        "* **heart attack**: a disease\n* **Alzheimer's disease**: a disease",
        "heart attack, Alzheimer's disease",
        "Candidates: heart attack; Alzheimer's disease.",
        "heart attack | Alzheimer's disease",
        "heart attack\nAlzheimer's disease\nheart attack",
        '{"heart attack": "disease", "Alzheimer\'s disease": "disease"}',
        '{"entities": [{"text": "heart attack", "label": "x"}, {"text": "Alzheimer\'s disease"}]}',
        'Sure! Here it is: ["heart attack", "Alzheimer\'s disease"] Hope this helps.',
        '["heart attack", "Alzheimer\'s disease"',
    ],
)
def test_a_list_is_read_however_it_is_written(answer):
    found = read_candidates(answer)
    assert found.terms == WANTED
    assert not found.failed


@pytest.mark.parametrize("answer", ["", "  \n", "None", "[]", "N/A", "No entities found.", "{}"])
def test_no_candidates_is_no_failure(answer):
    found = read_candidates(answer)
    assert found.terms == ()
    assert not found.failed


def test_talk_is_reported_and_not_looked_up():
    found = read_candidates(
        "I think that there may be many answers to this, and it is hard to say which one is the best one!"
    )
    assert found.failed
    assert found.unread


def test_talk_around_bullets_is_unread():
    found = read_candidates("Here are the candidates:\n- gout\n\nLet me know!")
    assert found.terms == ("gout",)
    assert found.unread == ("Here are the candidates:", "Let me know!")


@given(st.text(max_size=200))
def test_any_answer_can_be_read(answer):
    found = read_candidates(answer)
    assert all(term.strip() == term and term for term in found.terms)


def test_candidates_are_looked_up_with_every_normalisation(small):
    found = looked_up(small, ["Heart Attacks", "lung cancers", "unheard of", "lung cancers"])
    assert [match.senses[0].concept for match in found] == ["T:1", "T:3"]
