"""What the README shows is run."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clinspan import samples
from clinspan.cli.main import app
from clinspan.models import registry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTE = "She denies chest pain. A CT of the abdomen showed diverticulitis; started on ciprofloxacin.\n"


def quickstart() -> str:
    return re.search(r"```python\n(.*?)```", README, flags=re.S)[1]


def commands() -> list[str]:
    lines = re.findall(r"^\$ (clinspan .*)$", README, flags=re.M)
    assert lines
    # A server of its own cannot be had here; that line's options are checked with all others of the pages.
    return [line for line in lines if "openai:" not in line]


def test_the_quickstart_is_ten_lines_or_so() -> None:
    assert len(quickstart().splitlines()) <= 12


def test_the_quickstart_runs_without_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(quickstart().replace('"embedded"', '"none"'), "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "11 21 problem chest pain" in out
    assert "treatment ciprofloxacin" in out


@pytest.mark.model
def test_the_quickstart_runs_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    if registry.find("smollm2-135m-instruct").missing():
        pytest.skip("needs the embedded model: clinspan models pull smollm2-135m-instruct")
    exec(compile(quickstart(), "README.md", "exec"), {})
    assert "problem" in capsys.readouterr().out


@pytest.mark.parametrize("line", commands())
def test_each_command_line_runs(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "one.txt").write_text(NOTE, encoding="utf-8")
    (tmp_path / "note.txt").write_text(NOTE, encoding="utf-8")
    (tmp_path / "notes.csv").write_text(f'id,note\n1,"{NOTE.strip()}"\n', encoding="utf-8")
    (tmp_path / "notes.jsonl").write_text(json.dumps({"id": "one", "text": NOTE}) + "\n", encoding="utf-8")
    words = shlex.split(line)[1:]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    if "entities.csv" in words:
        assert "ciprofloxacin" in (tmp_path / "entities.csv").read_text(encoding="utf-8")
    elif "-o" in words:
        lines = (tmp_path / words[words.index("-o") + 1]).read_text(encoding="utf-8").splitlines()
        found = json.loads(lines[0])
        assert [NOTE[e["start"] : e["end"]] for e in found["entities"]] == [e["text"] for e in found["entities"]]
        assert found["entities"]
    if "--report" in words:
        assert "diverticulitis" in (tmp_path / words[words.index("--report") + 1]).read_text(encoding="utf-8")


def test_the_demo_writes_what_the_readme_names(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path / "demo-out"), "--llm", "none"])
    assert result.exit_code == 0, result.output
    named = re.findall(r"demo-out/([\w.]+)", README)
    assert sorted(path.name for path in (tmp_path / "demo-out").iterdir()) == sorted(set(named))
    assert len(list(samples.load())) == 8


@pytest.mark.parametrize("target", re.findall(r"\]\(((?:docs|LICENSE|CITATION)[^)]*)\)", README))
def test_what_the_readme_links_is_there(target: str) -> None:
    assert (ROOT / target).exists()
