"""`clinspan tag --examples ... --select ...` as a user meets it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clinspan.document import Document, Entity, Span
from clinspan.examples.build import build

GOLD = [
    ("a", "Her sister had ataxia.", "ataxia"),
    ("b", "He was treated for gout.", "gout"),
    ("c", "No one was seen.", ""),
]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clinspan", "tag", "--labels", "disease", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.txt"
    path.write_text("Her brother was treated for gout, too.\n")
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "gold.jsonl"
    lines = [
        {
            "id": id,
            "text": text,
            "entities": [{"start": text.index(m), "end": text.index(m) + len(m), "label": "disease"}] if m else [],
        }
        for id, text, m in GOLD
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    documents = [
        Document(id, text, (Entity(Span(text.index(m), text.index(m) + len(m)), "disease", m),) if m else ())
        for id, text, m in GOLD
    ]
    build(documents, tmp_path / "pool", labels=("disease",))
    return tmp_path / "pool"


@pytest.mark.parametrize("kind", ["corpus", "pool"])
def test_examples_are_shown_and_what_is_to_be_known_of_them_is_said(request, tmp_path, note, kind, smollm2) -> None:
    out, report = tmp_path / "out.jsonl", tmp_path / "report.html"
    options = ("--adapter", "none", "--dictionary", "none", "--examples", request.getfixturevalue(kind))
    done = run(note, "-o", out, "--report", report, *options, "--select", "knn", "-k", 2, "--open-bias", 1)
    assert done.returncode == 0, done.stderr
    assert "2 in 1 prompts, mean similarity" in done.stderr
    assert "prompt tokens" in done.stderr
    page = report.read_text()
    assert re.search(r"select</\w+>\s*<\w+>knn<", page)
    assert re.search(r"examples-order</\w+>\s*<\w+>similar-last<", page)
    assert "2 in 1 prompts, mean similarity" in page


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--select", "knn"], "there is none. Name one with --examples"),
        (["--select", "best"], "'best' is not one of"),
        (["--examples-order", "pool"], "without it"),
        (["--examples", "CORPUS", "--select", "knn", "--labels", "gene"], "none that is asked for; expected gene"),
        (["--examples", "POOL", "--select", "knn", "--labels", "gene"], "not annotated for 'gene'"),
        (["--examples", "POOL", "--select", "knn", "--examples-by", "minilm"], "no retriever 'minilm'"),
        (["--examples", "POOL", "--map", "A=disease"], "--map is for annotated documents, and these are a pool"),
        (["--examples", "POOL", "--skip-wrong"], "--skip-wrong is for annotated documents"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_read(tmp_path, note, corpus, pool, smollm2, options, says) -> None:
    named = {"CORPUS": corpus, "POOL": pool}
    done = run(note, "-o", tmp_path / "out.jsonl", "--adapter", "none", *[named.get(o, o) for o in options])
    assert done.returncode == 2, done.stderr
    assert says in " ".join(done.stderr.replace("│", " ").split())
    assert not (tmp_path / "out.jsonl").exists()


def test_a_pool_teaches_which_terms_are_meant(tmp_path, note, pool) -> None:
    out = tmp_path / "out.jsonl"
    options = (note, "-o", out, "--llm", "none", "--dictionary", "none", "--examples", pool)
    assert run(*options).returncode == 0
    assert [entity["text"] for entity in json.loads(out.read_text())["entities"]] == ["gout"]
    untaught = run(*options, "--no-teach", "--force")
    assert untaught.returncode == 2
    assert "nothing here can find 'disease'" in untaught.stderr


NCBI = "1|t|Gout and cold.\n1|a|\n1\t0\t4\tGout\tSpecificDisease\tD1\n\n"
FAULTY = "2|t|Renal failure.\n2|a|\n2\t0\t12\tRenal failure\tDiseaseClass\tD2\n"


def test_a_faulty_document_stops_a_run_until_it_is_left_out(tmp_path, note) -> None:
    gold, out = tmp_path / "gold.pubtator", tmp_path / "out.jsonl"
    gold.write_text(NCBI + FAULTY)
    options = (note, "-o", out, "--llm", "none", "--dictionary", "none", "--examples", gold)
    stopped = run(*options)
    assert stopped.returncode == 2
    assert "gold.pubtator, line 7" in stopped.stderr
    assert "leave such documents out with --skip-wrong" in stopped.stderr
    assert not out.exists()
    done = run(*options, "--skip-wrong")
    assert done.returncode == 0, done.stderr
    assert "1 documents left out: with a fault" in done.stderr
    assert "line 7" in done.stderr
    assert [entity["text"] for entity in json.loads(out.read_text())["entities"]] == ["gout"]
    assert run(*options, "--skip-wrong", "--force", "--quiet").stderr == ""
