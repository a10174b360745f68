"""Attributes in answers: what is written is read back, and what is not known costs no mention."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.conftest import documents

from clinspan import formats
from clinspan.document import Entity, Span
from clinspan.errors import ConfigError, LabelError
from clinspan.formats.named import asked_of
from clinspan.labels import Attribute, Example, Label, LabelSet
from clinspan.prompt import PromptSettings, build

GOLDEN = Path(__file__).parent.parent / "golden"
FORMATS = ["tanl", "dice", "json", "mapping"]
WORDS = ["absent", "past", "a|b", "[x]", "a\\b", "name=past", "None", "]", "disease", "İ", "[SEP]", "Absent", "-", "é="]
ASSERTION = Attribute("assertion", (("present", "It is there."), ("absent", "It is not.")), "present")
SEVERITY = Attribute("severity", (("mild", "Little."), ("severe", "Much.")), "mild")
COURSE = Attribute("course", (("mild", "Slow."), ("past", "Over.")), "past")
LABELS = LabelSet(
    "own",
    (
        Label("problem", "A health problem.", attributes=(ASSERTION, SEVERITY, COURSE)),
        Label("treatment", "What is done for it."),
    ),
)
TEXT = "No chest pain on aspirin."
PAIN = Entity(
    Span(3, 13), "problem", "chest pain", attributes={"course": "mild", "assertion": "absent", "section": "x"}
)
ASPIRIN = Entity(Span(17, 24), "treatment", "aspirin", attributes={"assertion": "absent"})


@st.composite
def attributes(draw):
    values = st.lists(st.sampled_from(WORDS), min_size=2, max_size=4, unique=True)
    names = draw(st.lists(st.sampled_from(["name", "past", "a b", "[y]"]), max_size=3, unique=True))
    made = [(name, draw(values)) for name in names]
    return tuple(Attribute(name, tuple((v, "It is.") for v in vs), vs[0]) for name, vs in made)


@st.composite
def attributed(draw):
    text, entities, labels = draw(documents())
    labels = replace(labels, labels=tuple(replace(label, attributes=draw(attributes())) for label in labels.labels))
    told = []
    for entity in entities:
        said = {}
        for attribute in labels[entity.label].attributes:
            if (value := draw(st.sampled_from([None, *attribute.value_names]))) is not None:
                said[attribute.name] = value
        told.append(replace(entity, attributes=said))
    return text, tuple(told), labels


@pytest.mark.parametrize("name", FORMATS)
@given(attributed())
def test_gives_back_what_went_in(name, document):
    form, (text, entities, labels) = formats.by_name(name), document
    reading = form.parse(form.render(text, entities, labels), labels)
    expected = sorted(entities, key=lambda e: (e.start, -e.end))
    if name == "dice":
        expected.sort(key=lambda e: labels.names.index(e.label))
    assert [(m.label, m.text, m.attributes) for m in reading.mentions] == [
        (e.label, e.text, e.attributes) for e in expected
    ]
    assert (reading.unread, reading.repairs) == ((), ())
    assert reading.copy == (text if form.repeats_text else None)


@pytest.mark.parametrize("name", FORMATS)
@given(attributed(), st.randoms())
def test_whatever_an_answer_says_is_read(name, document, rng):
    form, (text, entities, labels) = formats.by_name(name), document
    answer = list(form.render(text, entities, labels))
    for _ in range(rng.randrange(6)):
        at = rng.randrange(len(answer) + 1)
        answer[at : at + rng.randrange(3)] = rng.choice(["|", " | ", "[", "]", " ] ", ",", '"', "absent", " [ ", "\\"])
    reading = form.parse("".join(answer)[: rng.randrange(len(answer) + 2)], labels)
    for mention in reading.mentions:
        known = {a.name: a.value_names for a in labels[mention.label].attributes}
        assert all(value in known[name] for name, value in mention.attributes.items())


@pytest.mark.parametrize("name", FORMATS)
@given(attributed())
def test_nothing_is_written_where_nothing_is_asked(name, document):
    form, (text, entities, labels) = formats.by_name(name), document
    bare = [replace(entity, attributes={}) for entity in entities]
    plain = labels.without_attributes()
    assert form.render(text, entities, plain) == form.render(text, bare, plain)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("tanl", "No [ chest pain | problem | absent | course=mild ] on [ aspirin | treatment ]."),
        ("json", '[{"text": "chest pain", "label": "problem", '
                 '"attributes": {"assertion": "absent", "course": "mild"}}, '
                 '{"text": "aspirin", "label": "treatment"}]'),
        ("mapping", '{"chest pain": ["problem", "absent", "course=mild"], "aspirin": "treatment"}'),
    ],
)  # fmt: skip
def test_the_form_is_fixed(name, answer):
    assert formats.by_name(name).render(TEXT, [PAIN, ASPIRIN], LABELS) == answer


def test_the_form_of_dice_is_fixed():
    answer = formats.by_name("dice").render(TEXT, [PAIN, ASPIRIN], LABELS)
    assert "Mentions: chest pain | absent | course=mild\n" in answer
    assert answer.endswith("Mentions: aspirin")


@pytest.mark.parametrize(
    ("name", "answer", "said", "unread", "repairs"),
    [
        ("tanl", "No [ pain | problem | absnt ] now", {}, ["'absnt' is no value that was asked for"], []),
        ("tanl", "No [ pain | problem | Absent ] now", {"assertion": "absent"}, [],
         ["value 'Absent' read as 'absent'"]),
        ("tanl", "No [ pain | problem | severity: mild ] now", {"severity": "mild"}, [],
         ["value 'severity: mild' read as 'severity=mild'"]),
        ("tanl", "No [ pain | problem | mild ] now", {}, ["'mild' is no value that was asked for"], []),
        ("tanl", "No [ pain | problem | absent | present ] now", {"assertion": "absent"},
         ["a second value of 'assertion'"], []),
        ("tanl", "No [ pain | problem, absent ] now", {"assertion": "absent"}, [],
         ["values without a bar before them"]),
        ("tanl", "No [ pain|problem|absent ] now", {"assertion": "absent"}, [], ["changed spacing in a mark"]),
        ("tanl", "No [ pain | problem | absent now", {"assertion": "absent"}, [],
         ["a mark without its closing bracket"]),
        ("json", '[{"text": "pain", "label": "problem", "assertion": "absent"}]', {"assertion": "absent"}, [], []),
        ("json", '[{"text": "pain", "label": "problem", "attributes": {"assertion": "gone", "size": null}}]', {},
         ["'assertion=gone' is no value that was asked for"], []),
        ("json", '[{"text": "pain", "label": "problem", "attributes": ["absent"]}]', {"assertion": "absent"}, [], []),
        ("mapping", '{"pain": ["problem", "absent", "odd"]}', {"assertion": "absent"},
         ["'odd' is no value that was asked for"], []),
        ("dice", "The type is problem.\nIt means: A health problem.\nMentions: pain | odd | absent\n\n"
                 "The type is treatment.\nIt means: What is done for it.\nMentions: <entity>",
         {"assertion": "absent"}, ["'odd' is no value that was asked for"], []),
    ],
)  # fmt: skip
def test_what_is_not_known_costs_no_mention(name, answer, said, unread, repairs):
    reading = formats.by_name(name).parse(answer, LABELS)
    assert [(m.text, dict(m.attributes)) for m in reading.mentions] == [("pain", said)]
    assert [u.reason for u in reading.unread] == unread
    assert all(u.harmless for u in reading.unread)
    assert [r.what for r in reading.repairs] == repairs
    if name == "tanl":
        assert reading.copy == "No pain now"


def test_an_attribute_of_a_label_that_has_none_costs_no_mention():
    (mention,) = (reading := formats.by_name("tanl").parse("on [ aspirin | treatment | absent ]", LABELS)).mentions
    assert (mention.text, dict(mention.attributes), reading.copy) == ("aspirin", {}, "on aspirin")
    assert [u.reason for u in reading.unread] == ["'absent' stands at 'treatment', asked for none"]


@pytest.mark.parametrize(
    ("answer", "said"), [("[ pain | problem | abs", {}), ("[ pain | problem | absent", {"assertion": "absent"})]
)
def test_an_answer_that_ends_inside_a_mark_keeps_its_mention(answer, said):
    reading = formats.by_name("tanl").parse(answer, LABELS)
    assert [(m.text, dict(m.attributes)) for m in reading.mentions] == [("pain", said)]
    assert reading.copy == "pain"


@pytest.mark.parametrize("name", FORMATS)
def test_a_value_that_is_not_declared_is_refused(name):
    wrong = replace(PAIN, attributes={"assertion": "maybe"})
    with pytest.raises(ConfigError, match="assertion 'maybe' of a problem is not declared"):
        formats.by_name(name).render(TEXT, [wrong], LABELS)


def test_values_that_attributes_share_stand_with_their_names():
    forms = {form for attribute in asked_of(LABELS)["problem"] for _, form in attribute.values}
    assert forms == {"present", "absent", "severity=mild", "severe", "course=mild", "past"}


def test_a_name_with_an_equals_sign_is_refused():
    with pytest.raises(LabelError, match="without ="):
        Attribute("a=b", (("x", "X."), ("y", "Y.")), "x")


def test_json_answers_satisfy_the_schema():
    schema = formats.by_name("json").json_schema(LABELS)["items"]["properties"]["attributes"]
    assert schema["properties"]["severity"]["enum"] == ["mild", "severe"]
    mapped = formats.by_name("mapping").json_schema(LABELS)["additionalProperties"]["anyOf"][1]
    answer = json.loads(formats.by_name("mapping").render(TEXT, [PAIN], LABELS))
    assert set(answer["chest pain"]) <= set(mapped["items"]["enum"])


@pytest.mark.parametrize("name", [*FORMATS, "brief"])
def test_the_whole_prompt(name):
    form = formats.by_name("tanl" if name == "brief" else name)
    style = "brief" if name == "brief" else "full"
    labels = replace(LABELS, examples=(Example(TEXT, (PAIN, ASPIRIN)),))
    settings = PromptSettings(style, attributes="model")
    messages = build("He had mild pain.", labels=labels, form=form, examples=labels.examples, settings=settings)
    shown = "".join(f"--- {m.role}\n{m.content}\n" for m in messages)
    golden = GOLDEN / f"prompt-attributes-{name}.txt"
    if os.environ.get("CLINSPAN_WRITE_GOLDEN"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


def test_nothing_is_asked_unless_the_settings_say_so():
    form = formats.by_name("tanl")
    asked = build(TEXT, labels=LABELS, form=form, examples=(Example(TEXT, (PAIN,)),))
    assert asked == build(TEXT, labels=LABELS.without_attributes(), form=form, examples=(Example(TEXT, (PAIN,)),))


def test_a_label_that_is_cut_off_is_no_label():
    labels = LabelSet(
        "random", (Label("[x]", "A kind.", attributes=(Attribute("past", (("no", "-"), ("yes", "-")), "no"),)),)
    )
    reading = formats.by_name("mapping").parse('{"gout": ["[x]', labels)
    assert (reading.mentions, [one.reason for one in reading.unread]) == ((), ["a mention without a label"])
