"""Fixtures that every test folder uses."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared():
    """A function that finds a piece of the optional evaluation material, or skips the test and names it."""
    root = Path(os.environ.get("CLINSPAN_SHARED", Path(__file__).parent.parent.parent / "shared"))

    def find(relative: str) -> Path:
        path = root / relative
        if not path.exists():
            pytest.skip(f"needs {relative}, which is not on this machine (set CLINSPAN_SHARED to its folder)")
        return path

    return find
