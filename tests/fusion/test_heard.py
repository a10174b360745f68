"""What sources say becomes candidates, and what is known of them rows of numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.dictionary.match import Match, Sense, TermMatch
from clinspan.dictionary.written import abbreviations
from clinspan.document import Document, Entity, Span
from clinspan.fusion.features import ELSEWHERE, NAMES, Prior, elsewhere, log_odds, rows
from clinspan.fusion.heard import Candidate, Heard, gathered
from clinspan.labels import Label, LabelSet

LABELS = LabelSet(
    "s",
    (
        Label("problem", "A problem.", semantic_types=("Disease or Syndrome",)),
        Label("test", "A test.", semantic_types=("Laboratory Procedure",)),
    ),
)
NOTHING = Prior()
TEXT = "Gouty arthritis of the knee. CRP was raised; gouty arthritis again."


def entity(words: str, label: str = "problem", score: float | None = None, text: str = TEXT, after: int = 0) -> Entity:
    start = text.index(words, after)
    return Entity(Span(start, start + len(words)), label, words, score)


def column(heard: Heard, name: str, prior: Prior = NOTHING) -> list[float]:
    return list(rows(heard, LABELS, prior)[:, NAMES.index(name)])


def test_sources_that_name_one_place_are_one_candidate():
    told = [
        ("dictionary", entity("Gouty arthritis")),
        ("encoder", entity("Gouty arthritis", score=0.7)),
        ("encoder", entity("Gouty arthritis", score=0.2)),
        ("llm", entity("CRP", "test", 0.9)),
    ]
    first, second = gathered(told, [Span(0, 28)])
    assert (first.entity.text, first.said, first.asked) == (
        "Gouty arthritis",
        {"dictionary": None, "encoder": 0.7},
        True,
    )
    assert (second.entity.text, second.said, second.asked) == ("CRP", {"llm": 0.9}, False)


def test_without_an_llm_what_it_alone_named_is_gone():
    told = [("encoder", entity("CRP", "test", 0.4)), ("llm", entity("CRP", "test", 0.9)), ("llm", entity("knee"))]
    heard = Heard(TEXT, gathered(told, [Span(0, len(TEXT))])).without_llm()
    assert [(one.entity.text, one.said, one.asked) for one in heard.candidates] == [("CRP", {"encoder": 0.4}, False)]


def test_asked_about_a_part_an_llm_is_heard_there_alone():
    told = [("encoder", entity("CRP", "test", 0.4)), ("llm", entity("CRP", "test", 0.9)), ("llm", entity("knee"))]
    heard = Heard(TEXT, gathered(told, [Span(0, len(TEXT))]))
    at = entity("CRP", "test").span
    partly = heard.asked_in([Span(at.start, at.start + 1)])
    assert [(one.entity.text, set(one.said), one.asked) for one in partly.candidates] == [
        ("CRP", {"encoder", "llm"}, True)
    ]
    assert heard.asked_in([Span(0, len(TEXT))]) == heard


def test_a_candidate_that_nobody_names_is_refused():
    with pytest.raises(ValueError, match="no source names"):
        Candidate(entity("CRP"), {})


def test_rivals_are_told_apart_by_how_they_overlap():
    told = [
        ("encoder", entity("Gouty arthritis", score=0.6)),
        ("encoder", entity("Gouty arthritis of the knee", score=0.2)),
        ("encoder", entity("arthritis", score=0.1)),
        ("encoder", entity("Gouty arthritis", "test", 0.05)),
        ("encoder", entity("CRP", "test", 0.9)),
    ]
    heard = Heard(TEXT, gathered(told, []))
    at = next(n for n, one in enumerate(heard.candidates) if one.said["encoder"] == 0.6)
    row = dict(zip(NAMES, rows(heard, LABELS, Prior())[at], strict=True))
    expected = {"best rival": 0.2, "longer rival": 0.2, "shorter rival": 0.1, "other label": 0.05, "ends here": 0.75}
    assert {name: row[name] for name in expected} == pytest.approx({n: log_odds(p) for n, p in expected.items()})


def test_a_vote_without_a_probability_counts_as_one_without():
    heard = Heard(TEXT, gathered([("llm", entity("CRP", "test")), ("encoder", entity("knee", score=0.5))], []))
    assert column(heard, "llm names it") == [0, 1]
    assert column(heard, "llm") == [0, 0]


def test_the_dictionary_tells_kind_and_types():
    sense = Sense("C1", "arthritis", "V", "gouty arthritis", ("Disease or Syndrome",), "", 0.9)
    place = entity("gouty arthritis", after=20).span
    match = Match(place, "gouty arthritis", TermMatch.EXACT, (sense, sense))
    told = [("encoder", entity("gouty arthritis", label, 0.3, after=20)) for label in LABELS.names]
    heard = Heard(TEXT, gathered(told, []), (match,))
    assert column(heard, "types fit") == [1, 0]
    assert column(heard, "types fit another label") == [0, 1]
    assert column(heard, "letter for letter") == [1, 1]
    assert column(heard, "meanings") == pytest.approx([np.log(2)] * 2)


def test_decisions_elsewhere_count_for_the_same_string_and_its_short_form():
    text = "Gouty arthritis (GA) hurts. GA is old. CRP."
    told = [("encoder", entity(words, score=0.5, text=text)) for words in ("Gouty arthritis", "CRP")]
    told.append(("encoder", entity("GA", score=0.5, text=text, after=25)))
    heard = Heard(text, gathered(told, []), (), abbreviations(text))
    assert [one.entity.text for one in heard.candidates] == ["Gouty arthritis", "GA", "CRP"]
    found = elsewhere(heard, np.array([0.9, 0.3, 0.2]))
    best = found[:, ELSEWHERE.index("likeliest elsewhere")]
    assert list(best) == pytest.approx([log_odds(0.3), log_odds(0.9), 0.0])


def note(number: int, text: str, *marked: str) -> Document:
    return Document(str(number), text, tuple(entity(words, text=text) for words in marked))


def test_a_string_is_counted_where_no_longer_mention_decides():
    prior = Prior.of([note(1, "Gout. No gout. Tophaceous gout.", "Gout", "Tophaceous gout"), note(2, "GOUT")])
    assert prior.of_string("gout", "problem") == (1, 3)
    assert prior.of_string("gout", "test") == (0, 3)
    assert prior.of_string("tophaceous  gout", "problem") == (1, 1)
    assert prior.of_string("rickets", "problem") == (0, 0)


@given(
    st.lists(st.lists(st.sampled_from(["gout", "severe gout", "ward", "asthma"]), max_size=5), min_size=1, max_size=4)
)
def test_counts_without_a_document_are_those_of_the_others(texts):
    notes = []
    for number, words in enumerate(texts):
        text = ". ".join(words)
        notes.append(note(number, text, *{word for word in words if word != "ward"}))
    whole, others = Prior.of(notes), Prior.of(notes[1:])
    without = whole.without(notes[0])
    for string in others.seen:
        assert without.of_string(string, "problem") == others.of_string(string, "problem")
    assert Prior.from_dict(whole.to_dict()).to_dict() == whole.to_dict()
