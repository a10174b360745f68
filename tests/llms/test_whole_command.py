"""`clinspan tag` in a process of its own, against a real server, with every socket but the server's shut."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from llm_server import Answer, reply

from clinspan import codec

NOTE = "Two brothers with ataxia-telangiectasia had breast cancer.\n"

# Everything that Python does with sockets passes the interpreter's audit hooks, so this sees what any library tries;
# llama.cpp, which is not Python's, is watched from outside in the same way by no test here, but opens none.
WATCHED = """
    import os, socket, sys

    allowed = {("127.0.0.1", int(port)) for port in sys.argv.pop(1).split(",") if port}

    def watch(event, arguments):
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            target = arguments[1]
            if arguments[0].family != socket.AF_UNIX and tuple(target[:2]) not in allowed:
                os.write(2, f"WENT TO {target}\\n".encode())
                os._exit(99)
        if event in ("socket.getaddrinfo", "socket.gethostbyname") and arguments[0] not in ("127.0.0.1", b"127.0.0.1"):
            os.write(2, f"LOOKED UP {arguments[0]}\\n".encode())
            os._exit(99)
        # The vendors' clients ask `uname` what machine this is.
        if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system") and arguments[0] != "uname":
            os.write(2, f"STARTED {arguments[0]}\\n".encode())
            os._exit(99)

    sys.addaudithook(watch)
    from clinspan.cli.main import main
    main()
"""


def watched(ports: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", dedent(WATCHED), ports, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.txt"
    path.write_text(NOTE)
    return path


def marked(seen):
    return Answer(reply(seen.window.replace("breast cancer", "[ breast cancer | disease ]")))


def test_the_watch_sees_what_is_tried():
    """A watch that never barks is none."""
    code = dedent(WATCHED).replace(
        "from clinspan.cli.main import main", "main = lambda: socket.create_connection(('127.0.0.1', 9))"
    )
    done = subprocess.run([sys.executable, "-c", code, ""], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (99, "WENT TO ('127.0.0.1', 9)\n")


def test_only_the_server_is_contacted_whatever_the_environment_says(tmp_path, note, server, other_server):
    server.script = marked
    proxy = f"http://127.0.0.1:{other_server.port}"
    key = "sk-very-secret-123"
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
    out, report = tmp_path / "out.jsonl", tmp_path / "report.html"
    done = watched(
        str(server.port),
        *(
            "tag",
            note,
            "-o",
            out,
            "--report",
            report,
            "--labels",
            "disease",
            "--llm",
            "openai:tiny",
            "--base-url",
            server.url,
            "-v",
        ),
        **dict.fromkeys(names, proxy),
        OPENAI_API_KEY=key,
        OPENAI_LOG="debug",
    )
    assert done.returncode == 0, done.stderr
    assert server.seen[0].headers["Authorization"] == f"Bearer {key}"
    assert "breast cancer" in [entity["text"] for entity in lines(out)[0]["entities"]]
    for written in (done.stdout, done.stderr, out.read_text(), report.read_text()):
        assert key not in written
    assert "brothers" not in done.stdout + done.stderr


@pytest.mark.model
@pytest.mark.parametrize("llm", ["auto", "embedded"])
def test_what_reads_by_default_and_the_embedded_model_contact_nobody(tmp_path, note, smollm2, llm):
    out = tmp_path / "out.jsonl"
    done = watched("", "tag", note, "-o", out, "--labels", "disease", "--llm", llm, "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert lines(out)[0]["entities"]


def test_without_the_users_word_no_note_is_read(tmp_path, server):
    """The refusal comes before the inputs are looked at, and says where notes would have gone."""
    out = tmp_path / "out.jsonl"
    done = watched("", "tag", tmp_path / "absent.txt", "-o", out, "--llm", "openai:gpt")
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert "https://api.openai.com: the notes would leave this machine" in said
    assert "--allow-remote" in said
    assert not out.exists()


def test_faults_are_named_and_the_exit_status_says_so(tmp_path, server):
    def script(seen):
        return Answer({"error": {"message": "no such field"}}, 400) if "BAD" in seen.window else marked(seen)

    server.script = script
    for n in range(3):
        (tmp_path / f"{n}.txt").write_text(f"{'BAD' if n == 1 else 'She'} had breast cancer.")
    out = tmp_path / "out.jsonl"
    done = watched(
        str(server.port),
        *("tag", *(tmp_path / f"{n}.txt" for n in range(3)), "-o", out, "--labels", "disease", "--dictionary", "none"),
        *("--llm", "openai:tiny", "--base-url", server.url, "--concurrency", 2, "--timeout", 60, "--context", 4096),
    )
    assert done.returncode == 3, done.stderr
    read = [codec.parse(line, where="out.jsonl") for line in out.read_text().splitlines()]
    assert [document.windows[0].state for document in read] == ["ok", "failed", "ok"]
    assert "HTTP 400: no such field" in done.stderr
