"""kill -9 at random points: no window lost, none asked twice, and the output of a run that nothing disturbed."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from clinspan.llms.openai import OpenAISettings

WINDOWS = 240
ROUNDS = int(os.environ.get("CLINSPAN_KILLS", "5"))


def note(n: int) -> str:
    return f"Case {n}: a brother with ataxia and no fever."


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes.jsonl"
    path.write_text("".join(json.dumps({"id": f"n{n}", "text": note(n)}) + "\n" for n in range(WINDOWS)))
    return path


def answered(ledger) -> set[str]:
    """The ids of the notes whose answers a ledger has."""
    if not ledger.exists():
        return set()
    with closing(sqlite3.connect(ledger)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'asked'").fetchall():
            return set()
        return {row[0] for row in db.execute("SELECT document FROM asked WHERE key IN (SELECT key FROM requests)")}


def test_kill_9_loses_nothing_and_repeats_nothing(tmp_path, server, notes, clinspan):
    server.delay = 0.004
    options = ["--llm", "openai:m", "--base-url", server.url, "--dictionary", "none", "--no-cache"]
    options += ["--labels", "disease"]
    assert clinspan("tag", notes, "-o", "undisturbed.jsonl", *options).returncode == 0
    server.asked.clear()

    chance = random.Random(20261122)
    out, ledger = tmp_path / "out.jsonl", tmp_path / "run" / "ledger.sqlite"
    command = [sys.executable, "-m", "clinspan", "tag", notes, "-o", out, "--run", tmp_path / "run", *options]
    kept: set[str] = set()
    repeated = kills = 0
    for _ in range(ROUNDS):
        before = server.asked.copy()
        # Some are killed at a request, some by the clock: at the start, between requests, at the end.
        at_request, patience = chance.randint(1, max(2, 2 * WINDOWS // ROUNDS)), chance.uniform(0.3, 2.5)
        killed_at = time.monotonic() + (patience if chance.random() < 0.3 else 60)
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None:
                if server.asked.total() - before.total() >= at_request or time.monotonic() > killed_at:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                    process.wait()
                time.sleep(0.001)
        new = server.asked - before
        assert not {f"n{n}" for n in range(WINDOWS) if note(n) in new} & kept, "an answer that was kept was asked again"
        now = answered(ledger)
        assert kept <= now, "an answer that was kept is gone"
        kept = now
        repeated = server.asked.total() - len(server.asked)
    assert kills >= ROUNDS - 2

    done = clinspan("tag", notes, "-o", out, "--run", "run", *options)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == (tmp_path / "undisturbed.jsonl").read_bytes()
    assert len(server.asked) == WINDOWS
    # A kill loses what is under way, and the answers that wait to be committed together: one of each for a connection.
    assert repeated <= 2 * OpenAISettings().concurrency * kills
    shown = json.loads(clinspan("runs", "show", "run", "--json").stdout)
    assert shown["windows"] == {"ok": WINDOWS}
    assert shown["requests"] == {"answered": WINDOWS, "known": 0, "failed": 0, "attempts": WINDOWS}
    assert [path.name for path in tmp_path.glob("*.part")] == []
    print(f"{kills} kills, {repeated} of {server.asked.total()} requests were under way when killed and made again")
