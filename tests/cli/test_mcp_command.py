"""`clinspan mcp` without its package; `tests/server/test_mcp.py` asks the real server."""

import sys

from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.errors import MissingExtra


def test_the_extra_of_the_missing_package_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.delitem(sys.modules, "clinspan.server.mcp", raising=False)
    done = CliRunner().invoke(app, ["mcp"])
    assert isinstance(done.exception, MissingExtra)
    assert "pip install '.[mcp]'" in str(done.exception)
