"""`clinspan models` as a user runs it."""

import re

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.models.registry import entries, find

NAME = "smollm2-135m-instruct"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLINSPAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments):
    return CliRunner().invoke(app, ["models", *arguments])


def test_list_shows_every_model_and_whether_it_is_here():
    result = run("list")
    assert result.exit_code == 0
    for name in entries():
        assert re.search(rf"{name}.*not pulled", result.stdout)


def test_info_tells_a_damaged_file():
    model = find(NAME)
    file = model.files[0]
    assert "not pulled" in run("info", NAME).stdout
    model.folder.mkdir(parents=True)
    with (model.folder / file.name).open("wb") as sparse:
        sparse.truncate(file.bytes)
    shown = run("info", NAME).stdout
    assert "damaged: pull it again" in shown
    assert file.sha256 in shown
    assert all(str(source) in shown for source in file.sources)


def test_pull_from_a_wrong_file_is_refused(tmp_path):
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"GGUF")
    result = run("pull", NAME, "--from", str(wrong))
    assert "this is not the file the registry means" in str(result.exception)
    assert find(NAME).missing()


def test_an_unknown_model_offers_the_nearest():
    assert "Did you mean" in str(run("pull", "smollm2-135m").exception)
