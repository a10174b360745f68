"""Where notes may be sent to be tagged."""

import socket
import sys

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.errors import ClinspanError, ClusterError, ConfigError, MissingExtra, PrivacyError
from clinspan.labels import LabelSet
from clinspan.runs.cluster import ClusterSettings, RayCluster, check_answers, check_nodes, permitted
from clinspan.runs.folder import TaggerRecipe

RECIPE = TaggerRecipe(llm="none", labels=LabelSet.load("disease"), dictionary="none")


@pytest.mark.parametrize("address", ["127.0.0.1:6379", "localhost:6379", "[::1]:6379"])
def test_this_machine_needs_no_word(address):
    assert permitted(address, allow_remote=False) == address


@pytest.mark.parametrize("address", ["10.0.0.1:6379", "head:6379", "127.0.0.1.example.org:6379", "[2001:db8::1]:1"])
def test_another_machine_needs_the_users_word(address):
    with pytest.raises(PrivacyError, match=r"leave this machine.*--allow-remote") as refusal:
        permitted(address, allow_remote=False)
    assert refusal.value.where == address
    assert permitted(address, allow_remote=True) == address


@pytest.mark.parametrize("address", ["auto", "head", "ray://head:10001", "a@b:1", "head:0", "head:99999", ""])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigError, match="HOST:PORT"):
        permitted(address, allow_remote=True)


def test_a_cluster_that_reaches_beyond_this_machine_needs_the_users_word():
    check_nodes(["10.0.0.1", "10.0.0.1"], here="10.0.0.1", allow_remote=False)
    check_nodes(["10.0.0.1", "10.0.0.2"], here="10.0.0.1", allow_remote=True)
    with pytest.raises(PrivacyError, match=r"10\.0\.0\.2, 10\.0\.0\.3, 10\.0\.0\.4 and 1 more.*--allow-remote"):
        check_nodes([f"10.0.0.{n}" for n in range(1, 6)], here="10.0.0.1", allow_remote=False)


def test_an_address_where_nothing_answers_is_said_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterError, match="no Ray cluster can be reached") as error:
            check_answers(address)
    assert error.value.where == address


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match="'\\.\\[ray\\]'") as missing:
        RayCluster(RECIPE, ClusterSettings())
    assert missing.value.extra == "ray"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ray-workers", "2"], "--engine ray"),
        (["--ray-address", "127.0.0.1:1"], "--engine ray"),
        (["--engine", "ray", "--ray-address", "10.0.0.1:6379"], "--allow-remote"),
        (["--engine", "ray", "--run", "kept"], "--run has no use with --engine ray"),
        (["--engine", "ray", "--record", "r.jsonl"], "--record has no use with --engine ray"),
        (["--engine", "ray", "--max-cost", "1"], "--max-cost has no use with --engine ray"),
    ],
)
def test_the_command_refuses_before_any_work(tmp_path, arguments, said):
    note, out = tmp_path / "note.txt", tmp_path / "out.jsonl"
    note.write_text("Gout.")
    # A set with terms, so that something can find its labels.
    given = ["tag", str(note), "-o", str(out), "--labels", "problem-treatment-test"]
    asked = [*given, "--llm", "none", "--dictionary", "none", *arguments]
    done = CliRunner().invoke(app, asked)
    assert isinstance(done.exception, ClinspanError)
    assert said in str(done.exception)
    assert not out.exists()


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"batch": 0}, {"segment": 0}, {"tries": 0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ClusterSettings(**wrong)
