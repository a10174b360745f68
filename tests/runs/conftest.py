"""LLMs and servers for the tests of runs."""

import subprocess
import sys

import pytest
from counting_llm import CountingLLM
from marking_server import MarkingServer


@pytest.fixture
def llm():
    return CountingLLM()


@pytest.fixture
def server():
    server = MarkingServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """The user's own cache, prices and keys stay out of it."""
    monkeypatch.setenv("CLINSPAN_ANSWERS", str(tmp_path / "answers" / "answers.sqlite"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CLINSPAN_PRICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clinspan(tmp_path):
    """Runs the program in a process of its own, in the test's folder."""

    def run(*arguments, stdin=None):
        return subprocess.run(
            [sys.executable, "-m", "clinspan", *map(str, arguments)],
            input=stdin,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
