import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.decoding import compile_plan
from clinspan.document import Entity, Span
from clinspan.formats.tanl import Tanl
from clinspan.labels import Attribute, Label, LabelSet
from clinspan.messages import CopyConstraint
from clinspan.tuning.gold import choice_pair, markable
from tuning.sample import BOTH, DISEASE, document


def made(marked, labels=DISEASE):
    doc = document("d", marked)
    return choice_pair(doc.text, doc.entities, labels=labels, messages=())


def shown(pair):
    return [(pair.pieces[c.piece], *c.others) for c in pair.choices]


@pytest.mark.parametrize(
    ("marked", "choices"),
    [
        ("no gout", [("no", "["), (" gout", " [")]),
        ("{gout}", [("[", "gout")]),
        ("{gout}, too", [("[", "gout"), (" |", ","), (",", "["), (" too", " [")]),
        ("({AT})", [("(", "["), ("[", "AT"), (" |", ")"), (")", "[")]),
        ("{lung cancer} in", [("[", "lung"), (" cancer", " |"), (" |", " in"), (" in", " [")]),
        ("{T\ncell} x", [("[", "T"), ("\n", " |"), (" |", " x"), (" x", " [")]),
        ("{a} {b}", [("[", "a"), (" |", " b"), (" [", " b")]),
        ("a [b]", [("a", "["), (" \\[", " ["), ("b", "["), ("\\]", "[")]),
    ],
)
def test_what_is_decided(marked, choices):
    assert shown(made(marked)) == choices


def test_the_label_is_decided_where_there_are_several():
    pair = made("took {chemical:lithium} again", BOTH)
    assert (" chemical", " disease") in shown(pair)
    assert all(" disease" not in choice for choice in shown(made("had {gout} again")))


def test_entities_that_brackets_cannot_show():
    text = "preeclampsia and severe lung cancer"
    found = [
        Entity(Span(3, 12), "disease", text[3:12]),
        Entity(Span(17, 35), "disease", text[17:35]),
        Entity(Span(24, 28), "disease", text[24:28]),
        Entity(Span(0, 3), "finding", text[0:3]),
    ]
    assert [e.text for e in markable(text, found, DISEASE)] == ["preeclampsia", "severe lung cancer"]


words = st.text("ab [|]\\\n.-é漢", max_size=40)


@given(words, st.data())
def test_choices_are_those_of_the_decoder(text, data):
    """Whatever the text, a choice is between just the two ways that the compiled constraint knows there."""
    ends = st.integers(0, len(text))
    pairs = data.draw(st.lists(st.tuples(ends, ends), max_size=3))
    entities = [Entity(Span(a, b), "disease", text[a:b]) for a, b in pairs if a < b]
    pair = choice_pair(text, entities, labels=DISEASE, messages=())
    assert "".join(pair.pieces) == Tanl().render(text, markable(text, entities, DISEASE), DISEASE)
    plan = compile_plan(CopyConstraint(text, ("disease",)), lambda piece: (piece,))
    opens = {frozenset((*slot.open, *slot.copy)) for slot in plan.slots}
    stays = {frozenset((" |", plan.path_after(end)[0])) for end in range(1, len(plan.slots))}
    for choice in pair.choices:
        assert len(choice.others) == 1
        assert frozenset((pair.pieces[choice.piece], *choice.others)) in opens | stays


@given(words, st.data())
def test_every_word_outside_a_mention_is_a_choice(text, data):
    pair = choice_pair(text, (), labels=DISEASE, messages=())
    plan = compile_plan(CopyConstraint(text, ("disease",)), lambda piece: (piece,))
    assert len(pair.choices) == len(plan.slots)


def test_the_value_of_an_attribute_is_a_choice_among_those_declared():
    values = (("present", "It is there."), ("absent", "It is not."))
    labels = LabelSet(
        "own",
        (Label("problem", "A problem.", attributes=(Attribute("assertion", values, "present"),)), Label("drug", ".")),
    )
    told = Entity(Span(3, 7), "problem", "pain", attributes={"assertion": "absent"})
    pair = choice_pair("no pain now", [told], labels=labels, messages=())
    assert "".join(pair.pieces) == "no [ pain | problem | absent ] now"
    found = {pair.pieces[choice.piece]: choice.others for choice in pair.choices}
    assert found[" absent"] == (" present",)
    assert found[" problem"] == (" drug",)
    assert found[" |"] == (" now",)
    plain = choice_pair("no pain now", [told], labels=labels.without_attributes(), messages=())
    assert "".join(plain.pieces) == "no [ pain | problem ] now"
