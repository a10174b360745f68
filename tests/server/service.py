"""A service in a process of its own, and an LLM that answers when it is told to."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

LABELS = """
name = "mine"
[[labels]]
name = "disease"
definition = "A disease that a patient has."
terms = ["gout", "asthma"]
"""
TERMS = "id\tname\nD1\tgout\nD2\tasthma\n"
PATIENCE = 120.0
"""Seconds: a busy machine is no failure."""


def until(true, what: str):
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < end, f"waited in vain for: {what}"
        time.sleep(0.02)
    return found


class Service:
    """`clinspan serve` with some options; what it writes goes to a file."""

    def __init__(self, folder: Path, *options: object, token: str | None = None):
        self.log = folder / "serve.log"
        environment = {key: value for key, value in os.environ.items() if key != "CLINSPAN_TOKEN"}
        command = [sys.executable, "-m", "clinspan", "serve", "--port", "0", *map(str, options)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stderr=log,
                stdout=log,
                env=environment | ({} if token is None else {"CLINSPAN_TOKEN": token}),
            )
        found = until(self._address, f"the address in {self.log}")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.url = found[0]
        self.client = httpx2.Client(base_url=self.url, headers=headers, timeout=PATIENCE, trust_env=False)

    def _address(self):
        assert self.process.poll() is None, self.said()
        return re.findall(r"http://\S+", self.said())

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def count(self, name: str) -> float:
        (found,) = re.findall(rf"^{re.escape(name)} (\S+)$", self.client.get("/metrics").text, re.MULTILINE)
        return float(found)

    def state(self, job: str) -> str:
        return self.client.get(f"/jobs/{job}").json()["state"]

    def begin(self, *texts: str) -> str:
        answer = self.client.post("/jobs", json={"documents": [{"text": text} for text in texts]})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def end(self) -> int:
        """Sends SIGTERM and gives the exit status."""
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self):
        self.client.close()
        self.process.kill()
        self.process.wait()


def asked_at_random(service: Service, folder: Path, *options: str) -> None:
    """Asks the service what nobody would; every answer must be one that its OpenAPI says."""
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json"),
            *("--seed", "1", "--no-color", "--request-timeout", str(PATIENCE), *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class HeldLLM:
    """Speaks OpenAI's protocol; marks each `gout`, once `go` is set. `chats` are those that it was asked, in order."""

    def __init__(self):
        self.go = threading.Event()
        self.chats: list[list[dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.chats.append(body["messages"])
                outer.go.wait(PATIENCE)
                text = body["messages"][-1]["content"].partition("Text:\n")[2].replace("gout", "[ gout | disease ]")
                message = {"role": "assistant", "content": text}
                content = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args):
                pass  # a client was ended, as tests want it to be

        self.http = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()

    @property
    def asked(self) -> int:
        return len(self.chats)

    def options(self, labels: str | Path = "disease") -> list[object]:
        url = f"http://127.0.0.1:{self.http.server_port}/v1"
        return ["--llm", "openai:held", "--base-url", url, "--dictionary", "none", "--labels", labels]

    def close(self):
        self.go.set()
        self.http.shutdown()
        self.http.server_close()
