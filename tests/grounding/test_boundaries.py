import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import Document, Entity, MatchKind, Span
from clinspan.grounding.boundaries import BoundaryRule, BoundaryRules, Edge, wilson_lower


def doc(marked, label="problem"):
    """A document from text with its gold in brackets."""
    text, entities, shift = marked.replace("[", "").replace("]", ""), [], 0
    for found in re.finditer(r"\[([^]]*)\]", marked):
        start = found.start() - shift
        entities.append(Entity(Span(start, start + len(found[1])), label, found[1]))
        shift += 2
    return Document("gold", text, tuple(entities))


def moved(rules, text, mention, label="problem"):
    start = text.index(mention)
    return rules.apply(Entity(Span(start, start + len(mention)), label, mention), text)


GOLD = [
    *[doc(f"He has [her pain {n}].".replace(f" {n}", " attack")) for n in range(6)],
    *[doc("Seen for [his cough], with no [fever]") for _ in range(8)],
    *[doc("There is no [acute distress] of the [lung disease]") for _ in range(8)],
]


def test_words_that_stand_inside_are_taken_in_and_the_rule_is_named():
    entity = moved(BoundaryRules.learn(GOLD), "Treated for his cough.", "cough")
    assert (entity.text, entity.rules) == ("his cough", ("take in 'his' on the left (8 of 8)",))


def test_words_that_stand_outside_are_left_out():
    entity = moved(BoundaryRules.learn(GOLD), "Pain of the lung", "the lung")
    assert (entity.text, entity.rules) == ("lung", ("leave out 'the' on the left (8 of 8)",))


def test_right_edges_are_learned_too():
    assert moved(BoundaryRules.learn(GOLD), "a lung disease", "lung").text == "lung disease"


def test_a_word_that_only_stands_outside_is_never_taken_in():
    rules = BoundaryRules.learn(GOLD)
    assert not any(rule.extends for rule in rules.rules if rule.inside == 0)
    assert moved(rules, "with no fever", "fever").text == "fever"


def test_a_negation_is_never_moved_whatever_gold_says():
    gold = [doc("There is [no fever] today") for _ in range(50)] + [doc("has [left pain]") for _ in range(50)]
    rules = BoundaryRules.learn(gold)
    assert moved(rules, "has no fever", "fever").text == "fever"
    assert moved(rules, "has no fever", "no fever").text == "no fever"
    assert {rule.word for rule in rules.rules}.isdisjoint({"no", "left"})


def test_another_label_has_its_own_conventions():
    rules = BoundaryRules.learn(GOLD)
    assert moved(rules, "for his cough", "cough", label="test").text == "cough"


def test_few_cases_make_no_rule():
    assert BoundaryRules.learn([doc("has [his cough]")] * 4).rules == ()
    split = [doc("has [his cough]")] * 10 + [doc("his [cough]")] * 8
    assert not any(rule.word == "his" for rule in BoundaryRules.learn(split).rules)


def test_a_mention_keeps_a_word_and_does_not_cross_an_empty_line():
    rules = BoundaryRules(
        (BoundaryRule("problem", Edge.LEFT, "the", 0, 9), BoundaryRule("problem", Edge.LEFT, "his", 9, 0))
    )
    assert moved(rules, "the", "the").text == "the"
    assert moved(rules, "his\n\ncough", "cough").text == "cough"
    assert moved(rules, "his\ncough", "cough").text == "his\ncough"


def test_fragments_stay():
    entity = Entity(Span(4, 20), "problem", "pain in the lung", fragments=(Span(4, 8), Span(16, 20)))
    assert BoundaryRules.learn(GOLD).apply(entity, "his pain in the lung") is entity


def test_everything_else_of_the_entity_is_kept():
    entity = Entity(Span(4, 9), "problem", "cough", score=0.5, match=MatchKind.FUZZY, rules=("before",))
    changed = BoundaryRules.learn(GOLD).apply(entity, "his cough")
    assert (changed.score, changed.match, changed.rules[0]) == (0.5, MatchKind.FUZZY, "before")


def test_no_rules_change_nothing():
    assert BoundaryRules().apply(Entity(Span(4, 9), "problem", "cough"), "his cough").text == "cough"


def test_rules_come_back_from_toml():
    rules = BoundaryRules.learn(GOLD)
    assert rules.rules
    assert BoundaryRules.from_toml(tomllib.loads(rules.to_toml())) == rules
    assert BoundaryRules.from_toml({}) == BoundaryRules()


@given(st.text(max_size=12), st.text(min_size=1, max_size=6))
def test_any_word_and_label_come_back_from_toml(label, word):
    label, word = (s.encode("utf-8", "replace").decode() for s in (label, word))
    rules = BoundaryRules((BoundaryRule(label, Edge.RIGHT, word, 6, 0),))
    assert BoundaryRules.from_toml(tomllib.loads(rules.to_toml())) == rules


@given(
    st.lists(st.sampled_from(["his", "the", "cough", "no", "disease", "\n", "."]), min_size=1, max_size=9), st.data()
)
def test_a_moved_entity_is_what_stands_in_the_text(words, data):
    text = " ".join(words)
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    entity = BoundaryRules.learn(GOLD).apply(Entity(Span(start, end), "problem", text[start:end]), text)
    assert entity.span.of(text) == entity.text


def test_a_rule_without_a_word_is_refused():
    with pytest.raises(ValueError, match="needs a word"):
        BoundaryRule("problem", Edge.LEFT, "", 1, 0)


@pytest.mark.parametrize(
    ("successes", "trials", "lower"), [(0, 0, 0.0), (5, 5, 0.5655), (8, 10, 0.4902), (50, 100, 0.4038)]
)
def test_wilson(successes, trials, lower):
    # Figures of statsmodels' proportion_confint(method="wilson").
    assert wilson_lower(successes, trials) == pytest.approx(lower, abs=1e-4)
