import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import MatchKind, Span
from clinspan.formats.base import Mention
from clinspan.grounding import GroundingSettings, ground
from clinspan.grounding.guards import difference, signature
from clinspan.grounding.spelling import fold, fold_string

NOTE = "Pt denies chest pain. HTN, anaemia. Metoprolol 25 mg bid; chest pain in May, pain in L knee."


def texts(found):
    return [(entity.label, entity.start, entity.text, entity.match) for entity in found.entities]


@pytest.mark.parametrize(
    ("said", "there", "match"),
    [
        ("HTN", "HTN", MatchKind.EXACT),
        ("HTN.", "HTN", MatchKind.NORMALISED),
        ("Chest  Pain", "chest pain", MatchKind.NORMALISED),
        ("metoprolol 25mg", "Metoprolol 25 mg", MatchKind.NORMALISED),
        ("anemia", "anaemia", MatchKind.FUZZY),
        ("metoprolel", "Metoprolol", MatchKind.FUZZY),
    ],
)
def test_match_kind_says_how_the_text_bears_the_mention(said, there, match):
    (entity,) = ground(NOTE, [Mention("P", said)]).entities
    assert (entity.text, entity.match) == (there, match)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Metoprolol 50 mg", "the number is changed: the text says 'Metoprolol 25 mg'"),
        ("Metoprolol 25 mcg", "the unit is changed: the text says 'Metoprolol 25 mg'"),
        ("pain in R knee", "the side is changed: the text says 'pain in L knee'"),
        ("asthma", "not in the text"),
        ("HT", "stands only inside longer words or numbers"),
        ("", "the mention is empty"),
    ],
)
def test_every_ungrounded_mention_has_its_reason(said, reason):
    found = ground(NOTE, [Mention("P", said)])
    assert found.entities == ()
    assert [(missing.mention.text, missing.reason) for missing in found.ungrounded] == [(said, reason)]


def test_a_mention_named_too_often_is_not_put_on_one_place_twice():
    found = ground(NOTE, [Mention("P", "HTN", score=0.9), Mention("P", "HTN", score=0.4)])
    assert [(entity.start, entity.score) for entity in found.entities] == [(22, 0.9)]
    assert found.ungrounded[0].reason == "named more often than it occurs in the text"


def test_all_occurrences_leaves_those_inside_a_longer_mention_alone():
    settings = GroundingSettings(all_occurrences=True)
    found = ground(NOTE, [Mention("P", "pain"), Mention("P", "chest pain")], settings=settings)
    assert [(entity.start, entity.text) for entity in found.entities] == [
        (10, "chest pain"),
        (58, "chest pain"),
        (77, "pain"),
    ]


def test_fuzzy_matching_can_be_switched_off():
    settings = GroundingSettings(fuzzy=False)
    assert ground(NOTE, [Mention("P", "anemia")], settings=settings).entities == ()


def test_position_in_the_copy_decides():
    mentions = [Mention("P", "chest pain", Span(58, 68)), Mention("P", "pain", Span(16, 20))]
    found = ground(NOTE, mentions, copy=NOTE)
    assert [(entity.start, entity.text) for entity in found.entities] == [(16, "pain"), (58, "chest pain")]


def test_a_position_whose_text_is_another_falls_back_to_the_string():
    found = ground(NOTE, [Mention("P", "HTN", Span(0, 3))], copy=NOTE)
    assert texts(found) == [("P", 22, "HTN", MatchKind.EXACT)]


def test_discontinuous_mention_has_fragments_and_their_hull():
    text = "left and right knee swelling"
    found = ground(text, [Mention("P", "left knee swelling", parts=("left", "knee swelling"))])
    (entity,) = found.entities
    assert (entity.text, entity.fragments) == (text, (Span(0, 4), Span(15, 28)))


def test_parts_far_apart_are_no_mention():
    text = "left " + "and so on " * 40 + "knee"
    found = ground(text, [Mention("P", "left knee", parts=("left", "knee"))])
    assert found.entities == ()
    assert found.ungrounded[0].reason == "its parts do not stand near each other in the text"


PIECES = "fever cough Fever MI 25 mg 2.5 left no-one pneu-monia ﬁbrosis İ ß é 高血压 \n | 5-10 < ½ ⁹"
words = st.sampled_from(PIECES.split(" "))
notes = st.lists(words, max_size=20).map(" ".join)


@given(notes, st.lists(notes, max_size=6))
def test_whatever_is_grounded_says_the_same(text, said):
    found = ground(text, [Mention("P", mention) for mention in said])
    assert len(found.entities) + len(found.ungrounded) == len(said)
    for entity in found.entities:
        assert entity.span.of(text) == entity.text
    assert len({(entity.start, entity.end) for entity in found.entities}) == len(found.entities)


@given(st.text(max_size=60), st.data())
def test_a_piece_of_the_text_is_grounded_on_its_own_characters(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    for entity in ground(text, [Mention("P", text[start:end])]).entities:
        assert entity.text == entity.span.of(text)
        assert fold_string(entity.text) in fold_string(text)


@given(st.text(max_size=80))
def test_folding_keeps_the_way_back(text):
    folded = fold(text)
    assert folded.text == fold_string(text)
    starts = [span[0] for at in range(len(folded.text)) if (span := folded.span(at, at + 1))]
    assert starts == sorted(starts)
    for at in range(len(folded.text)):
        span = folded.span(at, at + 1)
        if span is not None:
            assert fold_string(text[slice(*span)]) == folded.text[at]


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_no_number_is_grounded_on_another(said, there):
    found = ground(f"took metoprolol {there} mg daily", [Mention("P", f"metoprolol {said} mg")])
    assert bool(found.entities) == (said == there)


@pytest.mark.parametrize(
    ("mention", "found", "changed"),
    [
        ("5-10 mg", "5–10 mg", None),
        ("5-10 mg", "510 mg", "number"),
        ("1 1/2 tablets", "1½ tablets", None),
        ("11/2 tablets", "1½ tablets", "number"),
        ("grade I-II", "grade III", "number"),
        ("5 mM", "5 mm", "unit"),
        ("no where", "nowhere", "negation"),
        ("a-left", "aleft", "side"),
    ],
)
def test_guards_see_what_folding_hides(mention, found, changed):
    assert fold_string(mention) == fold_string(found)
    assert difference(mention, found) == changed


def test_signature_reads_every_kind():
    seen = signature("no left effusion ≥ 5 mM, increased")
    assert (seen.number, seen.unit, seen.side, seen.negation) == (("5",), ("mM",), ("left",), ("no",))
    assert seen.comparison == (">", "=", "increased")


def test_answers_meant_to_exhaust_end_soon():
    text = "a " * 20_000
    said = (
        [Mention("P", "a " * n + "a") for n in range(1, 60)] + [Mention("P", "A")] * 500 + [Mention("P", "x" * 50_000)]
    )
    found = ground(text, random.Random(1).sample(said, len(said)))
    assert len(found.entities) + len(found.ungrounded) == len(said)


@pytest.mark.parametrize(
    ("copy", "said", "expected"),
    [
        ("Took 25 mg, then 25  mg more", Span(17, 23), [(17, "25 mg")]),
        ("took 25 mg, then 25 MG more", Span(17, 22), [(17, "25 mg")]),
        ("took 25 mg, then 50 mg more", Span(17, 22), []),
        ("Here is the text: took 25 mg, then 25 mg more", Span(35, 40), [(17, "25 mg")]),
        ("Something else that says 25 mg", Span(25, 30), [(17, "25 mg")]),
        ("I found: 50 mg. It was then 25 mg", Span(28, 33), [(17, "25 mg")]),
    ],
)
def test_a_copy_that_drifted_still_says_where(copy, said, expected):
    text = "took 25 mg, then 25 mg more"
    found = ground(text, [Mention("P", said.of(copy), said)], copy=copy)
    assert [(entity.start, entity.text) for entity in found.entities] == expected
    if not expected:
        assert found.ungrounded[0].reason == "the text says '25 mg' in its place"


def test_a_changed_dose_in_the_copy_is_not_looked_for_far_away():
    text = "took 25 mg of the one drug in the morning, then 50 mg of the other one"
    copy = text.replace("25", "50")
    assert ground(text, [Mention("P", "50 mg", Span(5, 10))], copy=copy).entities == ()


def test_a_position_never_cuts_a_number():
    assert ground("took 2.5 mg", [Mention("P", "5 mg", Span(7, 11))], copy="took 2.5 mg").entities == ()


def test_one_position_named_twice_is_one_entity():
    found = ground(NOTE, [Mention("P", "HTN", Span(22, 25))] * 2, copy=NOTE)
    assert len(found.entities) == 1
    assert [missing.reason for missing in found.ungrounded] == ["named twice at one place"]
