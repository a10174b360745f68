"""Runs as a user meets them: `clinspan tag --run`, `clinspan runs`, `clinspan cache`, budgets, dry runs, logs."""

import json
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.errors import OutputError
from clinspan.runs.answers import cache_path
from clinspan.runs.folder import RunFolder

NOTES = {f"n{n}": f"Patient {n} Zweigelt has ataxia." for n in range(6)}


@pytest.fixture
def call(tmp_path, monkeypatch, server):
    """Runs a command in this process and gives exit status and output."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.jsonl").write_text(
        "".join(json.dumps({"id": id, "text": text}) + "\n" for id, text in NOTES.items())
    )

    def run(*arguments, inputs=None):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments], input=inputs)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


@pytest.fixture
def tag(call, server):
    def run(*more, out="out.jsonl", inputs="notes.jsonl"):
        llm = ["--llm", "openai:m", "--base-url", server.url, "--dictionary", "none", "--labels", "disease"]
        return call("tag", inputs, "-o", out, *llm, *more)

    return run


def states(tmp_path, out="out.jsonl"):
    lines = [json.loads(line) for line in (tmp_path / out).read_text().splitlines()]
    return [next(iter(line["windows"]["counts"])) for line in lines]


def shown(call, run="run"):
    return json.loads(call("runs", "show", run, "--json").stdout)


def test_a_finished_run_asks_nothing_more(tmp_path, tag, call, server):
    assert tag("--run", "run", "--no-cache").exit_code == 0
    first = (tmp_path / "out.jsonl").read_bytes()
    assert tag("--run", "run", "--no-cache").exit_code == 0
    assert (tmp_path / "out.jsonl").read_bytes() == first
    assert server.asked.total() == 6
    found = shown(call)
    assert found["windows"] == {"ok": 6}
    assert found["documents"] == 6
    assert found["tokens"] == {"in": 6000, "of these evaluated before": 0, "out": 1200}
    assert found["settings"]["model"].startswith("openai:m@")
    assert "ok: 6" in call("runs", "show", "run").stdout


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--labels", "gene"], "labels"),
        (["--window-tokens", "50"], "window-tokens: 600 in the run, 50 now"),
        (["--format", "json"], "format: tanl in the run, json now"),
        (["--open-bias", "1"], "open-bias"),
        (["--encoding", "latin-1"], "inputs' encoding"),
        (["--llm", "openai:other"], "model: openai:m@"),
    ],
)
def test_a_run_is_not_taken_up_with_other_settings(tag, server, change, named):
    tag("--run", "run", "--no-cache")
    with pytest.raises(Exception, match="was begun differently") as refused:
        tag("--run", "run", "--no-cache", *change)
    assert named in str(refused.value)
    assert server.asked.total() == 6


def test_other_labels_under_the_same_name_are_other_settings(tmp_path, tag):
    labels = tmp_path / "mine.toml"
    told = '[[labels]]\nname = "disease"\ndefinition = "{}"\n'
    labels.write_text(told.format("An illness."))
    tag("--run", "run", "--labels", labels)
    labels.write_text(told.format("A feeling."))
    with pytest.raises(Exception, match="labels: mine"):
        tag("--run", "run", "--labels", labels)


def test_an_output_that_is_not_the_runs_own_is_kept(tmp_path, tag):
    (tmp_path / "out.jsonl").write_text("mine\n")
    with pytest.raises(Exception, match="exists already"):
        tag("--run", "run")
    assert (tmp_path / "out.jsonl").read_text() == "mine\n"


def test_two_processes_cannot_have_one_run(tmp_path, tag, call, server):
    tag("--run", "run")
    with RunFolder(tmp_path / "run"):
        done = subprocess.run(
            [sys.executable, "-m", "clinspan", "runs", "show", "run"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "another process is at work on this run" in done.stderr


def test_a_folder_with_other_files_is_no_run(tmp_path, tag):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("mine")
    with pytest.raises(Exception, match=r"holds thesis\.tex"):
        tag("--run", "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


def test_a_file_is_no_run(tag):
    with pytest.raises(OutputError, match="is a file, and a run is a folder"):
        tag("--run", "notes.jsonl")


def test_retry_asks_what_was_not_read_and_nothing_else(tmp_path, tag, call, server):
    bad = {NOTES["n1"], NOTES["n4"]}
    server.fails = lambda text: text in bad
    done = tag("--run", "run")
    assert done.exit_code == 3
    assert "clinspan runs retry run" in done.stderr
    assert states(tmp_path) == ["ok", "failed", "ok", "ok", "failed", "ok"]
    assert shown(call)["why"] == {"failed: HTTP 400": 2}
    # Taken up again without a word, it stands by what it has.
    assert tag("--run", "run").exit_code == 3
    assert server.asked.total() == 6
    server.fails = lambda text: text == NOTES["n4"]
    assert call("runs", "retry", "run").exit_code == 3
    assert states(tmp_path) == ["ok", "ok", "ok", "ok", "failed", "ok"]
    assert server.asked == dict.fromkeys(NOTES.values(), 1) | dict.fromkeys(bad, 2)
    server.fails = lambda text: False
    assert call("runs", "retry", "run").exit_code == 0
    assert states(tmp_path) == ["ok"] * 6
    assert server.asked[NOTES["n4"]] == 3
    assert shown(call)["requests"] == {"answered": 6, "known": 0, "failed": 0, "attempts": 9}
    assert "nothing to ask again" in call("runs", "retry", "run").stderr


def test_a_run_can_be_moved_and_retried_from_elsewhere(tmp_path, tag, call, server, monkeypatch):
    server.fails = lambda text: True
    tag("--run", "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    server.fails = lambda text: False
    assert call("runs", "retry", "../moved").exit_code == 0
    assert states(tmp_path) == ["ok"] * 6


def test_a_run_from_standard_input_is_retried_with_the_same_input(tmp_path, call, server):
    notes = (tmp_path / "notes.jsonl").read_text()
    server.fails = lambda text: text == NOTES["n0"]
    llm = ["--llm", "openai:m", "--base-url", server.url, "--dictionary", "none", "--labels", "disease"]
    assert call("tag", "-", "-o", "out.jsonl", "--run", "run", *llm, inputs=notes).exit_code == 3
    server.fails = lambda text: False
    assert call("runs", "retry", "run", inputs=notes).exit_code == 0
    assert states(tmp_path) == ["ok"] * 6
    assert server.asked.total() == 7


def test_the_cache_is_for_servers_and_can_be_refused(tmp_path, tag, call, server):
    tag("--run", "one")
    assert "6 known already" in tag("--run", "two", "--force").stderr
    assert server.asked.total() == 6
    assert shown(call, "two")["requests"] == {"answered": 0, "known": 6, "failed": 0, "attempts": 0}
    assert shown(call, "two")["tokens"]["in"] == 0
    tag("--force", "--no-cache")
    assert server.asked.total() == 12
    assert "6 answers" in call("cache", "show").stdout
    assert "deleted 6 answers" in call("cache", "clear").stdout
    tag("--force")
    assert server.asked.total() == 18


def test_what_is_kept_is_the_users_alone(tmp_path, tag):
    tag("--run", "run")
    for folder in (tmp_path / "run", cache_path().parent):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_forget_leaves_no_word_of_a_run(tmp_path, tag, call):
    tag("--run", "run")
    tag("--run", "other", "--force", "--labels", "gene")
    assert any(b"Zweigelt" in path.read_bytes() for path in (tmp_path / "run").iterdir())
    assert call("runs", "forget", "run").exit_code == 0
    assert not (tmp_path / "run").exists()
    assert "6 answers" in call("cache", "show").stdout  # the other run's
    call("runs", "forget", "other")
    assert not any(b"Zweigelt" in path.read_bytes() for path in cache_path().parent.iterdir())
    assert (tmp_path / "out.jsonl").exists()


def test_a_budget_of_tokens_ends_a_run_in_good_order_and_a_larger_one_goes_on(tmp_path, tag, call, server):
    done = tag("--run", "run", "--max-tokens-total", "4000", "--no-cache")
    assert done.exit_code == 4
    assert "budget of 4,000 tokens is spent" in done.stderr
    asked = server.asked.total()
    assert 0 < asked < 6
    assert states(tmp_path) == ["ok"] * asked + ["over-budget"] * (6 - asked)
    assert tag("--run", "run", "--max-tokens-total", "1000000", "--no-cache").exit_code == 0
    assert states(tmp_path) == ["ok"] * 6
    assert server.asked.total() == 6


def test_a_budget_of_money_needs_a_price(tmp_path, tag, call, server):
    with pytest.raises(Exception, match="--prices"):
        tag("--max-cost", "1")
    prices = tmp_path / "prices.toml"
    prices.write_text('currency = "EUR"\n[models."n*"]\ninput = 1\noutput = 1\n')
    with pytest.raises(Exception, match="no price for openai:m@"):
        tag("--max-cost", "1", "--prices", prices)
    prices.write_text('currency = "EUR"\n[models."m"]\ninput = 1000\noutput = 2000\n')
    done = tag("--max-cost", "5", "--prices", prices)
    assert done.exit_code == 4
    asked = server.asked.total()
    assert 0 < asked < 6
    assert f"{asked * 1.4:.3g} EUR" in done.stderr


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("", "names no models"),
        ("[models.m]\ninput = 1\n", "output is missing"),
        ("[models.m]\ninput = 1\noutputs = 1\n", "Did you mean 'output'"),
        ('[models.m]\ninput = "1"\noutput = 1\n', "a price per million tokens"),
        ("[models.m]\ninput = -1\noutput = 1\n", "0 or more"),
        ("models", "is not TOML"),
    ],
)
def test_a_wrong_table_of_prices_is_explained(tmp_path, tag, told, says):
    (tmp_path / "prices.toml").write_text(told)
    with pytest.raises(Exception, match=r"prices\.toml") as refused:
        tag("--max-cost", "1", "--prices", "prices.toml")
    assert says in str(refused.value)


def test_a_dry_run_asks_and_writes_nothing(tmp_path, tag, call, server):
    prices = tmp_path / "prices.toml"
    prices.write_text('currency = "EUR"\n[models."m"]\ninput = 1000\noutput = 2000\n')
    before = sorted(tmp_path.iterdir())
    done = tag("--dry-run", "--prices", prices, "--run", "run")
    assert done.exit_code == 0
    assert server.asked.total() == 0
    assert sorted(tmp_path.iterdir()) == before
    rows = dict(line.split(None, 1) for line in done.stdout.splitlines() if line.startswith(("requests", "cost")))
    assert rows["requests"].strip() == "6"
    assert rows["cost"].startswith("about ")
    assert rows["cost"].strip().endswith("EUR")
    tag("--run", "run")
    assert "0, and 6 known already" in tag("--dry-run", "--run", "run").stdout


def test_the_log_says_what_happened_without_a_word_of_any_note(tmp_path, tag, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    server.fails = lambda text: text == NOTES["n2"]
    tag("--log", "log.jsonl", "--run", "run")
    told = (tmp_path / "log.jsonl").read_text()
    events = [json.loads(line) for line in told.splitlines()]
    assert sum(event["event"] == "request answered" for event in events) == 5
    assert [event["reason"] for event in events if event["event"] == "request failed"] == ["HTTP 400"]
    assert [e["windows"][0]["state"] for e in events if e["event"] == "document done"].count("failed") == 1
    assert events[0]["event"] == "begun"
    assert events[-1]["event"] == "ended"
    for word in ("Zweigelt", "Patient", "ataxia", "sk-very-secret", "do not like", *NOTES):
        assert word not in told
    # Nor does anything else that is kept have the key.
    assert not any(b"sk-very-secret" in path.read_bytes() for path in (tmp_path / "run").iterdir())


def test_ctrl_c_ends_a_run_that_the_same_command_goes_on_with(tmp_path, tag, server):
    server.delay = 0.05
    (tmp_path / "notes.jsonl").write_text(
        "".join(json.dumps({"id": str(n), "text": f"Case {n} with ataxia."}) + "\n" for n in range(120))
    )
    options = ["--llm", "openai:m", "--base-url", server.url, "--dictionary", "none", "--run", "run", "--no-cache"]
    options += ["--labels", "disease"]
    with subprocess.Popen(
        [sys.executable, "-m", "clinspan", "tag", "notes.jsonl", "-o", "out.jsonl", *options],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        while server.asked.total() < 20:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=600)[1]
    assert process.returncode == 130
    assert "To go on, repeat the command." in said
    server.delay = 0
    assert tag("--run", "run", "--no-cache").exit_code == 0
    assert states(tmp_path) == ["ok"] * 120
    assert len(server.asked) == 120
    # Of those that were under way at most all 64 are asked again.
    assert server.asked.total() <= 120 + 64


def test_the_dictionary_alone_has_runs_too(tmp_path, call):
    assert call("tag", "notes.jsonl", "-o", "out.jsonl", "--llm", "none", "--run", "run").exit_code == 0
    assert shown(call)["windows"] == {"ok": 6}
    assert shown(call)["requests"]["attempts"] == 0


@pytest.mark.model
def test_the_embedded_model_has_runs_and_no_cache_unless_asked(tmp_path, call, smollm2):
    (tmp_path / "one.txt").write_text("Two brothers with ataxia had breast cancer.")
    command = ["tag", "one.txt", "-o", "out.jsonl", "--labels", "disease", "--llm", "embedded", "--run", "run"]
    call(*command)
    first = (tmp_path / "out.jsonl").read_bytes()
    assert '"score": 0.' in first.decode()
    call(*command)
    assert (tmp_path / "out.jsonl").read_bytes() == first
    assert shown(call)["requests"]["attempts"] == 1
    assert not cache_path().exists()
