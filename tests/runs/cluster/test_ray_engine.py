"""Tagging on a real Ray on this machine: the same results in the same order, and nothing lost."""

import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import poisoned
import pytest

from clinspan.corpora import jsonl
from clinspan.document import Document, WindowState
from clinspan.errors import ClusterError, ConfigError, InputError
from clinspan.labels import LabelSet
from clinspan.runs.cluster import ClusterSettings, RayCluster
from clinspan.runs.folder import TaggerRecipe

ray = pytest.importorskip("ray", reason="needs the extra 'ray', which is not in 'dev', being large")

RECIPE = TaggerRecipe(llm="none", labels=LabelSet.load("disease"), dictionary="none")
PLAIN = ["--llm", "none", "--dictionary", "none"]
SETTINGS = ClusterSettings(workers=2, batch=4)


def notes(count, poison=()):
    texts = (f"Note {n}: he had gout{' POISON' if n in poison else ''} and β-thalassaemia." for n in range(count))
    return [Document(f"note-{n}", text, metadata={"n": n, "deep": {"a": [1, None]}}) for n, text in enumerate(texts)]


@pytest.fixture(scope="module")
def here():
    """A Ray that all tests of this file use, since starting one takes long."""
    with RayCluster(RECIPE, ClusterSettings(workers=2)):
        ray.cloudpickle.register_pickle_by_value(poisoned)
        yield


@pytest.fixture
def server():
    """Marks gout, wherever it stands."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = body["messages"][-1]["content"].split("Text:\n", 1)[-1]
            time.sleep(0.5 if "SLOW" in text else 0)
            said = {"role": "assistant", "content": text.replace("gout", "[ gout | disease ]")}
            content = json.dumps({"choices": [{"message": said, "finish_reason": "stop"}], "usage": {}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
    yield f"http://127.0.0.1:{http.server_port}/v1"
    http.shutdown()
    http.server_close()


def test_documents_come_back_in_order_as_from_one_process(here, server):
    recipe = TaggerRecipe(llm="openai:m", labels=RECIPE.labels, dictionary="none", options={"base_url": server})
    documents = notes(11)
    # Two segments, the last batch of which is not full.
    with RayCluster(recipe, ClusterSettings(workers=2, batch=4, segment=2)) as cluster:
        tagged = list(cluster.tag_many(documents))
    assert tagged == list(recipe.make().tag_many(documents))
    assert [entity.text for document in tagged for entity in document.entities] == ["gout"] * 11


def test_what_the_source_raises_comes_after_what_was_read(here):
    def broken():
        yield from notes(6)
        raise InputError("the disk is gone")

    given = []
    with RayCluster(RECIPE, SETTINGS) as cluster, pytest.raises(InputError, match="the disk is gone"):
        given.extend(document.id for document in cluster.tag_many(broken()))
    assert given == [f"note-{n}" for n in range(6)]


def test_a_document_whose_worker_dies_once_is_tagged_all_the_same(here, tmp_path):
    deaths = tmp_path / "deaths"
    deaths.touch()
    documents = notes(10, poison=[5])
    with RayCluster(poisoned.Poisoned(RECIPE, deaths, most=1), SETTINGS) as cluster:
        tagged = list(cluster.tag_many(documents))
    assert deaths.stat().st_size == 1
    assert tagged == list(RECIPE.make().tag_many(documents))


def test_a_document_that_kills_every_worker_ends_in_a_named_state_alone(here, tmp_path):
    deaths = tmp_path / "deaths"
    deaths.touch()
    documents = notes(10, poison=[5])
    with RayCluster(poisoned.Poisoned(RECIPE, deaths, most=99), SETTINGS) as cluster:
        tagged = list(cluster.tag_many(documents))
    assert deaths.stat().st_size == 4  # the batch twice, the document alone twice
    plain = list(RECIPE.make().tag_many(documents))
    assert tagged[:5] + tagged[6:] == plain[:5] + plain[6:]
    (window,) = tagged[5].windows
    assert (tagged[5].text, window.state) == (documents[5].text, WindowState.FAILED)
    assert window.detail == "given up after 2 tries alone: its worker died"


def test_what_a_worker_lacks_is_said_as_it_is_in_one_process(here):
    wrong = TaggerRecipe(llm="none", labels=RECIPE.labels, options={"seed": 3})
    with RayCluster(wrong, SETTINGS) as cluster, pytest.raises(ConfigError, match="--seed"):
        list(cluster.tag_many(notes(2)))


def test_a_batch_may_take_as_long_as_it_takes(here, server, monkeypatch):
    """Ray Data's own limit, half an hour without a result, is a second here."""
    monkeypatch.setattr(ray.data.DataContext.get_current(), "execution_no_progress_timeout_s", 1.0)
    slow = {"base_url": server, "concurrency": 1}
    recipe = TaggerRecipe(llm="openai:m", labels=RECIPE.labels, dictionary="none", options=slow)
    with RayCluster(recipe, ClusterSettings(workers=1, batch=8)) as cluster:
        tagged = list(cluster.tag_many(Document(f"n{n}", f"SLOW {n}: gout.") for n in range(8)))
    assert [entity.text for document in tagged for entity in document.entities] == ["gout"] * 8


def test_a_cluster_that_does_not_start_is_said(monkeypatch):
    def init(**options):
        raise Exception("The current node timed out during startup.")  # as Ray does, with nothing narrower

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with (
        pytest.raises(ClusterError, match="Ray cannot be used: The current node timed out"),
        RayCluster(RECIPE, SETTINGS),
    ):
        pass


def test_more_workers_than_processors_are_refused(here):
    with pytest.raises(ConfigError, match="9 workers"), RayCluster(RECIPE, ClusterSettings(workers=9)):
        pass


def test_the_command_writes_the_same_bytes_and_ends_with_the_same_status(tmp_path):
    source, broken = tmp_path / "notes.parquet", tmp_path / "broken.jsonl"
    jsonl.write_parquet(notes(70), source)
    broken.write_text('{"id": "a", "text": "Gout."}\n{"id": \n')
    done = {}
    for name, more in {"here": [], "there": ["--engine", "ray", "--ray-workers", "1"]}.items():
        done[name] = subprocess.run(
            [sys.executable, "-m", "clinspan", "tag", source, broken, "-o", f"{name}.jsonl", *PLAIN, *more],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done[name].returncode == 3, done[name].stderr
    assert (tmp_path / "there.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()
    # Ray says that it was told to say nothing.
    varies = ("speed", "RAY_BACKEND_LOG_LEVEL")
    said = [[line for line in run.stderr.splitlines() if not any(v in line for v in varies)] for run in done.values()]
    assert [line.replace("there.jsonl", "here.jsonl") for line in said[1]] == said[0]
