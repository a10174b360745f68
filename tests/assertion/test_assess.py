import itertools
from collections.abc import Collection
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinspan.assertion.assess import assess, completed
from clinspan.assertion.lexicon import Cue, Lexicon, languages, lexicon, tokens
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError
from clinspan.labels import Attribute, Label, LabelSet

PROBLEMS = LabelSet.builtin("problem-treatment-test")
PAIN = Entity(Span(12, 16), "problem", "pain")


def document(text: str, *mentions: str, label: str = "problem") -> Document:
    entities = []
    at = 0
    for mention in mentions:
        at = text.index(mention, at)
        entities.append(Entity(Span(at, at + len(mention)), label, mention))
        at += len(mention)
    return Document("d", text, tuple(entities))


def assertions(text: str, *mentions: str) -> list[str | None]:
    return [entity.attribute("assertion") for entity in assess(document(text, *mentions), PROBLEMS).entities]


def test_a_denial_runs_over_the_whole_list_and_ends_with_the_sentence():
    found = assertions("He denies fever, chills, or cough. He has a rash.", "fever", "chills", "cough", "a rash")
    assert found == ["absent", "absent", "absent", "present"]


def test_a_list_that_is_denied_at_its_end_needs_no_other_mention():
    assert assertions("Fever, chills and night sweats were denied.", "Fever") == ["absent"]
    assert assertions("She has fever, and chills were denied.", "fever") == ["present"]


def test_a_denial_at_the_end_reaches_back_over_all_mentions_of_its_list():
    assert assertions("Fever and chills were denied.", "Fever", "chills") == ["absent"] * 2
    assert assertions("Fever, rash and chills were denied.", "Fever", "rash", "chills") == ["absent"] * 3
    assert assertions("Fever, rash, and chills were denied.", "Fever", "rash", "chills") == ["absent"] * 3


@pytest.mark.parametrize(
    "text",
    [
        "He has a cough, and fever was denied.",
        "Known cough, and fever is excluded.",
        "There is cough and fever was denied.",
    ],
)
def test_a_denial_of_one_thing_leaves_the_clause_before_it_alone(text: str):
    assert assertions(text, "cough", "fever") == ["present", "absent"]


def test_a_finding_with_a_measure_or_a_verb_of_its_own_ends_a_denial():
    assert assertions("No cough, edema 2+ to the knees.", "cough", "edema") == ["absent", "present"]
    assert assertions("Despite no fever, leukocytosis continued.", "fever", "leukocytosis") == ["absent", "present"]


def test_doubt_about_one_problem_is_no_doubt_about_the_next():
    assert assertions("Possible pneumonia and an effusion.", "pneumonia", "effusion") == ["possible", "present"]
    assert assertions("Possible pneumonia or effusion.", "pneumonia", "effusion") == ["possible", "possible"]


def test_a_question_mark_belongs_to_the_word_it_touches():
    assert assertions("SIADH?, anemia. Weight loss. ?lymphoma", "SIADH", "anemia", "loss", "lymphoma") == [
        "possible",
        "present",
        "present",
        "possible",
    ]


def test_a_suspicion_that_is_denied_is_absent():
    assert assertions("No mass suspicious for malignancy.", "malignancy") == ["absent"]


def test_a_denial_heads_the_items_below_it():
    assert assertions("Denies:\n- chest pain\n- fever\n", "chest pain", "fever") == ["absent", "absent"]


@pytest.mark.parametrize(
    ("text", "mention", "expected"),
    [
        ("[ ] diabetes", "diabetes", "absent"),
        ("[x] diabetes", "diabetes", "present"),
        ("[?] diabetes", "diabetes", "possible"),
        ("-N/V, +cough", "V", "absent"),
        ("N+ V-; denies pain", "V", "absent"),
        ("-fever\n-cough", "cough", "present"),
        ("Asthma: no   Gout: yes", "Gout", "present"),
        ("HCV (-), HBV", "HCV", "absent"),
        ("Cough: denies\nSputum: yes", "Cough", "absent"),
        ("FAMILY HISTORY:\nDiabetes.\n", "Diabetes", "associated-with-someone-else"),
        ("Family History\n--------------\nDiabetes.\n", "Diabetes", "associated-with-someone-else"),
        ("ALLERGIES: Penicillin (hives).", "hives", "conditional"),
    ],
)
def test_signs_and_headings_say_what_no_sentence_says(text: str, mention: str, expected: str):
    assert assertions(text, mention) == [expected]


def test_a_label_without_attributes_gets_none():
    found = assess(document("He denies aspirin.", "aspirin", label="treatment"), PROBLEMS)
    assert not found.entities[0].attributes


def test_an_attribute_that_no_rule_knows_stays_absent():
    severity = Attribute("severity", (("mild", "Little."), ("severe", "Much.")), "mild")
    labels = LabelSet("x", (Label("problem", "A problem.", attributes=(severity,)),))
    assert not assess(document("He denies pain.", "pain"), labels).entities[0].attributes


def test_a_class_that_the_set_does_not_declare_is_not_given():
    few = Attribute("assertion", (("present", "Is."), ("absent", "Is not.")), "present")
    labels = LabelSet("x", (Label("problem", "A problem.", attributes=(few,)),))
    assert assess(document("Possible pneumonia.", "pneumonia"), labels).entities[0].attribute("assertion") == "present"


Values = dict[str, tuple[str, float | None]]


class Says:
    """A source that says these values, and keeps what it was asked about."""

    def __init__(self, *values: Values) -> None:
        self.values, self.asked = list(values), list[Collection[int] | None]()

    def __call__(self, document: Document, among: Collection[int] | None = None) -> list[Values]:
        self.asked.append(among)
        return self.values


def test_a_cue_decides_before_a_source_without_probabilities_and_the_source_where_there_is_none():
    possible: Values = {"assertion": ("possible", None)}
    reads = Says(possible, {**possible, "unheard": ("of", None)}, {"temporality": ("past", None)})
    found = assess(document("He denies cough.\nFever today. Gout.", "cough", "Fever", "Gout"), PROBLEMS, reads=reads)
    assert [entity.attribute("assertion") for entity in found.entities] == ["absent", "possible", "present"]
    assert "unheard" not in found.entities[1].attributes
    assert found.entities[2].attribute("temporality") == "past"


@pytest.mark.parametrize(("sure", "expected"), [(0.65, ["possible", "possible"]), (0.4, ["absent", "possible"])])
def test_a_source_is_believed_where_it_is_sure_or_no_cue_stands(sure: float, expected: list[str]):
    said: Values = {"assertion": ("possible", sure), "temporality": ("past", 0.4)}
    found = assess(document("He denies cough.\nFever today.", "cough", "Fever"), PROBLEMS, reads=Says(said, said))
    assert [entity.attribute("assertion") for entity in found.entities] == expected
    assert [entity.attribute("temporality") for entity in found.entities] == ["past", "past"]


def test_only_what_can_have_attributes_is_asked_about():
    reads = Says({}, {"assertion": ("possible", 0.9)})
    given_ = Document("d", "Aspirin for pain.", (Entity(Span(0, 7), "treatment", "Aspirin"), PAIN))
    assert not assess(given_, PROBLEMS, reads=reads).entities[0].attributes
    assert reads.asked == [[1]]


def test_those_who_say_their_assertion_themselves_are_not_asked_about():
    said = replace(PAIN, attributes={"assertion": "absent"}, attribute_scores=(("assertion", 0.9),))
    gout = Entity(Span(18, 22), "problem", "Gout")
    possible: Values = {"assertion": ("possible", 0.9), "temporality": ("past", 0.9)}
    reads = Says(possible, possible)
    found = assess(Document("d", "Aspirin for pain. Gout.", (said, gout)), PROBLEMS, reads=completed(reads)).entities
    assert reads.asked == [[1]]
    assert [one.attribute("assertion") for one in found] == ["absent", "possible"]
    assert [one.attribute("temporality") for one in found] == ["current", "past"]


def test_values_that_are_there_may_be_kept():
    said = Document("d", "No pain.", (Entity(Span(3, 7), "problem", "pain", attributes={"assertion": "possible"}),))
    assert assess(said, PROBLEMS, keep=True).entities[0].attributes == {
        "assertion": "possible",
        "temporality": "current",
    }
    assert assess(said, PROBLEMS).entities[0].attribute("assertion") == "absent"


def test_sections_are_told_only_where_they_are_asked_for():
    given_ = document("HPI: Cough.\nFamily History: Asthma.", "Cough", "Asthma")
    assert "sections" not in assess(given_, PROBLEMS).metadata
    found = assess(given_, PROBLEMS, with_sections=True)
    assert [entity.attribute("section") for entity in found.entities] == ["present-illness", "family-history"]
    assert [part["name"] for part in found.metadata["sections"]] == ["present-illness", "family-history"]  # type: ignore


def test_a_history_of_a_chronic_disease_is_not_past():
    found = assess(document("History of stroke. History of hypertension.", "stroke", "hypertension"), PROBLEMS).entities
    assert [entity.attribute("temporality") for entity in found] == ["past", "current"]


_WORDS = st.sampled_from(
    ["no", "fever", "denies", ",", "or", ".", "\n", "- ", "[ ]", "if", "mother", "has", ":", "é", "🙂"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_WORDS, max_size=25), st.data())
def test_places_and_texts_never_change(words: list[str], data: st.DataObject):
    text = " ".join(words)
    entities = []
    for _ in range(data.draw(st.integers(0, 4)) if text else 0):
        start = data.draw(st.integers(0, len(text) - 1))
        end = data.draw(st.integers(start + 1, len(text)))
        entities.append(Entity(Span(start, end), "problem", text[start:end]))
    before = Document("d", text, tuple(entities))
    after = assess(before, PROBLEMS, with_sections=True)
    assert after.text == text
    assert [(e.span, e.text, e.label) for e in after.entities] == [(e.span, e.text, e.label) for e in before.entities]
    assert all(e.attribute("assertion") in PROBLEMS["problem"].attributes[0].value_names for e in after.entities)


@given(st.text(max_size=80))
def test_tokens_stand_where_they_say(text: str):
    found = tokens(text)
    assert all(token.start < token.end <= len(text) for token in found)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))


def test_the_longest_cue_hides_those_inside():
    found = lexicon().find(tokens("no change in pain"))
    assert [cue.kind for cue in found[0].cues] == ["none"]


def test_choices_may_be_empty_and_stand_in_one_another():
    terms = ["no {clear {sign|mark} |}of", "{rid |}of all"]
    found = Lexicon({"language": "en", "cues": [{"class": "absent", "terms": terms}]}, where="x.toml")
    for said in ("no of", "no clear sign of", "no clear mark of", "of all", "rid of all"):
        assert [(hit.first, hit.end) for hit in found.find(tokens(said))] == [(0, len(said.split()))]
    assert not found.find(tokens("no clear of"))


def test_languages_are_files():
    assert languages() == ("en",)
    with pytest.raises(ConfigError, match="no lexicon"):
        lexicon("fr")


def test_a_wrong_lexicon_is_refused():
    with pytest.raises(ConfigError, match="unknown key"):
        Lexicon({"language": "en", "cues": [{"class": "absent", "reech": 3, "terms": ["no"]}]}, where="x.toml")
    with pytest.raises(ConfigError, match="braces"):
        Lexicon({"language": "en", "cues": [{"class": "absent", "terms": ["no {sign|mark"]}]}, where="x.toml")
    with pytest.raises(ConfigError, match="unknown class"):
        Cue("denied")
