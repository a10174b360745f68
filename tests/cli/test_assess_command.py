import json
from pathlib import Path

from typer.testing import CliRunner

from clinspan.cli.main import app

NOTE = {"id": "n", "text": "No fever. Cough.", "entities": [{"start": 3, "end": 8, "label": "problem"}]}


def test_entities_that_are_there_get_their_attributes(tmp_path: Path):
    (tmp_path / "in.jsonl").write_text(json.dumps(NOTE) + "\n")
    out = tmp_path / "out.jsonl"
    result = CliRunner().invoke(app, ["assess", str(tmp_path / "in.jsonl"), "-o", str(out)])
    assert result.exit_code == 0, result.output
    (entity,) = json.loads(out.read_text())["entities"]
    assert entity["attributes"] == {"assertion": "absent", "temporality": "current"}
