import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.corpora import catalogue, label_studio
from clinspan.document import Document, Entity, Span
from clinspan.errors import InputError

TEXT = "😀 Pain\nand 💊 aspirin"
TASK = {
    "id": 41,
    "data": {"text": TEXT, "ward": "3"},
    "annotations": [
        {"was_cancelled": True, "result": []},
        {
            "result": [
                {
                    "id": "q1",
                    "from_name": "label",
                    "to_name": "text",
                    "type": "labels",
                    "value": {"start": 15, "end": 22, "text": "aspirin", "labels": ["Drug", "Treatment"]},
                },
                {"id": "q2", "type": "labels", "value": {"start": 3, "end": 7, "labels": ["Problem"]}, "score": 0.5},
                {"type": "relation", "from_id": "q1", "to_id": "q2", "direction": "right"},
            ]
        },
    ],
}


def put(tmp_path, tasks):
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def task(**value):
    result = {"id": "q", "type": "labels", "value": {"labels": ["x"], **value}}
    return {"id": 1, "data": {"text": TEXT}, "annotations": [{"result": [result]}]}


def test_offsets_after_an_emoji_are_those_of_the_browser(tmp_path):
    (document,) = catalogue.read(put(tmp_path, [TASK]))
    assert (document.id, document.text) == ("41", TEXT)
    assert document.entities == (
        Entity(Span(13, 20), "Drug", "aspirin"),
        Entity(Span(13, 20), "Treatment", "aspirin"),
        Entity(Span(2, 6), "Problem", "Pain", score=0.5),
    )
    relation = TASK["annotations"][1]["result"][2]
    assert document.metadata == {"ward": "3", "label_studio": {"ids": ["q1", "q1", "q2"], "results": [relation]}}
    out = tmp_path / "out.json"
    catalogue.write([document], out, format="label-studio")
    assert list(catalogue.read(out)) == [document]
    regions = json.loads(out.read_text())[0]["annotations"][0]["result"]
    assert [(r["value"]["start"], r["value"]["end"]) for r in regions[:3]] == [(15, 22), (15, 22), (3, 7)]


def test_choices_for_a_region_are_attributes(tmp_path):
    said = {"assertion": "negated", "temporality": "past"}
    document = Document("1", TEXT, (Entity(Span(2, 6), "Problem", "Pain", attributes=said),))
    out = tmp_path / "out.json"
    catalogue.write([document], out, format="label-studio")
    assert list(catalogue.read(out)) == [document]
    results = json.loads(out.read_text())[0]["annotations"][0]["result"]
    assert [(r["id"], r["from_name"], r["type"]) for r in results] == [
        ("1", "label", "labels"),
        ("1", "assertion", "choices"),
        ("1", "temporality", "choices"),
    ]
    assert results[1]["value"]["choices"] == ["negated"]


def test_a_choice_for_the_whole_text_is_kept_beside(tmp_path):
    choice = {"id": "c", "from_name": "quality", "type": "choices", "value": {"choices": ["good"]}}
    two = {"id": "q", "from_name": "both", "type": "choices", "value": {"start": 0, "end": 1, "choices": ["a", "b"]}}
    given = task(start=3, end=7)
    given["annotations"][0]["result"] += [choice, two]
    (document,) = catalogue.read(put(tmp_path, [given]))
    assert document.metadata["label_studio"]["results"] == [choice, two]
    assert document.entities[0].attributes == {}


def test_predictions_html_and_the_only_text_of_a_task_are_read(tmp_path):
    places = {"start": "/p[1]/text()[1]", "startOffset": 0, "globalOffsets": {"start": 3, "end": 7}}
    result = {"id": "1", "type": "hypertextlabels", "value": {**places, "hypertextlabels": ["x"]}}
    tasks = [
        {"data": {"note": TEXT, "n": 1}, "annotations": [], "predictions": [{"result": [result]}]},
        {"data": {"note": "y", "id": "own"}},
    ]
    # A second string besides the text would leave open which is meant.
    first, second = label_studio.read(put(tmp_path, tasks))
    assert (first.id, first.entities) == ("export-1", (Entity(Span(2, 6), "x", "Pain"),))
    assert isinstance(second, InputError)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (task(start=14, end=21, text="aspirin"), "region 1: "),
        (task(start=15, end=21, text="aspirin"), "region 1: 'aspiri' stands at 15-21, not 'aspirin'"),
        (task(start=1, end=7), "region 1: 1 begins or ends inside a character"),
        (task(start=15, end=99), "region 1: 99 is not within the text of 22"),
        (task(start="a", end=9), "region 1: 'a' to 9 is not a place"),
        (task(start=7, end=3), "region 1: a span needs"),
        ({"data": {}}, "'data' does not hold one text"),
        ({"x": 1}, "is not a task"),
        ({"data": {"text": "x"}, "annotations": [{"result": [3]}]}, "'result' holds what is not a region"),
        ({"data": {"text": "x"}, "annotations": [3]}, "'annotations' holds what is not an annotation"),
    ],
)
def test_a_wrong_task_is_named(tmp_path, split, wrong, says):
    documents, errors = split(catalogue.read(put(tmp_path, [wrong, TASK]), format="label-studio"))
    assert [d.id for d in documents] == ["41"]
    assert "export.json, task 1" in str(errors[0])
    assert says in str(errors[0])
    lenient, _ = split(catalogue.read(put(tmp_path, [wrong, TASK]), format="label-studio", lenient=True))
    assert [d.entities for d in lenient[:-1]] == ([()] if "region 1" in says else [])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[\n{]", "line 2: is not JSON"),
        ("{}", "is not a list of tasks"),
        ('["\\ud83d"]', "half of a surrogate pair"),
        ("[" * 100_000, "is not JSON that can be read"),
    ],
)
def test_a_file_of_another_shape_is_an_error(tmp_path, content, says):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError, match=says):
        list(label_studio.read(path))


EMOJI = st.sampled_from('ab \né😀👩\u200d⚕\ufe0f\\n"')


@given(
    text=st.text(EMOJI | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    places=st.lists(st.tuples(st.integers(0, 29), st.integers(1, 9)), max_size=4),
)
def test_offsets_come_back(tmp_path_factory, text, places):
    spans = [Span(start, min(start + length, len(text))) for start, length in places if start < len(text)]
    document = Document("a", text, tuple(Entity(span, "x", span.of(text), score=1.0) for span in spans))
    path = tmp_path_factory.mktemp("ls") / "x.json"
    catalogue.write([document], path, format="label-studio")
    assert list(catalogue.read(path)) == [document]
    for region, span in zip(json.loads(path.read_text())[0]["annotations"][0]["result"], spans, strict=True):
        units = text.encode("utf-16-le")[2 * region["value"]["start"] : 2 * region["value"]["end"]]
        assert units.decode("utf-16-le") == span.of(text)
