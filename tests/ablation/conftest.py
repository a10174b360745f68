"""A corpus, a pool and a server for ablations."""

import json
import os
import subprocess
import sys

import pytest

from runs.marking_server import MarkingServer

SENTENCES = ("Her brother has ataxia.", "She has no fever.", "Colon cancer was found.", "A sister has ataxia, too.")
KNOWN = {"ataxia": "disease", "Colon cancer": "disease", "gout": "disease", "asthma": "disease"}


def line(id: str, text: str) -> str:
    places = ((text.find(mention), mention) for mention in KNOWN)
    entities = [
        {"start": at, "end": at + len(mention), "label": "disease", "text": mention}
        for at, mention in places
        if at >= 0
    ]
    return json.dumps({"id": id, "text": text, "entities": entities}) + "\n"


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """The user's own cache, prices and keys stay out of it."""
    monkeypatch.setenv("CLINSPAN_ANSWERS", str(tmp_path / "answers" / "answers.sqlite"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CLINSPAN_PRICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    server = MarkingServer()
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path):
    """A folder with gold notes and a pool."""
    (tmp_path / "gold.jsonl").write_text(
        line("a", " ".join(SENTENCES[:2])) + line("b", " ".join(SENTENCES[2:])), encoding="utf-8"
    )
    pool = ("He had gout.", "Nothing was found.", "Two brothers had ataxia.", "Her asthma is mild.")
    (tmp_path / "pool.jsonl").write_text("".join(line(f"p{n}", text) for n, text in enumerate(pool)), encoding="utf-8")
    return tmp_path


@pytest.fixture
def write_plan(folder):
    """A function that writes a plan for the folder's corpus and gives its path."""

    def write(rest: str, *, unit: str = "sentence"):
        head = f'title = "A plan"\nseed = 3\n[corpus]\nlabels = "disease"\ngold = "gold.jsonl"\nunit = "{unit}"\n'
        path = folder / "plan.toml"
        path.write_text(f'{head}[pool]\nexamples = "pool.jsonl"\n{rest}', encoding="utf-8")
        return path

    return write


@pytest.fixture
def clinspan(folder):
    """Starts the program in a process of its own, in the test's folder."""

    def run(*arguments, wait: bool = True):
        command = [sys.executable, "-m", "clinspan", *map(str, arguments)]
        if not wait:
            return subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, env=os.environ)

    return run
