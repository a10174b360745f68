"""A pip that sees one folder of wheels alone, and a cache folder for each test."""

import os

import pytest


@pytest.fixture
def pip_folder(tmp_path, monkeypatch):
    """The folder in which pip looks for wheels; it looks nowhere else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLINSPAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
