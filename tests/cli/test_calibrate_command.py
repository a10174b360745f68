"""`clinspan calibrate` on files, also with a promise, and `clinspan tag` that keeps it."""

import json
from pathlib import Path

import pytest

from clinspan.cli.main import main
from clinspan.codec import dump
from clinspan.document import Document, Entity, Span

TEXT = "Gout and ataxia-telangiectasia."


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit status."""
    monkeypatch.setattr("sys.argv", ["clinspan", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    gout, ataxia = Entity(Span(0, 4), "disease", "Gout", 0.9), Entity(Span(9, 30), "disease", TEXT[9:30], 0.4)
    wrong = Entity(Span(5, 8), "disease", "and", 0.6)
    gold = [Document(str(n), TEXT, (gout, ataxia)) for n in range(60)]
    found = [Document(str(n), TEXT, (gout, wrong, ataxia) if n % 5 == 0 else (gout, ataxia)) for n in range(60)]
    paths = tmp_path / "gold.jsonl", tmp_path / "found.jsonl"
    for path, documents in zip(paths, (gold, found), strict=True):
        path.write_text("".join(dump(document) + "\n" for document in documents))
    return paths


def test_a_promise_is_made_and_kept(files, tmp_path, capsys, monkeypatch):
    gold, found = files
    made, out = tmp_path / "promise.toml", tmp_path / "out.jsonl"
    about = ["--labels", "disease", "--llm", "none"]
    more = ["--tagged", str(found), "--recall", ".9", "--precision", ".9", "-o", str(made)]
    assert run(monkeypatch, "calibrate", gold, *about, *more) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "promised: recall of at least 0.9 and precision of at least 0.9 for each of disease" in said
    assert "documents like the 60 of gold.jsonl" in said
    note = tmp_path / "note.txt"
    note.write_text(TEXT)
    assert run(monkeypatch, "tag", note, *about, "-o", out, "--calibration", made) == 0
    assert "for a person to review" in capsys.readouterr().err
    line = json.loads(out.read_text())
    # The dictionary gives no scores, so all that it finds goes to a person.
    assert {e["attributes"]["review"] for e in line["entities"]} == {"yes"}
    assert line["metadata"]["promise"]["review"] == len(line["entities"]) > 0


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--recall", ".99"], "60 gold documents have it"),
        (["--precision", "1"], "precision is 1"),
        (["--recall", ".5", "--labels", "chemical-disease"], "have no 'chemical'"),
    ],
)
def test_what_cannot_be_promised_is_an_error_and_writes_nothing(files, tmp_path, capsys, monkeypatch, asked, says):
    gold, found = files
    made = tmp_path / "promise.toml"
    given = ["--labels", "disease", "--llm", "none", "--tagged", str(found), *asked, "-o", str(made)]
    assert run(monkeypatch, "calibrate", gold, *given) == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert not made.exists()


@pytest.mark.parametrize(("count", "warns"), [(19, True), (20, False)])
def test_few_documents_are_warned_of(files, tmp_path, capsys, monkeypatch, count, warns):
    gold, found = files
    for path in (gold, found):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:count]))
    given = ["--labels", "disease", "--llm", "none", "--tagged", found, "-o", tmp_path / "calibration.toml"]
    assert run(monkeypatch, "calibrate", gold, *given) == 0
    said = "too few to rely on: 19 annotated documents, where 20 or more are needed"
    assert (said in capsys.readouterr().err) is warns
    assert (tmp_path / "calibration.toml").exists()
