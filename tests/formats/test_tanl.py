import pytest
from hypothesis import given
from tests.formats.conftest import documents

from clinspan.document import Entity, Span
from clinspan.errors import ConfigError, LabelError
from clinspan.formats.tanl import Tanl
from clinspan.formats.tanl_marks import DEEPEST
from clinspan.labels import Label, LabelSet

LABELS = LabelSet("two", (Label("disease", "An illness."), Label("drug class", "Kinds of drugs.")))
TANL = Tanl()


def entity(text, mention, label="disease", at=None):
    start = text.index(mention) if at is None else at
    return Entity(Span(start, start + len(mention)), label, mention)


@given(documents(nested=True))
def test_gives_back_what_went_in(document):
    text, entities, labels = document
    reading = TANL.parse(TANL.render(text, entities, labels), labels)
    assert reading.copy == text
    ordered = sorted(entities, key=lambda e: (e.start, -e.end))
    assert [(m.label, m.text, m.position) for m in reading.mentions] == [(e.label, e.text, e.span) for e in ordered]
    assert (reading.unread, reading.repairs) == ((), ())


def test_the_form_is_fixed():
    text = "T-cell leukaemia [1] | ataxia"
    entities = [entity(text, "T-cell leukaemia"), entity(text, "ataxia", "drug class")]
    assert TANL.render(text, entities, LABELS) == r"[ T-cell leukaemia | disease ] \[1\] \| [ ataxia | drug class ]"


def test_nested_mentions_nest():
    text = "breast cancer"
    answer = TANL.render(text, [entity(text, "breast", "drug class"), entity(text, "breast cancer")], LABELS)
    assert answer == "[ [ breast | drug class ] cancer | disease ]"


def test_refuses_what_it_cannot_show():
    text = "left and right breast cancer"
    with pytest.raises(ConfigError, match=r"disease 'left and right' at 0-14 and disease 'right breast' at 9-21"):
        TANL.render(text, [entity(text, "left and right"), entity(text, "right breast")], LABELS)
    parts = Entity(Span(0, len(text)), "disease", text, fragments=(Span(0, 4), Span(15, len(text))))
    with pytest.raises(ConfigError, match="discontinuous"):
        TANL.render(text, [parts], LABELS)
    with pytest.raises(ConfigError, match="nested"):
        TANL.render(text, [entity(text, text)] * (DEEPEST + 1), LABELS)
    with pytest.raises(ConfigError, match="no 'left'"):
        TANL.render("right", [entity("left", "left")], LABELS)
    with pytest.raises(LabelError):
        TANL.render(text, [entity(text, "left", "side")], LABELS)


@pytest.mark.parametrize(
    ("answer", "copy", "mentions", "repairs", "unread"),
    [
        ("no [ flu | Disease ].", "no flu.", ["flu"], ["label 'Disease' read as 'disease'"], []),
        ("no [ flu | diseases ].", "no flu.", ["flu"], ["label 'diseases' read as 'disease'"], []),
        ("no [ flu | diesase ].", "no flu.", ["flu"], ["label 'diesase' read as 'disease'"], []),
        ("no [flu|disease].", "no flu.", ["flu"], ["changed spacing in a mark"], []),
        ("no [ flu | disease and [ pox | disease ].", "no flu and pox.", ["flu", "pox"],
         ["a mark without its closing bracket"], []),
        ("no [ flu | disease", "no flu", ["flu"], ["a mark without its closing bracket"], []),
        ("no [ flu | disease, drug class ].", "no flu.", ["flu"], [], ["| disease, drug class ]"]),
        ("see [1] and [ flu | disease ]", "see [1] and flu", ["flu"], ["unescaped '[' and ']' kept as text"], []),
        ("a | b | [ flu | disease ]", "a | b | flu", ["flu"], ["unescaped '|' kept as text"] * 2, []),
        ("a] [ flu | disease ]", "a] flu", ["flu"], ["unescaped ']' kept as text"], []),
        ("[ a | b | disease ]", "a | b", ["a | b"], ["unescaped '|' kept as text"], []),
        ("no [ flu | virus ] here", "no flu here", [], [], ["[ flu | virus ]"]),
        ("no [3|4] here", "no [3|4] here", [], [], ["[3|4]"]),
        ("no [ flu ] here", "no [ flu ] here", [], [], ["[ flu ]"]),
        ("[  | disease ]x", "x", [], [], ["[  |"]),
        ("no [ flu | dis", "no flu", [], [], ["[ flu | dis"]),
        ("no [ fl", "no fl", [], [], ["[ fl"]),
        ("[ [ a | disease ] b | virus ]", "a b", ["a"], [], ["[ [ a | disease ] b | virus ]"]),
        ("[ a | [ b | disease ]", "a | b", ["b"], ["unescaped '|' kept as text"], ["[ a | [ b | disease ]"]),
        ("", "", [], [], []),
        ("None", "None", [], [], []),
    ],
)  # fmt: skip
def test_reads_what_models_write(answer, copy, mentions, repairs, unread):
    reading = TANL.parse(answer, LABELS)
    assert reading.copy == copy
    assert [m.text for m in reading.mentions] == mentions
    assert all(m.position.of(copy) == m.text for m in reading.mentions)
    assert [r.what for r in reading.repairs] == repairs
    assert [u.text for u in reading.unread] == unread
    assert all(answer[u.start : u.end] == u.text for u in reading.unread)
    assert not reading.refused


def test_deep_nesting_is_reported_not_followed():
    reading = TANL.parse("[ " * 1000 + "a" + " | disease ]" * 1000, LABELS)
    assert len(reading.mentions) == DEEPEST
    assert {u.reason for u in reading.unread} == {"marks are nested too deep"}


def test_a_refusal_is_named():
    assert TANL.parse("I'm sorry, but I can't help with medical notes.", LABELS).refused
    assert not TANL.parse("I'm sorry to say she has [ flu | disease ].", LABELS).refused
