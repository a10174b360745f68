import os
from array import array
from pathlib import Path

import pytest

from clinspan.dictionary.layout import Bytes, Numbers, Texts


@pytest.fixture(params=["read", "mapped"])
def _either_way(request, monkeypatch):
    if request.param == "mapped":
        monkeypatch.delattr(os, "pread")


@pytest.mark.usefixtures("_either_way")
def test_numbers_and_texts_are_read_where_asked(tmp_path):
    (tmp_path / "n").write_bytes(array("I", [7, 2**32 - 1, 9]))
    numbers = Numbers(tmp_path / "n")
    assert (numbers[1], numbers.pair(1), list(numbers.slice(0, 3))) == (2**32 - 1, (2**32 - 1, 9), [7, 2**32 - 1, 9])
    assert list(numbers.slice(1, 1)) == []
    assert Bytes(tmp_path / "n")[0] == 7
    (tmp_path / "t").write_text("aéb", encoding="utf-8")
    (tmp_path / "s").write_bytes(array("Q", [0, 3, 3, 4]))
    texts = Texts(tmp_path / "t", tmp_path / "s")
    assert [texts[place] for place in range(3)] == ["aé", "", "b"]


@pytest.mark.usefixtures("_either_way")
def test_an_empty_file_has_nothing(tmp_path):
    (tmp_path / "t").write_bytes(b"")
    (tmp_path / "s").write_bytes(array("Q", [0, 0]))
    assert Texts(tmp_path / "t", tmp_path / "s")[0] == ""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts the open files of Linux")
def test_files_are_closed_with_their_array(tmp_path):
    (tmp_path / "n").write_bytes(array("I", [7]))
    before = len(list(Path("/proc/self/fd").iterdir()))
    numbers = Numbers(tmp_path / "n")
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    del numbers
    assert len(list(Path("/proc/self/fd").iterdir())) == before
