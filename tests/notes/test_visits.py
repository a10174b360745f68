"""Marks that are kept without their text: with it they are the notes again, and another text is refused."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import marked
import visits

BODY = "He takes [[40 mg|dose|>]] of [[furosemide|drug]].\nNo [[chest pain|symptom|absent past]].\n"


@pytest.fixture
def note(tmp_path):
    (tmp_path / "n.txt").write_text(f"# note: day-1 | clinic visit | general | role-played visit\n{BODY}")
    return marked.read(tmp_path / "n.txt")[0]


def test_marks_and_text_are_the_note_again(note):
    row = json.loads(json.dumps(visits.packed(note)))
    (again,) = visits.unpacked([row], {"day-1": note.text + "\n"})
    assert (again.text, again.marks) == (note.text, note.marks)
    assert note.text not in json.dumps(row)


@pytest.mark.parametrize(
    ("texts", "fault"), [({}, "day-1 has no text"), ({"day-1": "He takes 20 mg."}, "day-1 is another text")]
)
def test_a_text_that_was_not_marked_is_refused(note, texts, fault):
    with pytest.raises(ValueError, match=fault):
        list(visits.unpacked([visits.packed(note)], texts))


def test_the_marks_here_fit_the_shared_texts(shared, tmp_path, monkeypatch, capsys):
    texts = shared("data/open/acinotes.jsonl")
    monkeypatch.setattr(sys, "argv", ["visits.py", "build", str(tmp_path), "--texts", str(texts)])
    assert visits.main() == 0
    rows = [json.loads(line) for line in (tmp_path / "medication.visits.jsonl").read_text().splitlines()]
    assert len(rows) == 144
    for row in rows:
        assert all(row["text"][e["start"] : e["end"]] == e["text"] != "" for e in row["entities"])
