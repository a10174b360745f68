"""`clinspan review`: in, out, agreement, what comes next; and what is said when it cannot be done."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.corpora import catalogue
from clinspan.errors import InputError, LabelError
from clinspan.review.note import Mark, State, text_hash
from clinspan.review.store import Store

TEXTS = {"a": "She has gout.", "b": "No fever today.", "c": "no FEVER today"}


def line(id: str, *mentions: str, label: str = "problem", **said) -> str:
    text = TEXTS[id]
    entities = [
        {"start": text.index(mention), "end": text.index(mention) + len(mention), "label": label, **said}
        for mention in mentions
    ]
    return json.dumps({"id": id, "text": text, "entities": entities}) + "\n"


def run(*arguments, status: int = 0):
    done = CliRunner().invoke(app, ["review", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == status, done.output
    return done


@pytest.fixture
def reviews(tmp_path) -> Path:
    results = tmp_path / "entities.jsonl"
    results.write_text(line("a", "gout", score=0.6) + line("b", "fever", score=0.9) + line("c", score=0.9))
    run("import", results, "-o", tmp_path / "reviews.sqlite", "--labels", "problem-treatment-test")
    return tmp_path / "reviews.sqlite"


def test_what_comes_next_names_no_text_twice(reviews) -> None:
    shown = run("next", reviews, "-n", 5).stdout
    assert "She has gout." in shown
    assert "0.80" in shown
    assert ("No fever" in shown) != ("no FEVER" in shown)
    with Store(reviews) as store:
        for key, text in enumerate(TEXTS.values(), 1):
            store.save(key, (), version=1, hash=text_hash(text), by="ann", state=State.ACCEPTED)
    assert "reviewed" in run("next", reviews, status=1).stderr


def test_accepted_notes_go_out(reviews, tmp_path) -> None:
    gold = tmp_path / "gold.jsonl"
    assert "0 documents" in run("export", reviews, "-o", gold, status=1).stderr
    assert not gold.exists()
    with Store(reviews) as store:
        marks = [Mark(8, 12, "problem", {"assertion": "present"})]
        store.save(1, marks, version=1, hash=text_hash(TEXTS["a"]), by="ann", state=State.ACCEPTED)
    run("export", reviews, "-o", gold)
    (document,) = catalogue.read(gold)
    assert [(e.text, e.attribute("assertion"), e.score) for e in document.entities] == [("gout", "present", 0.6)]
    run("export", reviews, "-o", tmp_path / "all.ann.brat", "--state", "new", "--state", "accepted")
    assert len([*catalogue.read(tmp_path / "all.ann.brat", format="brat")]) == 3
    assert "0 documents" in run("export", reviews, "-o", tmp_path / "x.jsonl", "--who", "ben", status=1).stderr


def test_two_people_agree(reviews, tmp_path) -> None:
    for who, marked in (("ann", ["She"]), ("ben", ["gout", "She"])):
        gold = tmp_path / f"{who}.jsonl"
        gold.write_text(line("a", *marked, attributes={"assertion": "absent"}) + line("b"))
        assert "2 saved again" in run("import", gold, "-o", reviews, "--who", who).stderr
    shown = run("agree", reviews, "ann", "ben").stdout
    assert "2 notes that both saved" in shown
    assert "0.667" in shown
    assert "assertion: 1 of 1 entities told alike; kappa not defined" in shown
    with pytest.raises(InputError, match="both saved"):
        run("agree", reviews, "ann", "nobody")


def test_a_broken_import_leaves_no_note(tmp_path) -> None:
    results, reviews = tmp_path / "entities.jsonl", tmp_path / "reviews.sqlite"
    results.write_text(line("a", "gout") + '{"id": "b", "text": "gout", "entities": [{"start": 3, "end": 9}]}\n')
    with pytest.raises(InputError, match="line 2"):
        run("import", results, "-o", reviews)
    with Store(reviews) as store:
        assert store.listed()[0] == 0
    assert "line 2" in run("import", results, "-o", reviews, "--lenient", status=3).stderr
    with Store(reviews) as store:
        assert store.listed()[0] == 1
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(InputError):
        run("import", tmp_path / "empty.jsonl", "-o", reviews)


def test_labels_that_the_set_lacks_are_told(tmp_path) -> None:
    results, reviews = tmp_path / "entities.jsonl", tmp_path / "reviews.sqlite"
    results.write_text(line("a", "gout", label="Zebra"))
    with pytest.raises(LabelError, match="--map Zebra=problem"):
        run("import", results, "-o", reviews, "--labels", "problem-treatment-test")
    run("import", results, "-o", reviews, "--labels", "problem-treatment-test", "--map", "Zebra=problem")
    with Store(reviews) as store:
        assert [label.name for label in store.labels()] == ["problem", "treatment", "test"]
        assert store.note(1).document.entities[0].label == "problem"


def test_no_file_is_made_by_looking(tmp_path) -> None:
    for command in (["next"], ["agree"], ["export"]):
        more = {"next": [], "agree": ["a", "b"], "export": ["-o", tmp_path / "x.jsonl"]}[command[0]]
        with pytest.raises(InputError, match="no such review file"):
            run(*command, tmp_path / "none.sqlite", *more)
    assert [*tmp_path.iterdir()] == []
