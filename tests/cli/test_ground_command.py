import json

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app, main


def run(*args):
    return CliRunner().invoke(app, ["ground", *map(str, args)])


@pytest.fixture
def cases(tmp_path):
    def write(*lines):
        path = tmp_path / "cases.jsonl"
        lines = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        path.write_bytes(b"\n".join(lines) + b"\n")
        return path

    return write


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_answers_of_any_tool(cases, tmp_path):
    answer = [{"label": "Drug", "text": "metoprolol 25mg", "score": 0.5}, {"label": "Drug", "text": "aspirin"}]
    path = cases({"id": 7, "text": "Metoprolol 25 mg\u2028now", "answer": answer, "mine": {"kept": True}})
    result = run(path, "-o", tmp_path / "out.jsonl")
    assert result.exit_code == 0
    assert read(tmp_path / "out.jsonl") == [
        {
            "id": 7,
            "text": "Metoprolol 25 mg\u2028now",
            "answer": answer,
            "mine": {"kept": True},
            "entities": [
                {
                    "start": 0,
                    "end": 16,
                    "text": "Metoprolol 25 mg",
                    "label": "Drug",
                    "match": "normalised",
                    "score": 0.5,
                }
            ],
            "ungrounded": [{"label": "Drug", "text": "aspirin", "reason": "not in the text"}],
        }
    ]


def test_raw_answers_in_a_format(cases, tmp_path):
    path = cases({"text": "He has gout and gout.", "raw": "He has gout and [ gout | disease ]."})
    result = run(path, "-o", tmp_path / "out.jsonl", "--format", "tanl", "--labels", "disease")
    assert result.exit_code == 0, result.output
    (record,) = read(tmp_path / "out.jsonl")
    assert [(entity["start"], entity["label"].lower()) for entity in record["entities"]] == [(16, "disease")]
    assert record["unread"] == []


def test_fragments_of_parts(cases, tmp_path):
    answer = [{"label": "P", "text": "left knee", "parts": ["left", "knee"]}]
    assert run(cases({"text": "left and right knee", "answer": answer}), "-o", tmp_path / "o").exit_code == 0
    assert read(tmp_path / "o")[0]["entities"][0]["fragments"] == [[0, 4], [15, 19]]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"{", "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (b"[" * 100_000, "is not JSON that can be read"),
        (b'{"text": "\xff"}', "is not UTF-8 at byte 11 of the line"),
        ({"answer": []}, "the key 'text' is missing"),
        ({"text": 3, "answer": []}, "the key 'text' is not a string"),
        ({"text": "a"}, "the key 'answer' is missing"),
        ({"text": "a", "raw": "b"}, "name their --format"),
        ({"text": "a", "answer": "b"}, "the key 'answer' is not a list"),
        ({"text": "a", "answer": [{"label": "P"}]}, "line 2, mention 1: is not a mention"),
        ({"text": "a", "answer": [{"label": "P", "text": "a", "score": 7}]}, "'score' is 7"),
        ({"text": "a", "answer": [{"label": "P", "text": "a", "parts": ["a"]}]}, "'parts' is not a list of two"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_goes_on(cases, tmp_path, line, fault):
    good = {"text": "fever", "answer": [{"label": "P", "text": "fever"}]}
    result = run(cases(good, line, good), "-o", tmp_path / "out.jsonl")
    assert result.exit_code == 3
    assert "cases.jsonl, line 2" in result.stderr
    assert fault in result.stderr
    assert [len(record["entities"]) for record in read(tmp_path / "out.jsonl")] == [1, 1]


def test_a_lone_surrogate_comes_back(cases, tmp_path):
    path = cases(b'{"text": "fever \\ud800", "answer": [{"label": "P", "text": "fever"}]}')
    assert run(path, "-o", tmp_path / "out.jsonl").exit_code == 0
    assert read(tmp_path / "out.jsonl")[0]["text"] == "fever \ud800"


def test_an_output_is_not_replaced_without_a_word(cases, tmp_path, monkeypatch, capsys):
    path, out = cases({"text": "a", "answer": []}), tmp_path / "out.jsonl"
    out.write_text("mine")
    monkeypatch.setattr("sys.argv", ["clinspan", "ground", str(path), "-o", str(out)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "exists" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert run(path, "-o", out, "--force").exit_code == 0
    assert len(read(out)) == 1


@pytest.mark.parametrize(
    "args", [["--format", "tanl"], ["--labels", "disease"], ["--format", "x", "--labels", "disease"]]
)
def test_half_a_reader_is_refused(cases, tmp_path, args):
    result = run(cases({"text": "a", "raw": ""}), "-o", tmp_path / "out", *args)
    assert result.exit_code != 0
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_named(tmp_path):
    result = run(tmp_path / "none.jsonl", "-o", tmp_path / "out")
    assert "none.jsonl: cannot be read" in str(result.exception)
