import json
from pathlib import Path

import pytest
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


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("clinical-notes", 0, "assessed by encoder:clinical-notes"),
        ("literature", 2, "the encoder literature says no attributes"),
        ("nowhere", 2, "there is no encoder in nowhere"),
    ],
)
def test_an_encoder_is_named_as_elsewhere(tmp_path: Path, name: str, code: int, said: str):
    pytest.importorskip("onnxruntime", reason="needs the extra 'encoders'")
    (tmp_path / "in.jsonl").write_text(json.dumps(NOTE) + "\n")
    asked = ["assess", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl"), "--encoder", name]
    result = CliRunner().invoke(app, asked)
    assert said in result.output + str(result.exception or "")
    assert (result.exit_code == 0) == (code == 0)
