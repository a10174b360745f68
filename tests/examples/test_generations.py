"""Pools that grow, are replaced while they are read, and are written by processes that die."""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from pool_parts import HashEncoder, numbered

from clinspan.document import Document
from clinspan.errors import InputError, ModelError, OutputError
from clinspan.examples import retrieve
from clinspan.examples.build import add, build
from clinspan.examples.pool import Pool

PARTS = Path(__file__).with_name("pool_parts.py")


@pytest.fixture
def folder(tmp_path):
    build([numbered(0), numbered(1)], tmp_path / "pool", labels=["disease"], encoder=HashEncoder())
    return tmp_path / "pool"


def generations(folder):
    return [path.name for path in folder.glob("generation-*")]


def test_adding_encodes_what_is_new_alone(folder):
    encoder = HashEncoder()
    add([numbered(2), numbered(3)], folder, encoder=encoder)
    pool = Pool.open(folder)
    assert encoder.asked == [numbered(2).text, numbered(3).text]
    assert [example.document for example in pool] == ["n0", "n1", "n2", "n3"]
    assert pool.info.mentions == {"disease": 4}
    assert np.array_equal(pool.vectors(range(4)), HashEncoder().encode([example.text for example in pool]))


def test_an_added_pool_is_that_which_is_built_at_once(folder, tmp_path):
    add([numbered(2)], folder, encoder=HashEncoder())
    build([numbered(i) for i in range(3)], tmp_path / "once", labels=["disease"], encoder=HashEncoder())
    grown, once = Pool.open(folder), Pool.open(tmp_path / "once")
    assert list(grown) == list(once)
    assert list(grown.mentions()) == list(once.mentions())
    queries = ["Case 2 of 1-itis", "organ"]
    assert grown.retriever("lexical").nearest(queries, 3) == once.retriever("lexical").nearest(queries, 3)
    one, other = grown.info, once.info
    assert (one.documents, one.examples, one.empty, one.mentions) == (
        other.documents,
        other.examples,
        other.empty,
        other.mentions,
    )


def test_building_again_takes_the_vectors_over(folder):
    encoder = HashEncoder()
    build([numbered(1), numbered(5)], folder, labels=["disease"], encoder=encoder)
    assert encoder.asked == [numbered(5).text]
    other = HashEncoder(identity="other weights")
    build([numbered(1), numbered(5)], folder, labels=["disease"], encoder=other)
    assert len(other.asked) == 2


def test_who_has_the_pool_open_keeps_what_it_opened(folder):
    pool = Pool.open(folder)
    for number in (2, 3, 4):
        add([numbered(number)], folder, encoder=HashEncoder())
    build([numbered(8)], folder, labels=["disease"])
    assert generations(folder) == [Pool.open(folder).info.generation]
    assert [example.document for example in pool] == ["n0", "n1"]
    encoder = HashEncoder()
    (hits,) = pool.retriever(encoder=encoder).nearest([numbered(1).text], 2)
    assert hits[0].index == 1
    assert hits[0].similarity == pytest.approx(1)
    assert pool.examples_with("1-itis") == (1,)


@pytest.mark.parametrize("task", ["build-and-die", "add-and-die"])
def test_a_process_that_is_killed_leaves_the_old_pool(folder, task):
    before = list(Pool.open(folder))
    died = subprocess.run([sys.executable, PARTS, task, folder], check=False)
    assert died.returncode == -9
    assert list(Pool.open(folder)) == before
    assert len(generations(folder)) == 2
    add([numbered(2)], folder, encoder=HashEncoder())
    assert len(Pool.open(folder)) == 3
    assert len(generations(folder)) == 1


def test_processes_read_while_one_adds(folder, tmp_path):
    stop = tmp_path / "stop"
    command = [sys.executable, PARTS, "read", folder, stop]
    with ExitStack() as stack:
        readers = [stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) for _ in range(2)]
        for number in range(2, 7):
            add([numbered(number)], folder, encoder=HashEncoder())
        stop.touch()
        found = [(reader.communicate()[0], reader.returncode) for reader in readers]
    assert found == [("saw 7\n", 0)] * 2


def test_two_that_add_at_once_both_get_in(folder, tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pool_parts import *\n"
        "add([numbered(int(sys.argv[3]))], sys.argv[2], encoder=HashEncoder())"
    )
    with ExitStack() as stack:
        commands = [[sys.executable, "-c", script, PARTS.parent, folder, number] for number in "23"]
        writers = [stack.enter_context(subprocess.Popen(command)) for command in commands]
        assert [writer.wait() for writer in writers] == [0, 0]
    assert {example.document for example in Pool.open(folder)} == {"n0", "n1", "n2", "n3"}


def test_a_build_without_examples_changes_nothing(folder):
    before = Pool.open(folder).info
    with pytest.raises(InputError, match="no example"):
        build([], folder, labels=["disease"])
    assert Pool.open(folder).info == before
    assert generations(folder) == [before.generation]


def test_an_encoder_of_another_dimension_is_an_error(folder):
    with pytest.raises(ModelError, match=r"12 dimensions and not 8 .*; expected hash, pooling mean, 8 dim"):
        add([numbered(2)], folder, encoder=HashEncoder(12, identity="wide"))
    with pytest.raises(ModelError, match="other weights"):
        Pool.open(folder).retriever(encoder=HashEncoder(identity="another"))
    with pytest.raises(ModelError, match="no encoder is given"):
        add([numbered(2)], folder)
    assert len(Pool.open(folder)) == 2


def test_nothing_but_a_pool_is_written_over(tmp_path):
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(OutputError, match=r"thesis\.tex"):
        build([numbered(0)], tmp_path, labels=["disease"])
    assert {path.name for path in tmp_path.iterdir()} <= {"thesis.tex", ".lock"}


def test_a_pool_of_another_version_is_an_error(folder):
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))
    with pytest.raises(InputError, match="format 99"):
        Pool.open(folder)
    manifest.write_text("[]")
    with pytest.raises(InputError, match="not a pool's manifest"):
        Pool.open(folder)


def test_a_pool_that_lacks_a_file_is_an_error(folder):
    (folder / generations(folder)[0] / "vectors.f32").unlink()
    with pytest.raises(InputError, match=r"lacks a file.*vectors\.f32"):
        Pool.open(folder)


def test_a_graph_grows_and_finds_what_exact_search_finds(tmp_path, monkeypatch):
    monkeypatch.setattr(retrieve, "GRAPH_FROM", 100)
    folder = tmp_path / "pool"
    build([numbered(i) for i in range(90)], folder, labels=["disease"], encoder=HashEncoder())
    assert Pool.open(folder).info.index == "exact"
    add([numbered(i) for i in range(90, 150)], folder, encoder=HashEncoder())
    encoder = HashEncoder()
    add([numbered(i) for i in range(150, 200)], folder, encoder=encoder)
    assert len(encoder.asked) == 50
    pool = Pool.open(folder)
    assert pool.info.index == "hnsw"
    texts = [example.text for example in pool]
    vectors = HashEncoder().encode(texts)
    queries = [f"query {i}" for i in range(20)]
    scores = HashEncoder().encode(queries) @ vectors.T
    found = pool.retriever(encoder=HashEncoder()).nearest(queries, 16, allowed=lambda i: i % 3 > 0)
    shares = []
    for row, hits in zip(scores, found, strict=True):
        expected = [i for i in np.argsort(-row).tolist() if i % 3][:16]
        shares.append(len({hit.index for hit in hits} & set(expected)) / 16)
        assert [hit.similarity for hit in hits] == pytest.approx([row[hit.index] for hit in hits], abs=2e-3)
    assert np.mean(shares) >= 0.98
    (rare,) = pool.retriever().nearest(queries[:1], 2, allowed=lambda i: i % 90 == 7)
    assert [hit.index for hit in rare] == [i for i in np.argsort(-scores[0]).tolist() if i % 90 == 7][:2]
    (everything,) = pool.retriever().nearest(["query"], 500)
    assert sorted(hit.index for hit in everything) == list(range(200))
    between = pool.retriever().between([0, 60, 199])
    assert between == pytest.approx(vectors[[0, 60, 199]] @ vectors[[0, 60, 199]].T, abs=2e-3)


def test_exact_search_is_exact(folder):
    add([numbered(i) for i in range(2, 80)], folder, encoder=HashEncoder())
    pool = Pool.open(folder)
    queries = [f"query {i}" for i in range(10)]
    expected = HashEncoder().encode(queries) @ HashEncoder().encode([example.text for example in pool]).T
    found = pool.retriever(encoder=HashEncoder()).nearest(queries, 7)
    for row, hits in zip(expected, found, strict=True):
        assert [hit.index for hit in hits] == np.argsort(-row)[:7].tolist()
        assert [hit.similarity for hit in hits] == pytest.approx(sorted(row.tolist(), reverse=True)[:7], abs=1e-6)


def test_a_pool_may_be_named_from_the_folder_one_works_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build([numbered(0)], "pool", labels=["disease"], encoder=HashEncoder())
    add([numbered(1)], "pool", encoder=HashEncoder())
    assert [example.document for example in Pool.open("pool")] == ["n0", "n1"]


def test_documents_without_any_label_are_no_pool(tmp_path):
    with pytest.raises(InputError, match="no document has an annotation"):
        build([Document("a", "No gout.")], tmp_path / "pool", labels=[])
    build([Document("a", "No gout.")], tmp_path / "pool", labels=["disease"])
    assert Pool.open(tmp_path / "pool").info.mentions == {"disease": 0}
