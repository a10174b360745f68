"""How many modules of clinspan must be read to follow one thing: the table "Six walks" of docs/architecture.md.

python tools/walks.py [--names]

A walk's modules are those in which a function ran, in one run over a note of two lines with a stub LLM; `tag` is
the second run of a process, when caches are filled. `cli/main` and modules of single corpus formats but JSONL are left
out: all of them look for their signs in a file.
"""

import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

import clinspan
from clinspan import Tagger
from clinspan.cli.main import main as command

_ROOT = str(Path(clinspan.__file__).parent) + os.sep
_NOTE = "Type 2 diabetes mellitus.\nTakes metformin."
_ANSWER = "[ Type 2 diabetes mellitus | disease ].\nTakes [ metformin | chemical ]."
_FORMATS = "bioc bioc_xml brat csv fhir label_studio literature standoff tables tokens"
_LEFT_OUT = frozenset({"cli/main", *(f"corpora/{name}" for name in _FORMATS.split())})
_TAG = ("tag", "--llm", "openai:m", "--labels", "chemical-disease")


class _Stub(BaseHTTPRequestHandler):
    """Answers every request alike."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        said = {"message": {"role": "assistant", "content": _ANSWER}, "finish_reason": "stop"}
        body = json.dumps({"choices": [said], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextlib.contextmanager
def _served() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def _ran(walk: Callable[[], object]) -> set[str]:
    """The modules in which a function ran, as folder/name."""
    files: set[str] = set()

    def seen(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_name != "<module>" and frame.f_code.co_filename.startswith(_ROOT):
            files.add(frame.f_code.co_filename)

    threading.setprofile(seen)
    sys.setprofile(seen)
    try:
        walk()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return {file.removeprefix(_ROOT).removesuffix(".py") for file in files if file.endswith(".py")} - _LEFT_OUT


def _run(*words: object) -> None:
    """One command, in this process."""
    sys.argv = ["clinspan", *map(str, words)]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            command()
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"clinspan {' '.join(sys.argv[1:])} ended with {end.code}") from end


def _kept(found: set[str], *rooms: str) -> set[str]:
    return {one for one in found if one.startswith(rooms)}


def _walk(name: str, url: str, folder: Path) -> set[str]:
    """The modules of one walk."""
    note, gold, own = folder / "note.txt", folder / "gold.jsonl", folder / "own.tsv"
    note.write_text(_NOTE, encoding="utf-8")
    entity = {"start": 0, "end": 24, "text": _NOTE[:24], "label": "disease"}
    documents = [{"id": str(number), "text": f"{_NOTE} {number}.", "entities": [entity]} for number in range(3)]
    gold.write_text("".join(json.dumps(one) + "\n" for one in documents), encoding="utf-8")
    own.write_text("id\tname\ttype\nX:1\ttype 2 diabetes mellitus\tDisease or Syndrome\n", encoding="utf-8")
    tag = (*_TAG, "--base-url", url, "--quiet")
    if name == "tag":
        _run(*tag, note, "-o", folder / "first.jsonl")
        return _ran(lambda: _run(*tag, note, "-o", folder / "out.jsonl"))
    if name == "API":
        return _ran(lambda: Tagger.open("openai:m", base_url=url, labels="chemical-disease").tag(_NOTE))
    if name == "example to prompt":
        found = _ran(lambda: _run(*tag, note, "-o", folder / "out.jsonl", "--examples", gold, "--select", "knn"))
        return _kept(found, "corpora/", "examples/", "formats/", "prompt", "tagging/demonstrations", "tagging/ask")
    if name == "UMLS row to fact":
        built = _ran(lambda: _run("dictionary", "build", own, "-o", folder / "own"))
        facts = ("--facts", "both", "--dictionary", folder / "own")
        found = _ran(lambda: _run(*tag, note, "-o", folder / "out.jsonl", *facts))
        return _kept(built | found, "dictionary/", "prompt", "tagging/knowledge", "tagging/ask")
    if name == "gold to score":
        return _ran(lambda: _run("evaluate", gold, gold))
    kept = ("llms/", "runs/", "messages", "cli/recording", "tagging/open")
    found = _ran(lambda: _run(*tag, note, "-o", folder / "out.jsonl", "--record", folder / "record.jsonl"))
    again = ("tag", "--llm", f"replay:{folder / 'record.jsonl'}", *_TAG[3:], "--quiet", note)
    return _kept(found | _ran(lambda: _run(*again, "-o", folder / "again.jsonl")), *kept)


WALKS = ("tag", "API", "example to prompt", "UMLS row to fact", "gold to score", "record to replay")


def main() -> None:
    """Prints the number of modules of each walk, each in a process of its own."""
    if sys.argv[1:2] == ["walk"]:
        with _served() as url, tempfile.TemporaryDirectory() as folder:
            print("\n".join(sorted(_walk(sys.argv[2], url, Path(folder)))))
        return
    counts = []
    for name in WALKS:
        done = subprocess.run([sys.executable, __file__, "walk", name], capture_output=True, text=True, check=True)
        found = done.stdout.split()
        counts.append(len(found))
        print(f"{name}: {len(found)}", *(found if "--names" in sys.argv else ()))
    print(f"median: {statistics.median(counts):g}")


if __name__ == "__main__":
    main()
