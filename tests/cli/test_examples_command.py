"""`clinspan examples` as a user runs it."""

import json

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.errors import ConfigError, InputError, LabelError


def run(*arguments, **more):
    return CliRunner().invoke(app, ["examples", *map(str, arguments)], **more)


def gold(path, *texts, label="disease", mention="gout"):
    """A file of documents in each of which the mention is marked."""
    lines = []
    for number, text in enumerate(texts):
        entity = {"start": text.index(mention), "end": text.index(mention) + 4, "label": label, "text": mention}
        lines.append(json.dumps({"id": f"{path.stem}-{number}", "text": text, "entities": [entity]}))
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def pool(tmp_path):
    file = gold(tmp_path / "train.jsonl", "She has gout [left].", "No sign of gout was seen by us.")
    result = run("build", file, "-o", tmp_path / "pool", "--labels", "disease")
    assert result.exit_code == 0, result.output
    return tmp_path / "pool"


def test_info_shows_what_the_pool_holds(pool):
    shown = " ".join(run("info", pool).output.split())
    assert "2 documents, 2 examples (0 without an entity), by sentence" in shown
    assert "no encoder: searched by words" in shown
    assert "│ disease │ 2 │" in shown


def test_find_shows_what_resembles_a_text_and_why(pool):
    result = run("find", "Her left toe has gout.", "--examples", pool, "-k", "1")
    assert result.exit_code == 0
    assert "train-0 at 0" in result.output
    assert "She has gout (disease) [left]." in result.output
    assert "shared words: ha, gout, left" in result.output or "shared words: has, gout, left" in result.output
    nothing = run("find", "xyzzy", "--examples", pool)
    assert nothing.exit_code == 1
    assert "no example of the pool has a word in common" in nothing.output


def test_documents_are_added_once(pool, tmp_path):
    more = gold(tmp_path / "more.jsonl", "She has gout [left].", "A third case of gout in one year.")
    result = run("add", more, "--examples", pool)
    assert result.exit_code == 0, result.output
    assert "1 documents left out: there already" in result.output
    assert "document 'more-0' has the same text as document 'train-0'" in result.output
    assert "3 documents, 3 examples" in result.output


def test_held_out_documents_do_not_enter(pool, tmp_path):
    test = gold(tmp_path / "test.jsonl", "A third case of gout in one year.")
    more = gold(tmp_path / "more.jsonl", "A third case of gout, in one year!", "And a fourth gout elsewhere.")
    result = run("add", more, "--examples", pool, "--hold-out", test)
    assert "1 documents left out: held out" in result.output
    assert "3 documents, 3 examples" in result.output


def test_held_out_documents_are_read_in_their_own_format(pool, tmp_path):
    test = tmp_path / "test.txt"
    test.write_text("t|t|A third case of gout in one year.\n")
    more = gold(tmp_path / "more.jsonl", "A third case of gout, in one year!", "And a fourth gout elsewhere.")
    result = run("add", more, "--examples", pool, "--hold-out", test, "--from", "jsonl")
    assert "1 documents left out: held out" in result.output


def test_what_cannot_be_held_out_stops_the_build(pool, tmp_path):
    test = gold(tmp_path / "test.jsonl", "A third case of gout in one year.")
    test.write_text("{broken\n" + test.read_text())
    more = gold(tmp_path / "more.jsonl", "A third case of gout, in one year!", "And a fourth gout elsewhere.")
    result = run("add", more, "--examples", pool, "--hold-out", test)
    assert isinstance(result.exception, InputError)
    assert "test.jsonl, line 1: is not JSON" in str(result.exception)
    assert "2 documents" in " ".join(run("info", pool).output.split())
    result = run("add", more, "--examples", pool, "--hold-out", test, "--skip-wrong")
    assert result.exit_code == 0
    assert "passed over in what is held out: " in result.output
    assert "1 documents left out: held out" in result.output


def test_labels_outside_the_set_are_errors_until_renamed(pool, tmp_path):
    more = gold(tmp_path / "more.jsonl", "A third case of gout in one year.", label="Finding")
    result = run("add", more, "--examples", pool)
    assert isinstance(result.exception, LabelError)
    assert "--map Finding=disease" in str(result.exception)
    assert run("add", more, "--examples", pool, "--map", "Finding=disease").exit_code == 0


def test_windows_are_sentences_or_tokens(tmp_path):
    file = gold(tmp_path / "a.jsonl", "She has gout. No fever was seen. Colchicine was given.")
    assert "1 documents, 3 examples" in run("build", file, "-o", tmp_path / "by-sentence").output
    result = run("build", file, "-o", tmp_path / "by-tokens", "--window", "64")
    assert "1 documents, 1 examples (0 without an entity), by 64 tokens" in " ".join(result.output.split())
    assert isinstance(run("build", file, "-o", tmp_path / "x", "--window", "page").exception, ConfigError)


@pytest.mark.parametrize(
    "command", [["info", "POOL"], ["find", "x", "--examples", "POOL"], ["add", "GOLD", "--examples", "POOL"]]
)
def test_without_a_pool_the_command_says_how_to_build_one(tmp_path, command):
    file = gold(tmp_path / "a.jsonl", "She has gout.")
    result = run(*({"POOL": tmp_path / "none", "GOLD": file}.get(word, word) for word in command))
    assert isinstance(result.exception, InputError)
    assert "clinspan examples build" in str(result.exception)


def test_an_encoder_that_is_none_is_an_error(tmp_path):
    file = gold(tmp_path / "a.jsonl", "She has gout.")
    result = run("build", file, "-o", tmp_path / "pool", "--encoder", "no-such-folder")
    assert isinstance(result.exception, InputError)
    assert "hf:NAME" in str(result.exception)
    assert not (tmp_path / "pool").exists()


def test_find_shows_what_each_strategy_would_choose_and_what_it_would_refuse(pool):
    by_mention = run("find", "GOUT was denied.", "--examples", pool, "--select", "entity", "-k", "1")
    assert "'GOUT' is like its 'gout'" in by_mention.output
    one = ["--examples", pool, "-k", 1, "--select", "random", "--seed"]
    assert len({run("find", "x", *one, seed).output for seed in range(8)}) == 2
    refused = run("find", "Today she has gout (left).", "--examples", pool)
    assert "1 not shown: its words stand in the document" in refused.output
    none = run("find", "She has gout [left]. No sign of gout was seen by us.", "--examples", pool)
    assert none.exit_code == 1
    assert none.output.strip() == "2 not shown: its words stand in the document"
    with pytest.raises(ConfigError, match="'fixed' chooses nothing"):
        run("find", "gout", "--examples", pool, "--select", "fixed", standalone_mode=False, catch_exceptions=False)
