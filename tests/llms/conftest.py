"""Real HTTP servers for each test, and no settings from the environment."""

import os

import pytest
from llm_server import ScriptedServer


@pytest.fixture
def server():
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def other_server():
    """One that must never be asked."""
    server = ScriptedServer()
    yield server
    server.close()
    assert server.seen == []


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
    names += [name for name in os.environ if name.startswith(("OPENAI_", "AZURE_OPENAI_", "ANTHROPIC_"))]
    for name in names:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
