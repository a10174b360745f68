"""Every format gives back what went in, whatever the text and the labels are made of."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.conftest import documents

from clinspan import formats
from clinspan.document import Entity, Span
from clinspan.errors import ConfigError, LabelError
from clinspan.labels import Label, LabelSet

LABELS = LabelSet("two", (Label("disease", "An illness."), Label("drug class", "Kinds of drugs.")))


def said(entity):
    return (entity.label, entity.text)


@pytest.mark.parametrize("name", formats.names())
@given(documents())
def test_gives_back_what_went_in(name, document):
    form, (text, entities, labels) = formats.by_name(name), document
    reading = form.parse(form.render(text, entities, labels), labels)
    expected = sorted(entities, key=lambda e: (e.start, -e.end))
    if "dice" in name:
        expected.sort(key=lambda e: labels.names.index(e.label))
    assert [said(m) for m in reading.mentions] == [said(e) for e in expected]
    assert (reading.unread, reading.repairs) == ((), ())
    assert reading.copy == (text if form.repeats_text else None)
    if form.repeats_text:
        assert [m.position for m in reading.mentions] == [e.span for e in expected]


@pytest.mark.parametrize("name", ["json", "mapping", "dice"])
@given(documents(nested=True), st.randoms())
def test_lists_show_overlapping_mentions(name, document, rng):
    text, entities, labels = document
    start, end = sorted((rng.randrange(len(text)), rng.randrange(len(text))))
    entities += (Entity(Span(start, end + 1), labels.names[0], text[start : end + 1]),)
    reading = formats.by_name(name).parse(formats.by_name(name).render(text, entities, labels), labels)
    assert sorted(map(said, reading.mentions)) == sorted(map(said, entities))


@pytest.mark.parametrize("name", ["json", "dice"])
@given(documents(), st.data())
def test_lists_show_discontinuous_mentions(name, document, data):
    text, _, labels = document
    cuts = data.draw(st.lists(st.integers(0, len(text)), min_size=4, max_size=6, unique=True)) if len(text) > 5 else []
    spans = [Span(a, b) for a, b in zip(sorted(cuts)[::2], sorted(cuts)[1::2], strict=False)]
    if len(spans) < 2:
        return
    hull = Span(spans[0].start, spans[-1].end)
    entity = Entity(hull, labels.names[-1], hull.of(text), fragments=tuple(spans))
    reading = formats.by_name(name).parse(formats.by_name(name).render(text, [entity], labels), labels)
    assert [(m.label, m.parts) for m in reading.mentions] == [(entity.label, tuple(s.of(text) for s in spans))]


@pytest.mark.parametrize("name", ["tanl", "mapping"])
def test_what_cannot_be_shown_is_refused(name):
    text = "left and right pain"
    entity = Entity(Span(0, 19), "disease", text, fragments=(Span(0, 4), Span(15, 19)))
    with pytest.raises(ConfigError, match=r"discontinuous .*'left and right pain'"):
        formats.by_name(name).render(text, [entity], LABELS)


@pytest.mark.parametrize("name", ["tanl", "json", "mapping", "dice"])
def test_only_what_stands_in_the_text_can_be_shown(name):
    with pytest.raises(ConfigError, match="no 'pain'"):
        formats.by_name(name).render("fever", [Entity(Span(0, 4), "disease", "pain")], LABELS)
    with pytest.raises(LabelError, match="no label 'symptom'"):
        formats.by_name(name).render("fever", [Entity(Span(0, 5), "symptom", "fever")], LABELS)


@given(documents())
def test_json_answers_satisfy_the_schema(document):
    text, entities, labels = document
    schema = formats.by_name("json").json_schema(labels)
    for item in json.loads(formats.by_name("json").render(text, entities, labels)):
        assert set(schema["items"]["required"]) <= set(item) <= set(schema["items"]["properties"])
        assert item["label"] in schema["items"]["properties"]["label"]["enum"]
    schema = formats.by_name("mapping").json_schema(labels)
    answer = json.loads(formats.by_name("mapping").render(text, entities, labels))
    assert set(answer.values()) <= set(schema["additionalProperties"]["enum"])
