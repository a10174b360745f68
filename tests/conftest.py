"""Fixtures that every test folder uses."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from clinspan.errors import ModelError
from clinspan.models.registry import path_of

# A busy machine is no failure: nothing here is timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


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


@pytest.fixture(scope="session")
def smollm2():
    """The path of the embedded model's weights, or skips the test and says how to get them."""
    if find_spec("xllamacpp") is None:
        pytest.skip("needs the extra 'embedded'")
    try:
        return path_of("smollm2-135m-instruct")
    except ModelError as missing:
        pytest.skip(str(missing))
