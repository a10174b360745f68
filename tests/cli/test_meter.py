"""What a run says of itself while it goes on."""

import io
import os
import pty
import select
import subprocess
import sys

from rich.console import Console

from clinspan.cli.meter import Meter
from clinspan.document import Document, Entity, Span, WindowState
from clinspan.tagging.read import WindowRead

TEXT = "Gout, and then more."
GOUT = Entity(Span(0, 4), "disease", "Gout")


def window(index: int, *entities: Entity) -> WindowRead:
    return WindowRead("[a]", index, 1000, Span(0, len(TEXT)), WindowState.OK, entities, 50)


def test_a_log_gets_a_line_now_and_then() -> None:
    said, now = io.StringIO(), 0.0
    with Meter(Console(file=said, width=200), clock=lambda: now, every=30) as meter:
        for index in range(100):
            now += 1
            meter.window(window(index, GOUT))
        meter.document(Document("[a]", TEXT, (GOUT,)))
        now += 30
        meter.window(window(0))
    lines = said.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[0] == ("0 notes, 30 windows, 30 entities, 3,000 words a minute, 30 s; [a]: window 30 of 1000")
    # A finished document counts what it was given with, not what its windows had.
    assert lines[3].startswith("1 notes, 101 windows, 1 entities")


def test_quiet_is_quiet() -> None:
    said, now = io.StringIO(), 0.0
    with Meter(Console(file=said, quiet=True), clock=lambda: now, every=30) as meter:
        now = 100.0
        meter.window(window(0))
    assert said.getvalue() == ""


def test_a_terminal_sees_windows_before_the_first_note_is_done() -> None:
    program = (
        "import sys; from rich.console import Console; from clinspan.cli.meter import Meter\n"
        "from clinspan.document import Span, WindowState; from clinspan.tagging.read import WindowRead\n"
        "with Meter(Console(stderr=True)) as meter:\n"
        "    meter.window(WindowRead('long', 6, 900, Span(0, 9), WindowState.OK, (), 50))\n"
        "    sys.stdin.readline()\n"
    )
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=follower, env=environment
    ) as process:
        os.close(follower)
        said = b""
        while b"window 7 of 900" not in said and select.select([leader], [], [], 600)[0]:
            said += os.read(leader, 4096)
        process.communicate(b"\n", timeout=600)
    os.close(leader)
    assert b"0 notes, 1 windows" in said
    assert b"window 7 of 900" in said


def test_on_a_terminal_time_goes_on_and_the_bar_is_of_all_notes() -> None:
    said, now = io.StringIO(), 0.0
    console = Console(file=said, force_terminal=True, width=160, color_system=None)
    with Meter(console, total=4, clock=lambda: now) as meter:
        for _ in range(2):
            now += 40
            meter.window(WindowRead("a", 0, 1, Span(0, 5), WindowState.OK, (), 5))
            meter.document(Document("a", TEXT))
        now += 3600
    last = said.getvalue().rpartition("2 of 4 notes")[2]
    assert "1:01:20" in last
    assert last.count("━") == 10  # of 20


def test_what_is_left_is_foretold_from_the_last_minute() -> None:
    said, now = io.StringIO(), 0.0
    with Meter(
        Console(file=said, width=200), total=1000, spent=lambda: "5 tokens", clock=lambda: now, every=30
    ) as meter:
        for _ in range(400):  # taken up: ten a second
            now += 0.1
            meter.document(Document("a", TEXT))
        for _ in range(100):  # then one in two seconds
            now += 2
            meter.document(Document("a", TEXT))
        meter.window(WindowRead("a", 0, 1, Span(0, 5), WindowState.FAILED, (), 5))
        now += 30
        meter.window(window(0))
    last = said.getvalue().splitlines()[-1]
    assert "500 of 1,000 notes" in last
    assert "1 windows not read, 5 tokens, about 17 min left" in last


def test_a_total_that_is_passed_is_no_longer_believed() -> None:
    said, now = io.StringIO(), 0.0
    with Meter(Console(file=said, width=200), total=1, clock=lambda: now, every=30) as meter:
        for _ in range(2):
            now += 40
            meter.document(Document("a", TEXT))
    assert said.getvalue().splitlines()[-1].startswith("2 notes,")
