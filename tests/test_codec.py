import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan import codec
from clinspan.document import Attributes, Concept, Document, Entity, MatchKind, Span, WindowReport, WindowState
from clinspan.errors import InputError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)
WORD = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
SCORE = st.one_of(st.none(), st.floats(0, 1))
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | WORD, lambda x: st.lists(x, max_size=3), max_leaves=4)


@st.composite
def documents(draw):
    text = draw(TEXT)

    def span():
        start = draw(st.integers(0, len(text) - 1))
        return Span(start, draw(st.integers(start + 1, len(text))))

    entities = []
    for _ in range(draw(st.integers(0, 3))):
        whole = span()
        fragments = ()
        if len(whole) >= 3 and draw(st.booleans()):
            fragments = (Span(whole.start, whole.start + 1), Span(whole.end - 1, whole.end))
        concept = Concept(
            draw(WORD), draw(WORD), draw(WORD), tuple(draw(st.lists(WORD, max_size=2))), draw(st.floats(0.01, 1))
        )
        entities.append(
            Entity(
                whole,
                draw(WORD),
                whole.of(text),
                draw(SCORE),
                draw(st.sampled_from(MatchKind)),
                (concept,) * draw(st.integers(0, 2)),
                fragments,
                tuple(draw(st.lists(WORD, max_size=2))),
                draw(st.dictionaries(WORD, WORD, max_size=2)),
            )
        )
    windows = [
        WindowReport(
            span(),
            draw(st.sampled_from(WindowState)),
            draw(st.booleans()),
            draw(st.none() | WORD),
            tuple(draw(st.lists(WORD, max_size=2))),
            tuple(draw(st.lists(WORD, max_size=2))),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]
    windows = {window.span: window for window in windows}
    metadata = draw(st.dictionaries(WORD, VALUES, max_size=2))
    return Document(draw(WORD), text, tuple(entities), tuple(windows[s] for s in sorted(windows)), metadata)


@given(documents())
def test_a_line_gives_back_the_document_it_was_written_from(document):
    line = codec.dump(document)
    assert "\n" not in line
    assert codec.parse(line, where="here") == document


@given(documents())
def test_entities_alone_come_back_too(document):
    for entity in document.entities:
        for sparse in (False, True):
            data = json.loads(json.dumps(entity.to_dict(sparse=sparse)))
            assert codec.entity_of(data, document.text, where="here") == entity


@given(documents())
def test_rows_keep_places_labels_and_attributes(document):
    bare = tuple(
        Entity(e.span, e.label, e.text, fragments=e.fragments, attributes=e.attributes) for e in document.entities
    )
    assert codec.parse_rows(codec.dump_rows(document.entities), document.text) == bare


def test_attributes_keep_their_order_and_are_left_out_where_there_are_none():
    said = {"temporality": "past", "assertion": "negated"}
    negated = Entity(Span(3, 5), "d", "MI", attributes=said)
    first, second = json.loads(codec.dump(Document("1", "no MI", (negated, Entity(Span(3, 5), "d", "MI")))))["entities"]
    assert list(first["attributes"].items()) == list(said.items())
    assert "attributes" not in second
    assert codec.dump_rows([Entity(Span(3, 5), "d", "MI")]) == '[[3,5,"d"]]'


def test_attributes_are_a_frozen_mapping():
    one = Entity(Span(3, 5), "d", "MI", attributes={"assertion": "negated"})
    assert (one.attribute("assertion"), one.attribute("other")) == ("negated", None)
    assert one.attributes == Attributes([("assertion", "negated")]) == {"assertion": "negated"}
    assert one.shift(1).attributes == one.attributes
    assert len({one, Entity(Span(3, 5), "d", "MI", attributes={"assertion": "negated"})}) == 1
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(TypeError):
        one.attributes["assertion"] = "present"
    for wrong in ({"": "x"}, {"a": ""}, {"a": 1}, {1: "a"}):
        with pytest.raises(ValueError, match="non-empty strings"):
            Entity(Span(3, 5), "d", "MI", attributes=wrong)
    with pytest.raises(ValueError, match="comes twice"):
        Attributes([("a", "x"), ("a", "y")])


def test_windows_are_counted_by_state_and_those_not_read_are_listed_with_the_reason():
    document = Document(
        "1",
        "one two",
        windows=(
            WindowReport(Span(0, 3), WindowState.OK),
            WindowReport(Span(4, 7), WindowState.FAILED, detail="HTTP 400"),
        ),
    )
    windows = json.loads(codec.dump(document))["windows"]
    assert windows["counts"] == {"ok": 1, "failed": 1}
    assert windows["not_read"] == [{"start": 4, "end": 7, "state": "failed", "detail": "HTTP 400"}]


def test_what_other_tools_add_is_kept_as_metadata():
    document = codec.parse('{"id": 7, "text": "x", "ward": "3B", "metadata": {"year": 2020}}', where="here")
    assert (document.id, document.metadata) == ("7", {"ward": "3B", "year": 2020})


def test_offsets_alone_make_an_entity():
    document = codec.parse('{"id": "1", "text": "no MI", "entities": [{"start": 3, "end": 5, "label": "d"}]}', where="")
    assert document.entities == (Entity(Span(3, 5), "d", "MI"),)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "is not JSON: .* column 2"),
        ("[" * 100_000, "not JSON"),
        ("3", "not a JSON object"),
        ('{"id": "1", "Text": "x"}', "'text' is missing.*'Text'"),
        ('{"id": "1", "text": 3}', "'text' is int"),
        ('{"id": "1", "text": "\\ud83d"}', "surrogate"),
        ('{"id": "1", "text": "x", "ward": ["\\udc00"]}', "surrogate"),
        ('{"id": "1", "text": "x", "age": NaN}', "NaN is not a number"),
        ('{"id": "1", "text": "x", "age": ' + "9" * 5000 + "}", "not JSON that can be read"),
        ('{"id": null, "text": "x"}', "'id' is null"),
        ('{"id": true, "text": "x"}', "'id' is true"),
        ('{"id": "", "text": "x"}', "'id' is"),
        ('{"text": "x"}', "'id' is"),
        ('{"id": "1", "text": "x", "metadata": 3}', "'metadata'"),
        ('{"id": "1", "text": "x", "entities": {}}', "'entities' is not a list"),
        ('{"id": "1", "text": "x", "entities": [{"start": 0, "end": 1}]}', "entity 1: the key 'label' is missing"),
        ('{"id": "1", "text": "x", "entities": [{"start": 0, "end": 2, "label": "d"}]}', "entity 1: .*past the text's"),
        ('{"id": "1", "text": "x", "entities": [{"start": 1, "end": 1, "label": "d"}]}', "entity 1: .*start < end"),
        (
            '{"id": "1", "text": "x", "entities": [{"start": "0", "end": 1, "label": "d"}]}',
            "entity 1: is not an entity",
        ),
        ('{"id": "1", "text": "x", "entities": [{"start": 0, "end": 1, "label": "d", "text": "y"}]}', "'x' stands at"),
        (
            '{"id": "1", "text": "x", "entities": [{"start": 0, "end": 1, "label": "d", "attributes": ["a"]}]}',
            "entity 1: is not an entity: 'attributes' is not an object",
        ),
        (
            '{"id": "1", "text": "x", "entities": [{"start": 0, "end": 1, "label": "d", "attributes": {"a": 1}}]}',
            "entity 1: is not an entity: .*non-empty strings",
        ),
        (
            '{"id": "1", "text": "x", "entities": [{"start": 0, "end": 1, "label": "d", "match": "z"}]}',
            "entity 1: .*'z'",
        ),
        ('{"id": "1", "text": "x", "windows": []}', "'windows'"),
        (
            '{"id": "1", "text": "x", "windows": {"read": [{"start": 0, "end": 9, "state": "ok"}]}}',
            "past the text's end",
        ),
        ('{"id": "1", "text": "x", "windows": {"read": [{"start": 0, "end": 1}]}}', "'state'"),
        ('{"id": "1", "text": "x", "windows": {"read": [{"start": 0, "end": 1, "state": "?"}]}}', "windows"),
    ],
)
def test_a_wrong_line_says_what_is_wrong_and_where(line, says):
    with pytest.raises(InputError, match=f"a.jsonl, line 3.*{says}"):
        codec.parse(line, where="a.jsonl, line 3")
