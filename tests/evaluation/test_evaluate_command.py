import json

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.errors import ConfigError, InputError, LabelError

run = CliRunner()
MI, CHF = ({"start": 0, "end": 2, "label": "disease"}, {"start": 7, "end": 10, "label": "disease"})
TEXT = "MI and CHF"


def line(id, *entities, text=TEXT):
    return json.dumps({"id": id, "text": text, "entities": entities}) + "\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "gold.jsonl").write_text(line("1", MI, CHF))
    (tmp_path / "half.jsonl").write_text(line("1", MI))
    return tmp_path


def call(*arguments):
    result = run.invoke(app, ["evaluate", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def call_json(*arguments):
    return json.loads(call(*arguments, "--json").stdout)


def test_json_has_figures_intervals_every_rule_and_the_signature(files):
    data = call_json(files / "gold.jsonl", files / "half.jsonl", "--seed", 3)
    assert data["micro"]["precision"] == 1
    assert data["labels"]["disease"]["recall"] == 0.5
    assert data["micro"]["f1_interval"] == [pytest.approx(2 / 3)] * 2
    assert data["macro"]["f1"] == data["macro_f1"] == pytest.approx(2 / 3)
    assert list(data["rules"]) == ["strict", "relaxed", "type", "boundary"]
    assert data["rules"]["relaxed"]["labels"]["disease"]["found"] == 1
    assert data["signature"].startswith("clinspan:")
    assert "|rule:strict|labels:disease|documents:1|gold:" in data["signature"]
    assert data["signature"].endswith("|level:0.95|resamples:1000|seed:3")


def test_every_setting_that_figures_depend_on_is_in_the_signature(files):
    plain = call_json(files / "gold.jsonl", files / "half.jsonl")["signature"]
    for more in (("--rule", "type"), ("--map", "disease=x"), ("--resamples", 9), ("--seed", 4), ("--lenient",)):
        assert call_json(files / "gold.jsonl", files / "half.jsonl", *more)["signature"] != plain, more


def test_errors_come_by_kind_with_examples_as_many_as_asked_for(files):
    (files / "pred.jsonl").write_text(line("1", {**MI, "start": 1}, {**CHF, "label": "drug"}))
    errors = call_json(files / "gold.jsonl", files / "pred.jsonl", "--lenient")["errors"]
    assert errors["counts"]["wrong left boundary"] == errors["counts"]["wrong type"] == 1
    assert errors["labels"]["disease"]["wrong type"] == 1
    rest = {"score": None, "match": "exact", "concepts": []}
    assert errors["examples"][0] == {
        "kind": "wrong left boundary",
        "document": "1",
        "gold": {"start": 0, "end": 2, "text": "MI", "label": "disease", **rest},
        "predicted": {"start": 1, "end": 2, "text": "I", "label": "disease", **rest},
        "before": "",
        "text": "MI",
        "after": " and CHF",
    }
    shown = call(files / "gold.jsonl", files / "pred.jsonl", "--lenient").stdout
    assert "wrong left boundary: 1\n  1: …MI and CHF… (gold disease 'MI'; predicted disease 'I')" in shown
    assert "predicted drug 'CHF'" in shown
    none = call(files / "gold.jsonl", files / "pred.jsonl", "--lenient", "--examples", 0).stdout
    assert "wrong type: 1" in none
    assert "'CHF'" not in none


def test_the_reliability_of_scores_is_shown_where_there_are_any(files):
    assert "calibration" not in call_json(files / "gold.jsonl", files / "half.jsonl")
    (files / "pred.jsonl").write_text(line("1", {**MI, "score": 0.8}, {**CHF, "start": 8, "score": 0.6}))
    found = call_json(files / "gold.jsonl", files / "pred.jsonl")["calibration"]
    assert found["expected_calibration_error"] == pytest.approx(0.4)
    assert found["interval"] == [pytest.approx(0.4)] * 2
    assert [one["count"] for one in found["bins"]] == [1, 1]
    assert "expected calibration error: 0.400 (0.400-0.400)" in call(files / "gold.jsonl", files / "pred.jsonl").stdout


def test_the_table_shows_each_label_and_the_comparison_within_80_columns(files):
    result = call(files / "gold.jsonl", files / "gold.jsonl", "--versus", files / "half.jsonl", "--resamples", 20)
    assert "F1 against the other: +0.333" in result.stdout
    row = next(row for row in result.stdout.splitlines() if row.startswith("disease"))
    assert row.split() == ["disease", "1.000", "1.000", "1.000", "(1.000-1.000)", "2", "2", "2"]
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 80


def test_formats_are_told_apart_and_labels_renamed(files):
    (files / "pred.txt").write_text("1|t|MI and CHF\n1\t0\t2\tMI\tIllness\tD1\n")
    arguments = (files / "gold.jsonl", files / "pred.txt", "--json")
    result = call(*arguments, "--map", "Illness=disease")
    assert json.loads(result.stdout)["micro"]["found"] == 1
    assert "pred.txt: read as pubtator (its first line is a title)" in result.stderr
    with pytest.raises(InputError, match=r"pred.txt, line 1, document '1': .*'Illness', which gold lacks"):
        call(*arguments)
    with pytest.raises(ConfigError, match="expected FROM=TO"):
        call(*arguments, "--map", "Illness")


XML = "<collection><document><id>1</id><passage><offset>0</offset><text>MI and CHF</text></passage></document><docu"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.jsonl", line("1", MI) + "{\n", "p.jsonl, line 2: is not JSON"),
        ("p.jsonl", line("1", {**MI, "end": 99}), "p.jsonl, line 1, entity 1: ends at 99, past the text's end at 10"),
        (
            "p.jsonl",
            line("1", MI, text="MI or CHF"),
            "p.jsonl, line 1, document '1':.*from character 3 .*gold.jsonl",
        ),
        ("p.jsonl", line("1", MI) * 2, r"p.jsonl, line 2: the id '1' comes twice .*\(the first: .*p.jsonl, line 1\)"),
        (
            "p.jsonl",
            line("1", {**MI, "label": "Diseases"}),
            "p.jsonl, line 1, .*'Diseases'.*mean 'disease'",
        ),
        ("p.jsonl", line("1", MI) + line("2"), "p.jsonl, line 2, document '2': is not among the gold documents"),
        ("p.jsonl", line("2"), "gold.jsonl, line 1, document '1': is missing from the prediction"),
        ("p.xml", XML, "p.xml, line 1: is not XML that can be read"),
        ("p.json", '[{"passages": [', "p.json, line 1: is not JSON"),
        ("p.ann", "T1\tdisease 0 99\tMI\n", "p.ann, line 1: 0-99 is not within the text"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line_and_lenient_counts_it_and_goes_on(files, name, content, says):
    (files / name).write_text(content)
    (files / "p.txt").write_text(TEXT)
    with pytest.raises(InputError, match=says):
        call(files / "gold.jsonl", files / name)
    if name == "p.json":
        return  # nothing can be read of it
    result = call(files / "gold.jsonl", files / name, "--lenient", "--json")
    data = json.loads(result.stdout)
    number = sum(data["passed_over"]["counts"].values())
    assert number == len(data["passed_over"]["problems"]) >= 1
    assert data["signature"].endswith(f"|lenient|passed-over:{number}")
    assert result.stderr.count("passed over:") == number
    assert data["micro"]["gold"] == 2
    table = call(files / "gold.jsonl", files / name, "--lenient").stdout
    assert f"passed over: {number} problem" in table


def test_a_label_that_nothing_has_is_a_slip(files):
    with pytest.raises(LabelError, match=r"--label: no entity has the label 'diseas'. Did you mean 'disease'"):
        call(files / "gold.jsonl", files / "half.jsonl", "--label", "diseas")
    assert call_json(files / "gold.jsonl", files / "half.jsonl", "--label", "disease")["micro"]["gold"] == 2


def test_alternative_places_count_where_that_is_asked_for(files):
    corpus = files / "gm"
    corpus.mkdir()
    (corpus / "a.in").write_text("P1 the TNF gene binds\n")
    (corpus / "GENE.eval").write_text("P1|3 9|TNF gene\n")
    (corpus / "ALTGENE.eval").write_text("P1|3 5|TNF\n")
    gene = {"start": 4, "end": 7, "label": "GENE"}
    (files / "pred.jsonl").write_text(line("P1", gene, text="the TNF gene binds"))
    assert call_json(corpus, files / "pred.jsonl")["micro"]["found"] == 0
    found = call_json(corpus, files / "pred.jsonl", "--rule", "alternatives")
    assert (found["micro"]["found"], found["micro"]["f1"]) == (1, 1)
    assert sum(found["errors"]["counts"].values()) == 0
    assert found["rules"]["strict"]["micro"]["found"] == 0
