"""The page of results is what the tables say, and entering a figure gives what was measured."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from clinspan.cli.main import app

ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("results", ROOT / "tools" / "results.py")
results = importlib.util.module_from_spec(spec)
sys.modules["results"] = results
spec.loader.exec_module(results)

FILES = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
MADE = {"date": "2026-11-30", "commit": "abc1234", "machine": "2 cores", "commands": ["clinspan evaluate GOLD OUT"]}


def test_the_page_is_what_the_tables_say():
    assert results.PAGE.read_text(encoding="utf-8") == results.page([results.read(path) for path in FILES])


def test_titles_are_anchors_of_their_own():
    tables = [results.read(path) for path in FILES]
    anchors = [results.slug(table.title) for table in tables] + sorted({results.slug(t.section) for t in tables})
    assert len(anchors) == len(set(anchors))


def test_every_section_stands_together():
    sections = [results.read(path).section for path in FILES]
    assert [s for s, before in zip(sections, ["", *sections], strict=False) if s != before] == list(
        dict.fromkeys(sections)
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_as_the_tool_writes_it(path: Path):
    text = path.read_text(encoding="utf-8")
    assert results.dumped(json.loads(text)) == text


HISTORY = re.compile(
    r"(?:version|one|encoder|asserter|model|marks) (?:of )?before|before this one|read once, the default|settled since"
    r"|[Ss]ince then|[Bb]efore each|[Bb]efore it learned|it had \.|before \([0-9a-f]{7}\)",
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_table_has_three_notes_at_most_and_tells_of_today(path: Path):
    table = results.read(path)
    assert len(table.notes) <= 3
    assert [text for text in (table.about, *table.notes) if HISTORY.search(text)] == []


def table(path: Path) -> Path:
    data = {
        "section": "S",
        "title": "T",
        "columns": [["on", "on"], ["method", "method"], ["strict", "strict F1", ".3"], ["relaxed", "relaxed F1", ".3"]],
        "figures": ["strict"],
        "rows": [{"on": "c", "method": "m", "strict": 0.5, "overview": "task", "run": "old"}],
        "runs": {"old": MADE},
    }
    path.write_text(results.dumped(data), encoding="utf-8")
    return path


def test_what_evaluate_prints_is_entered_in_place_of_the_row_of_the_same_name(tmp_path, monkeypatch):
    gold, found = tmp_path / "gold.jsonl", tmp_path / "found.jsonl"
    gout, flu = {"start": 0, "end": 4, "label": "problem"}, {"start": 9, "end": 12, "label": "problem"}
    gold.write_text(json.dumps({"id": "a", "text": "Gout and flu.", "entities": [gout, flu]}) + "\n")
    found.write_text(json.dumps({"id": "a", "text": "Gout and flu.", "entities": [gout, {**flu, "start": 5}]}) + "\n")
    said = CliRunner().invoke(app, ["evaluate", str(gold), str(found), "--json"])
    assert said.exit_code == 0, said.output
    scores = tmp_path / "scores.json"
    scores.write_text(said.stdout)
    path = table(tmp_path / "t.json")
    monkeypatch.setattr(results, "_commit", lambda: "1234abc")
    words = ["enter", path, scores, "--cell", "on=c", "--cell", "method=m", "--run", "new", "--command", "clinspan tag"]
    monkeypatch.setattr(sys, "argv", ["results.py", *map(str, words)])
    results.main()
    (row,) = results.read(path).rows
    assert row.cells["strict"] == (0.5, 0.5, 0.5)
    assert row.cells["relaxed"] == (1.0, 1.0, 1.0)
    assert (row.overview, row.run) == ("task", "new")
    assert list(results.read(path).runs) == ["new"]
    page = results.page([results.read(path)])
    assert "| [task](#t) | c | m | strict F1 .500 (.500 to .500) |" in page
    assert "$ clinspan tag\n" in page


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rows": [{"on": "c", "strictt": 0.5, "run": "old"}]}, "no column"),
        ({"rows": [{"on": "c", "run": "older"}]}, "no run 'older'"),
        ({"rows": [{"on": "c", "strict": [0.5, 0.6, 0.7], "run": "old"}]}, "inside its interval"),
        ({"runs": {"old": {**MADE, "commit": "HEAD"}}}, "a commit"),
        ({"runs": {"old": {**MADE, "commands": []}}}, "machine and commands"),
        ({"columns": [["on", "on", "%f"]], "rows": [{"on": "c", "run": "old"}]}, "is written as"),
    ],
)
def test_a_table_that_cannot_be_is_refused(tmp_path, change, says):
    path = table(tmp_path / "t.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=says):
        results.read(path)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_a_written_figure_says_the_number(a, b, c):
    low, middle, high = sorted((a / 1000, b / 1000, c / 1000))
    said = results.written((middle, low, high), ".3")
    numbers = [float(part) for part in said.replace("(", "").replace(")", "").replace(" to ", " ").split()]
    assert numbers == [middle, low, high]


@pytest.mark.parametrize(
    ("cell", "style", "said"),
    [
        (0.8, ".3", ".800"),
        (1.0, ".3", "1.000"),
        (-0.012, "+.3", "-.012"),
        (0.012, "+.3", "+.012"),
        (2088968, "n", "2,088,968"),
        (97, "%", "97 %"),
        (50.6, "1", "50.6"),
        ("257, 256", "text", "257, 256"),
        (None, ".3", ""),
    ],
)
def test_styles(cell, style, said):
    assert results.written(cell, style) == said


def test_the_readme_repeats_figures_of_the_page():
    page, readme = (path.read_text(encoding="utf-8") for path in (results.PAGE, ROOT / "README.md"))
    figures = re.findall(r"(?<![\d.])\.\d{3}", readme)
    assert len(figures) > 20
    assert set(figures) <= set(re.findall(r"(?<![\d.])\.\d{3}", page))
