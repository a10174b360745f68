"""`clinspan doctor` as a user runs it."""

import hashlib
import socket
import sys

import pytest
from typer.testing import CliRunner

from clinspan.classifier.folder import shipped
from clinspan.cli import machine
from clinspan.cli.main import app
from clinspan.dictionary.build import build
from clinspan.dictionary.layout import Entry, Small, SourceInfo, Term
from clinspan.models import registry
from clinspan.models.registry import Model, ModelFile, find


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLINSPAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*arguments):
        raise AssertionError(f"doctor used the network: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def run(*arguments):
    result = CliRunner().invoke(app, ["doctor", *arguments])
    lines = {}
    for line in result.stdout.splitlines():
        if line.startswith("  ") and ": " in line:
            what, _, detail = line[4:].partition(": ")
            lines[what] = (line[2], detail)
    return result.exit_code, lines


LARGER = "smollm2-135m-instruct, for --llm embedded"


def test_on_a_fresh_machine_what_is_used_by_default_works(cache):
    status, lines = run()
    assert status == 0
    assert [name for name, (mark, _) in lines.items() if mark == "✗"] == []
    assert {card.name for _, card in shipped()} <= set(lines)
    mark, said = lines["clinical-notes"]
    assert mark == "✓"
    assert said.startswith("decides for medication, problem-treatment-test; opened")
    assert "chronic kidney disease (problem)" in said
    assert lines["literature"] == ("✓", "decides for chemical-disease, disease, gene; hash right")
    assert lines[LARGER] == ("·", "not pulled (clinspan models pull smollm2-135m-instruct)")
    assert lines["all-minilm-l6-v2"] == ("·", "not pulled (clinspan models pull all-minilm-l6-v2)")
    assert lines["open"][0] == "·"
    assert "not built yet" in lines["open"][1]
    assert lines["cache folder"] == (
        "·",
        f"{cache}, not made yet (the environment variable CLINSPAN_CACHE names another)",
    )
    assert not cache.exists()


def test_a_damaged_model(cache):
    model = find("smollm2-135m-instruct")
    model.folder.mkdir(parents=True)
    with (model.folder / model.files[0].name).open("wb") as sparse:
        sparse.truncate(model.files[0].bytes)
    status, lines = run("--no-trial")
    assert status == 0
    assert lines[LARGER] == (
        "✗",
        "damaged; fetch it again with: clinspan models pull smollm2-135m-instruct",
    )


def test_extras_and_what_they_lack(cache, monkeypatch):
    requirements = [
        "rich>=1",
        "pytest ; extra == 'server'",
        "rich>=1; extra == 'ray'",
        "no-such; extra == 'ray'",
    ]
    monkeypatch.setattr("clinspan.extras.requires", lambda name: requirements)
    _, lines = run()
    assert lines["extra server"] == ("✓", f"pytest {pytest.__version__}")
    assert lines["extra ray"] == ("·", "lacks no-such (in your checkout: pip install '.[ray]')")
    assert lines["clinspan"][1].startswith("0.")


@pytest.mark.parametrize("trial", [[], ["--no-trial"]])
def test_without_what_runs_the_encoders_the_defaults_do_not_work(cache, monkeypatch, trial):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    status, lines = run(*trial)
    assert (status, lines["clinical-notes"][0]) == (1, "✗")
    assert "onnxruntime" in lines["clinical-notes"][1]


def test_a_damaged_encoder(cache, monkeypatch, tmp_path):
    _, card = shipped()[0]
    (tmp_path / card.file).write_bytes(b"cut")
    monkeypatch.setattr(machine, "shipped", lambda: ((tmp_path, card),))
    status, lines = run("--no-trial")
    assert (status, lines[card.name][0]) == (1, "✗")
    assert "checksum" in lines[card.name][1]


@pytest.mark.model
def test_the_embedded_model_is_tried(smollm2):
    status, lines = run()
    mark, said = lines[LARGER]
    assert (status, mark) == (0, "✓")
    answer = said.rpartition(" s: ")[2]
    copy = answer.replace("[ ", "").replace(" | disease ]", "")
    assert copy == machine.SENTENCE
    _, lines = run("--no-trial")
    assert lines[LARGER][1].startswith("here, hash right")


def test_the_dictionary_is_tried(cache, monkeypatch):
    class Source(Small):
        def infos(self):
            return (SourceInfo("T", "1", "none", "a test"),)

        def entries(self):
            name = Term("chronic kidney disease", "T", preferred=True)
            return iter([Entry("T:1", (name,), ("Disease or Syndrome",))])

    monkeypatch.setattr(machine, "default_path", lambda: cache / "open")
    build([Source()], cache / "open")
    _, lines = run()
    assert lines["open"] == ("✓", f"{cache / 'open'}: chronic kidney disease (T:1)")
    next((cache / "open").rglob("*.json")).write_text("{}")
    _, lines = run()
    assert lines["open"][0] == "✗"


def test_a_model_that_cannot_be_loaded(cache, monkeypatch):
    """The hash is right, and yet it is no model."""
    name = "smollm2-135m-instruct"
    junk = b"GGUF, or so it says"
    file = ModelFile("junk.gguf", hashlib.sha256(junk).hexdigest(), len(junk), ())
    model = Model(name, "llm", "none", "Junk.", "", (file,))
    model.folder.mkdir(parents=True)
    (model.folder / "junk.gguf").write_bytes(junk)
    for module in (machine, registry):
        monkeypatch.setattr(module, "entries", lambda: {name: model})
    status, lines = run()
    assert (status, lines[LARGER][0]) == (0, "✗")
    assert "junk.gguf" in lines[LARGER][1] or ".[embedded]" in lines[LARGER][1]
