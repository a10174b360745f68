"""What errors advise: each line is a command that cannot be run, and what the user is told to do."""

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.corpora import catalogue
from clinspan.errors import ClinspanError

NOTES = {
    "note.txt": b"She has gout.\n",
    "latin.txt": "Caf\xe9 visit.".encode("cp1252"),
    "notes.csv": b"id,note\n1,x\n",
    "bad.jsonl": b'{"text": "She has gout."}\n{"text": "cut\n',
    "found.jsonl": b'{"id": "a", "text": "She has gout.\\n"}\n{"id": "b", "text": "No pain."}\n',
    "short.jsonl": b'{"id": "a", "text": "She has gout."}\n{"id": "b", "text": "No pain."}\n',
}
READ = ", ".join(name for name in catalogue.FORMATS)
QUICK = "--labels medication --dictionary none"


def told(command: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, shlex.split(command))
    if isinstance(done.exception, ClinspanError):
        return done.exception.exit_status, str(done.exception)
    return done.exit_code, done.output


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in NOTES.items():
        (tmp_path / name).write_bytes(data)


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("note.txt", "Did you mean: clinspan tag note.txt"),
        ("tag", "Name a file or folder: clinspan tag note.txt. To try samples: clinspan demo"),
        (
            "tag note.txt --llm ollama:llama3.1",
            "Ollama is reached as --llm openai:llama3.1 --base-url http://localhost:11434/v1",
        ),
        ("tag note.txt --llm vllm", "vLLM is reached as --llm openai:MODEL --base-url http://localhost:8000/v1"),
        (
            "tag note.txt --dictionary nodict",
            "Name open, none, or a folder made by: clinspan dictionary build SOURCE -o FOLDER",
        ),
        (
            "tag note.txt --encoder nofolder",
            "there is no encoder in nofolder. Name clinical-notes, literature, open-labels, or a folder made by "
            "clinspan tune-encoder.",
        ),
        ("tag note.txt --calibration none.toml", "Make one with: clinspan calibrate GOLD -o FILE"),
        ("demo -o note.txt/folder", "Name a folder that you may write to: clinspan demo -o FOLDER"),
        (f"tag note.txt {QUICK} --report no/page.html", "Make it: mkdir -p no"),
        (f"tag note.txt {QUICK} -o no/deep/out.csv", "no/deep/out.csv: there is no folder no/deep. Make it: mkdir -p"),
        ("tag note.txt -o out.xlsx", "For a spreadsheet use .csv."),
        ("explain found.jsonl note.txt", "there is no document 'note.txt'. It has a, b."),
        ("convert note.txt out.jsonl", f"Name it with --from: {READ}."),
        ("assess note.txt -o out.jsonl --encoder none", f"Name it with --from: {READ}."),
        ("evaluate note.txt found.jsonl", f"Name it with --gold-from: {READ}."),
        ("evaluate found.jsonl note.txt", f"Name it with --pred-from: {READ}."),
        ("explain note.txt", f"Known: {READ}."),
        (
            "evaluate found.jsonl short.jsonl",
            "different texts from character 13 on: '\\n' and '', white space at the end alone (gold: found.jsonl, "
            "line 1). Tag the texts of the gold. With --lenient nothing counts as found in such a document.",
        ),
    ],
)
def test_a_command_that_cannot_be_run_says_what_to_do(command: str, advice: str) -> None:
    status, said = told(command)
    assert status == 2
    assert advice in said


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("tag notes.csv", "Known: id, note. Name the column with --text-column."),
        (
            "tag latin.txt",
            "As Windows-1252 it would read 'Café visit.'. If that looks right, add --encoding windows-1252, or convert",
        ),
        (
            "tag bad.jsonl",
            "line 2: is not JSON: Unterminated string starting at column 10; expected a whole JSON object on each "
            'line, such as {"text": "She has gout."}. Mend the line, or delete it.',
        ),
    ],
)
def test_an_input_that_cannot_be_read_says_what_to_do(command: str, advice: str) -> None:
    status, said = told(f"{command} {QUICK}")
    assert status == 3
    assert advice in said


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody may write to")
@pytest.mark.parametrize("option", ["-o /proc/out.csv", "-o /proc/out.jsonl", "--report /proc/page.html"])
def test_a_place_that_nobody_may_write_to(option: str) -> None:
    status, said = told(f"tag note.txt {QUICK} {option}")
    assert status == 2
    assert f"{option.split()[1]}: " in said
    assert said.endswith("Choose a folder that you may write to.")


def test_of_many_documents_the_first_are_listed() -> None:
    Path("many.jsonl").write_text("".join(f'{{"id": "n{i}", "text": "x"}}\n' for i in range(30)))
    assert told("explain many.jsonl n99")[1].endswith("n18, n19, and 10 more.")
