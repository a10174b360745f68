import re
from pathlib import Path

import pytest

from clinspan.document import Document, Entity, Span
from clinspan.errors import OutputError
from clinspan.view import render, write_report

from . import sample

ABOUT = {"labels": sample.LABELS, "settings": sample.SETTINGS, "versions": sample.VERSIONS}


def test_the_file_says_what_the_string_says(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, iter(sample.documents()), **ABOUT)
    assert path.read_bytes().decode() == render(sample.documents(), **ABOUT)
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_in_it_names_an_address() -> None:
    html = render(sample.documents(), **ABOUT)
    assert not re.search(r"https?://|//\w|@import|url\(", html.replace(sample.HOSTILE, ""))
    assert "default-src 'none'" in html
    assert "unsafe-inline" not in html


def test_markup_in_ids_texts_labels_and_concepts_is_shown_not_run() -> None:
    clean = render([Document("d", "t")], **ABOUT)
    label = "<em>l"
    doc = Document("<em>d", "<em>x", (Entity(Span(0, 5), label, "<em>x"),), metadata={"<em>k": "<em>v"})
    html = render(
        [doc, *sample.documents()], labels=sample.LABELS, settings={"<em>": "<em>"}, versions={}, title="<em>"
    )
    assert "<em>" not in html
    assert "<img" not in html
    assert html.count("<script>") == clean.count("<script>") == 1
    assert html.count("</title>") == 1


def test_attributes_stand_in_the_table_of_the_note() -> None:
    doc = Document("d", "t", (Entity(Span(0, 1), "problem", "t", attributes={"assertion": "negated", "x": "<em>"}),))
    html = render([doc], **ABOUT)
    assert '<span class="attribute">assertion: negated</span>' in html
    assert '<span class="attribute">x: &lt;em&gt;</span>' in html


def test_settings_and_versions_are_in_it() -> None:
    html = render([], **ABOUT)
    for key, value in (*sample.SETTINGS.items(), *sample.VERSIONS.items()):
        assert f"<dt>{key}</dt><dd>{value}</dd>" in html


def test_windows_not_read_are_listed_with_place_and_reason() -> None:
    html = render(sample.documents(), **ABOUT)
    assert "2 windows were not read" in html
    row = '<td><a href="#d0w1">discharge-01</a></td><td>truncated</td><td>lines 7–10, characters 265–328</td>'
    assert row + "<td>the answer stopped after 512 tokens</td>" in html
    assert 'class="unread" id="d0w1" data-state="not read: truncated"' in html
    assert "Every window was read." in render(sample.documents()[1:], **ABOUT)


def test_a_run_that_breaks_off_leaves_the_notes_done_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "report.html"

    def stopped():
        yield sample.documents()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(path, stopped(), **ABOUT)
    html = path.read_text(encoding="utf-8")
    assert "The run stopped early (KeyboardInterrupt)" in html
    assert "shortness of breath" in html
    assert html.endswith("</html>")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the report cannot be written: No such file") as caught:
        write_report(tmp_path / "nowhere" / "report.html", [], **ABOUT)
    assert caught.value.where == str(tmp_path / "nowhere" / "report.html")


def test_a_lone_surrogate_does_not_break_the_file(tmp_path: Path) -> None:
    write_report(tmp_path / "r.html", [Document("d", "before \ud800 after")], **ABOUT)
    assert "before � after" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_labels_beyond_the_set_get_a_colour_of_their_own() -> None:
    text = "a b"
    doc = Document("d", text, (Entity(Span(0, 1), "new", "a"), Entity(Span(2, 3), "newer", "b")))
    html = render([doc], **ABOUT)
    assert 'data-label="new">a</mark> <mark class="l4' in html
    assert ".l4{" in html


def test_absent_problems_are_struck_through_and_can_be_hidden() -> None:
    absent = Entity(Span(3, 8), "problem", "fever", attributes={"assertion": "absent"})
    html = render([Document("d", "No fever", (absent,))], **ABOUT)
    assert re.search(r'<mark class="l\d+ a-absent h0"', html)
    assert 'data-view="off-a-absent"' in html
    assert "off-a-" not in render([Document("d", "No fever")], **ABOUT).split("</style>")[1]
