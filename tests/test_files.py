from contextlib import suppress

import pytest

from clinspan.errors import OutputError
from clinspan.files import whole_file


def test_text_and_bytes_appear_whole_when_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with whole_file(path) as file:
        file.write("é\r\nnew\n")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_bytes() == "é\r\nnew\n".encode()
    with whole_file(path) as file:
        file.buffer.write(b"\xff\x00")
    assert path.read_bytes() == b"\xff\x00"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with suppress(error), whole_file(path) as file:
        file.write("half")
        raise error
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_what_cannot_be_written_is_said(tmp_path):
    with pytest.raises(OutputError, match=r"there is no folder .*mkdir -p"), whole_file(tmp_path / "no" / "a"):
        pass
    with pytest.raises(OutputError, match="a: cannot be written: No space left"), whole_file(tmp_path / "a"):
        raise OSError(28, "No space left on device")
    with whole_file(tmp_path / "a", errors="backslashreplace", private=True, part="mine") as file:
        assert (tmp_path / "mine").exists()
        file.write("\ud83d")
    assert (tmp_path / "a").read_text() == "\\ud83d"
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0
