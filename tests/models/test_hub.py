"""Models of a hub: a real server that speaks as much of its protocol as is needed, and the hub's real library."""

import http.server
import json
import sys
import threading
from urllib.parse import unquote

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.errors import ConfigError, MissingExtra, ModelError
from clinspan.llms.spec import load
from clinspan.models.hub import HubModel, fetch, locate

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(http.server.BaseHTTPRequestHandler):
    def _send(self, content, **headers):
        self.send_response(200)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def _missing(self, code):
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        path = unquote(self.path.partition("?")[0])
        self.server.asked.append(path)
        if not path.startswith(("/api/models/owner/tiny", "/owner/tiny/resolve/")):
            self._missing("RepoNotFound")
        elif path.startswith("/api/models/"):
            files = [{"rfilename": name} for name in self.server.files]
            if "/tree/" in path:
                found = [
                    {"type": "file", "path": n, "size": len(c), "oid": "a" * 40} for n, c in self.server.files.items()
                ]
                self._send(json.dumps(found).encode(), Content_Type="application/json")
                return
            info = {"id": "owner/tiny", "modelId": "owner/tiny", "sha": COMMIT, "siblings": files, "tags": []}
            self._send(json.dumps(info).encode(), Content_Type="application/json")
        else:
            name = path.split("/", 5)[5]
            if name in self.server.files:
                self._send(self.server.files[name], X_Repo_Commit=COMMIT, ETag=f'"{name}"')
            else:
                self._missing("EntryNotFound")

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    import huggingface_hub.constants as constants

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.asked, server.files = [], {}
    threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield server
    server.shutdown()
    server.server_close()


LAYOUT = {"config.json": b"{}", "model.safetensors": b"weights", "tokenizer.json": b"{}"}
UNSAFE = {"pytorch_model.bin": b"pickle", "modeling.py": b"import os"}


def test_the_layout_is_fetched_without_what_could_run(hub):
    hub.files = LAYOUT | UNSAFE
    found = fetch(HubModel.parse("owner/tiny"))
    assert found.commit == COMMIT
    assert {path.name for path in found.path.iterdir()} == set(LAYOUT)
    asked = len(hub.asked)
    assert locate(HubModel.parse("owner/tiny")) == locate(HubModel.parse(f"owner/tiny@{COMMIT}")) == found
    assert len(hub.asked) == asked


def test_one_gguf_is_fetched_alone(hub):
    hub.files = {"README.md": b"", "a.Q8_0.gguf": b"GGUF8", "a.Q4_K_M.gguf": b"GGUF4"}
    assert fetch(HubModel.parse("owner/tiny")).path.read_bytes() == b"GGUF4"
    assert fetch(HubModel.parse("owner/tiny/a.Q8_0.gguf")).path.read_bytes() == b"GGUF8"


def test_which_of_several_must_be_said(hub):
    hub.files = {"a.Q8_0.gguf": b"", "a.Q6_K.gguf": b""}
    with pytest.raises(ModelError, match=r"has 2 GGUF files: a\.Q6_K\.gguf, a\.Q8_0\.gguf"):
        fetch(HubModel.parse("owner/tiny"))
    hub.files = UNSAFE
    with pytest.raises(ModelError, match="neither safetensors nor GGUF"):
        fetch(HubModel.parse("owner/tiny"))


def test_a_model_that_is_not_there(hub):
    with pytest.raises(ModelError, match=r"hf:owner/other: the hub did not give the model"):
        fetch(HubModel.parse("owner/other"))


def test_using_one_fetches_nothing_and_says_the_command(hub):
    hub.files = LAYOUT
    with pytest.raises(ModelError, match=r"not on this machine\. Fetch it with: clinspan models pull hf:owner/tiny@v1"):
        load("hf:owner/tiny@v1")
    assert hub.asked == []


def test_the_command_says_the_commit_to_pin(hub):
    hub.files = LAYOUT
    done = CliRunner().invoke(app, ["models", "pull", "hf:owner/tiny"], catch_exceptions=False)
    assert f"--llm hf:owner/tiny@{COMMIT}" in done.output


@pytest.mark.parametrize(
    "name", ["tiny", "a/b/c", "../etc/passwd", "a/b@", "https://host/a", "a/..@x", "a/b/../c.gguf"]
)
def test_what_names_no_model(name):
    with pytest.raises(ConfigError, match="names no model of the hub"):
        HubModel.parse(name)


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"'\.\[hub\]'"):
        locate(HubModel.parse("owner/tiny"))
