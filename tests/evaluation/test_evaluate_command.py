import json

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.errors import ConfigError, InputError

run = CliRunner()
MI, CHF = ({"start": 0, "end": 2, "label": "disease"}, {"start": 7, "end": 10, "label": "disease"})
GOLD = json.dumps({"id": "1", "text": "MI and CHF", "entities": [MI, CHF]}) + "\n"
HALF = json.dumps({"id": "1", "text": "MI and CHF", "entities": [MI]}) + "\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "gold.jsonl").write_text(GOLD)
    (tmp_path / "half.jsonl").write_text(HALF)
    return tmp_path


def call(*arguments):
    result = run.invoke(app, ["evaluate", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_json_has_figures_intervals_and_the_signature(files):
    result = call(files / "gold.jsonl", files / "half.jsonl", "--json", "--seed", 3)
    data = json.loads(result.stdout)
    assert data["micro"]["precision"] == 1
    assert data["labels"]["disease"]["recall"] == 0.5
    assert data["micro"]["f1_interval"] == [pytest.approx(2 / 3)] * 2
    assert "rule:strict|labels:disease|documents:1|gold:" in data["signature"]
    assert data["signature"].endswith("resamples:1000|seed:3")


def test_the_table_shows_each_label_and_the_comparison(files):
    result = call(files / "gold.jsonl", files / "gold.jsonl", "--versus", files / "half.jsonl", "--resamples", 20)
    assert "disease" in result.stdout
    assert "F1 against the other: +0.333" in result.stdout


def test_formats_are_told_apart_and_labels_renamed(files):
    (files / "pred.txt").write_text("1|t|MI and CHF\n1\t0\t2\tMI\tSpecificDisease\tD1\n")
    arguments = (files / "gold.jsonl", files / "pred.txt", "--json")
    data = json.loads(call(*arguments, "--map", "SpecificDisease=disease").stdout)
    assert data["micro"]["found"] == 1
    with pytest.raises(InputError, match="'SpecificDisease', which gold lacks"):
        call(*arguments)
    with pytest.raises(ConfigError, match="expected FROM=TO"):
        call(*arguments, "--map", "SpecificDisease")


def test_a_faulty_line_stops_unless_lenient_and_then_it_is_said(files):
    (files / "bad.jsonl").write_text(HALF + "{\n")
    with pytest.raises(InputError, match=r"line 2.*--lenient"):
        call(files / "gold.jsonl", files / "bad.jsonl")
    result = call(files / "gold.jsonl", files / "bad.jsonl", "--lenient", "--json")
    assert "passed over:" in result.stderr
    assert "passed-over:1" in json.loads(result.stdout)["signature"]
