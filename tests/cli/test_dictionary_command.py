"""`clinspan dictionary` as a user runs it."""

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.errors import DictionaryError, InputError

ROWS = """\
id\tname\tsynonyms\ttype\tdefinition
X:1\tmyocardial infarction\theart attack\tDisease or Syndrome\tA [dead] muscle.
"""


def run(*arguments, **more):
    return CliRunner().invoke(app, ["dictionary", *map(str, arguments)], **more)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "own.tsv").write_text(ROWS)
    result = run("build", tmp_path / "own.tsv", "-o", tmp_path / "d")
    assert result.exit_code == 0, result.output
    assert "1 concepts, 2 names, 1 definitions" in result.output
    return tmp_path / "d"


def test_info_shows_counts_sources_and_age(folder):
    result = run("info", folder)
    assert "1 concepts, 2 names, 1 definitions" in result.output
    assert "own.tsv" in result.output
    assert "built 20" in result.output


def test_find_shows_every_sense(folder):
    result = run("find", "Heart Attacks", "-d", folder)
    assert result.exit_code == 0
    assert "Heart Attacks: normalised, 1 senses" in result.output
    assert "X:1  myocardial infarction" in result.output
    assert "A [dead] muscle." in result.output


def test_find_fails_for_what_is_not_there(folder):
    result = run("find", "gronk", "-d", folder)
    assert result.exit_code == 1
    assert "not in the dictionary: gronk" in result.output


def test_scan_shows_one_match_a_line(folder, tmp_path):
    (tmp_path / "note.txt").write_text("A heart\nattack.")
    fields = "2\t14\theart attack\tnormalised\tX:1\tmyocardial infarction\tDisease or Syndrome\t\n"
    assert run("scan", tmp_path / "note.txt", "-d", folder).output == fields
    assert run("scan", "-", "-d", folder, input="A heart\nattack.").output == fields


def test_bad_input_is_explained(folder, tmp_path):
    assert isinstance(run("scan", tmp_path / "none.txt", "-d", folder).exception, InputError)
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    assert isinstance(run("scan", tmp_path / "latin.txt", "-d", folder).exception, InputError)
    assert isinstance(run("info", tmp_path).exception, DictionaryError)
