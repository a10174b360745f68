import json

from clinspan import codec
from clinspan.document import Concept, Document, Entity, Span, WindowReport, WindowState

TEXT = "No <b>gout</b>, no chest pain."
NOTE = Document(
    "a&b",
    TEXT,
    (
        Entity(
            Span(6, 10),
            "disease",
            "gout",
            0.5,
            concepts=(Concept("1", "gout", "x"),),
            attributes={"assertion": "absent"},
        ),
        Entity(Span(19, 29), "problem", "chest pain", fragments=(Span(19, 24), Span(25, 29))),
        Entity(Span(25, 29), "problem", "pain"),
    ),
    (WindowReport(Span(0, 30), WindowState.FAILED, detail="no"),),
    {"k": 1},
)


def test_plain_values_are_those_of_the_line_of_json():
    assert NOTE.to_dict() == json.loads(codec.dump(NOTE))
    assert codec.document_of(NOTE.to_dict(), where="here") == NOTE


def test_a_notebook_shows_the_text_with_marks_and_runs_nothing_of_it():
    html = NOTE._repr_html_()
    assert "<b>gout" not in html
    assert "a&amp;b: 3 entities, 1 windows not read" in html
    assert html.count("<mark") == 2
    assert 'title="disease; assertion: absent" style="padding:0 .2em;text-decoration:line-through">gout</mark>' in html
    assert "&lt;b&gt;<mark" in html
