"""How many documents are to come."""

import pytest

from clinspan.corpora.inputs import expected


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.jsonl").write_text('{"text": "1"}\n{"text": "2"}\n{"text": "3"}')
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "c.xyz").write_text("")
    return tmp_path


def test_texts_and_lines_are_counted(folder):
    assert expected([folder]) == 4
    assert expected([str(folder / "deep" / "b.jsonl"), folder / "a.txt"]) == 4
    assert expected([folder], format="text") == 2


@pytest.mark.parametrize("name", ["d.csv", "e.xml", "f.ann"])
def test_what_is_anything_else_is_not_known(folder, name):
    (folder / name).write_text("x")
    assert expected([folder]) is None


def test_neither_is_standard_input_nor_what_is_missing(tmp_path):
    assert expected(["-"]) is None
    assert expected([tmp_path / "no.jsonl"]) is None
    assert expected([tmp_path], format="brat") is None
