"""What is fetched, and who is asked before: a real terminal where one is needed."""

import hashlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from clinspan import Tagger
from clinspan.cli.machine import fetch_missing
from clinspan.errors import ModelError
from clinspan.models.registry import LocalSource, Model, ModelFile

ASKING = """
import sys
from pathlib import Path
from clinspan.cli.machine import fetch_missing
from clinspan.models.registry import LocalSource, Model, ModelFile
path = Path(sys.argv[1])
file = ModelFile("tiny.bin", sys.argv[2], 4, (LocalSource(path),))
fetch_missing((Model("tiny", "llm", "MIT", "a test", "none", (file,)),), yes=False)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("CLINSPAN_CACHE", str(folder))
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Model:
    path = tmp_path / "source.bin"
    path.write_bytes(b"tiny")
    digest = hashlib.sha256(b"tiny").hexdigest()
    return Model("tiny", "llm", "MIT", "a test", "none", (ModelFile("tiny.bin", digest, 4, (LocalSource(path),)),))


def test_yes_fetches_without_asking(cache: Path, tiny: Model) -> None:
    fetch_missing((tiny,), yes=True, quiet=True)
    assert (cache / "models" / "tiny" / "tiny.bin").read_bytes() == b"tiny"


def test_without_a_terminal_nothing_is_fetched_and_the_error_names_the_option(cache: Path, tiny: Model) -> None:
    with pytest.raises(ModelError, match=r"'tiny' \(0 MB\) is not on this machine.*--yes.*clinspan models pull tiny"):
        fetch_missing((tiny,), yes=False)
    assert not cache.exists()


@pytest.mark.parametrize(("answer", "fetched"), [("y", True), ("", True), ("n", False)])
def test_a_terminal_asks_once(cache: Path, tiny: Model, answer: str, fetched: bool) -> None:
    (file,) = tiny.files
    (source,) = file.sources
    assert isinstance(source, LocalSource)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ASKING, str(source.path), file.sha256], stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        while b"[Y/n]" not in said:
            said += os.read(ours, 4096)
        os.write(ours, answer.encode() + b"\n")
        try:
            while more := os.read(ours, 4096):
                said += more
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    assert (process.returncode == 0) is fetched
    assert said.count(b"[Y/n]") == 1
    assert b"tiny (0 MB, MIT)" in said
    assert (cache / "models" / "tiny" / "tiny.bin").exists() is fetched


@pytest.mark.parametrize("command", [["tag", "note.txt", "-o", "out.jsonl"], ["demo"]])
def test_the_commands_name_yes_where_nobody_can_be_asked(tmp_path: Path, cache: Path, command: list[str]) -> None:
    (tmp_path / "note.txt").write_text("Gout.\n")
    done = subprocess.run(
        [sys.executable, "-m", "clinspan", *command, "--llm", "embedded"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'smollm2-135m-instruct' (98 MB) is not on this machine" in done.stderr
    assert "--yes" in done.stderr
    assert not (cache / "models").exists()


@pytest.mark.usefixtures("cache")
def test_python_names_its_own_way() -> None:
    with pytest.raises(
        ModelError, match=r"clinspan models pull smollm2-135m-instruct, or Tagger.open\(..., fetch=True"
    ):
        Tagger.open("embedded", labels="disease", dictionary="none")
