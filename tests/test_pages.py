"""What the pages show is run, page by page, in a folder with some notes; what is not run says why not.

A block of commands, or of Python in a how-to page, runs unless `<!-- not run: WHY -->` stands above it, or
`<!-- not run on this page: WHY -->` on its page. A block below "`NAME`:" is the content of that file. A server's
address is that of a server here, which copies the text.
"""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.models.registry import find

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
GENERATED = DOCS / "reference" / "cli.md"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if page != GENERATED]
HOW_TO = [*sorted((DOCS / "how-to").glob("*.md")), DOCS / "tutorial.md"]
EXPLAINED = [DOCS / f"{name}.md" for name in ("architecture", "formats", "grounding", "reliability", "scaling")]
BLOCK = re.compile(
    r"^(?:(?P<above>[^\n]+)\n)?(?:\n)?^(?P<indent> *)```(?P<language>\w+)\n(?P<body>.*?)^ *```$", flags=re.M | re.S
)
SHELLS = ("bash", "console", "sh", "shell")
HARMLESS = ("echo", "mkdir", "printf", "cat", "export")
NOTE = "She denies chest pain. A CT of the abdomen showed diverticulitis; started on ciprofloxacin.\n"
LONGEST = 1500
"""Characters of the gold notes here, so that a page takes seconds."""


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    body: str
    above: str

    @property
    def why_not(self) -> str | None:
        found = re.search(r"<!-- not run: (.*?) -->", self.above)
        return found[1] if found else None

    @property
    def file(self) -> str | None:
        found = re.search(r"`([\w./-]+\.\w+)`:$", self.above)
        return found[1] if found else None

    def commands(self) -> list[str]:
        joined = re.sub(r"\\\n", " ", self.body)
        typed = re.findall(r"^\$ (.*)$", joined, flags=re.M) if "$ " in joined else joined.splitlines()
        return [line for line in (shown.partition("  #")[0].strip() for shown in typed) if line]


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(BLOCK, text):
        body = re.sub(rf"^{found['indent']}", "", found["body"], flags=re.M)
        line = text.count("\n", 0, found.start("language")) + 1
        yield Block(page, line, found["language"], body, found["above"] or "")


def is_left_out(page: Path) -> bool:
    return re.search(r"<!-- not run on this page: .{10,} -->", page.read_text(encoding="utf-8")) is not None


def runnable(page: Path) -> list[Block]:
    languages = (*SHELLS, "python") if page in HOW_TO else SHELLS
    return [block for block in blocks(page) if block.language in languages and not block.why_not]


RUN = [page for page in PAGES if not is_left_out(page) and runnable(page)]


def gold_notes() -> Iterator[dict[str, object]]:
    """The shortest notes of our own corpus, with what people found in them."""
    lines = resources.files("clinspan.examples").joinpath("notes.jsonl").read_text(encoding="utf-8").splitlines()
    notes = [json.loads(line) for line in lines]
    marked = [note for note in notes if "problem-treatment-test" in note["entities"] and len(note["text"]) < LONGEST]
    for note in sorted(marked, key=lambda note: len(note["text"]))[:6]:
        entities = note["entities"]["problem-treatment-test"]
        yield {
            "id": note["id"],
            "text": note["text"],
            "entities": [
                {"start": start, "end": end, "label": label, "text": note["text"][start:end]}
                for start, end, label, *_ in entities
            ],
        }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLINSPAN_ANSWERS", str(tmp_path / "answers.sqlite"))
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "note-3.txt").write_text(NOTE, encoding="utf-8")
    (tmp_path / "note.txt").write_text(NOTE, encoding="utf-8")
    (tmp_path / "mine.toml").write_text('[[labels]]\nname = "drug"\ndefinition = "A medicine that is taken."\n')
    gold = "".join(json.dumps(note) + "\n" for note in gold_notes())
    for name in (
        "gold.jsonl",
        "gold-a.jsonl",
        "gold-b.jsonl",
        "of-ann.jsonl",
        "of-ben.jsonl",
        "accepted.jsonl",
        "corpus/part.jsonl",
        "more/part.jsonl",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(gold, encoding="utf-8")
    return tmp_path


def servers() -> ModuleType:
    """The module of the tests of LLMs, which have servers."""
    spec = spec_from_file_location("llm_server_of_pages", ROOT / "tests" / "llms" / "llm_server.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def address() -> Iterator[str]:
    """Where a real server copies every text and marks nothing."""
    module = servers()
    server = module.ScriptedServer()
    server.script = lambda seen: module.Answer(module.reply(seen.window))
    yield server.url
    server.close()


def run(line: str, address: str) -> None:
    words = shlex.split(re.sub(r"http://[\w.]+:\d+/v1", address, line))
    if words[0] == "clinspan":
        done = CliRunner().invoke(app, words[1:])
        assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
    else:
        assert words[0] in HARMLESS, f"{line}: is not run here; say why above it: <!-- not run: WHY -->"
        subprocess.run(["bash", "-c", line], check=True, env=os.environ)


def needs_the_model(page: Path) -> bool:
    return any(re.search("labels disease", block.body) for block in runnable(page))


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(DOCS)))
def test_what_a_page_shows_runs(page: Path, folder: Path, address: str) -> None:
    if needs_the_model(page) and find("smollm2-135m-instruct").missing():
        pytest.skip("needs the embedded model: clinspan models pull smollm2-135m-instruct")
    wanted = {id_of(block) for block in runnable(page)}
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.body, encoding="utf-8")
    for block in blocks(page):
        if id_of(block) in wanted:
            if block.language == "python":
                exec(compile(block.body, f"{page.name}:{block.line}", "exec"), {"__name__": "page"})
            else:
                for line in block.commands():
                    run(line, address)


def id_of(block: Block) -> tuple[Path, int]:
    return block.page, block.line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_what_is_not_run_says_why(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("<!-- not run:") == sum(block.why_not is not None for block in blocks(page))
    assert all(len(block.why_not) >= 10 for block in blocks(page) if block.why_not)
    loose = re.findall(r"^    (?:clinspan|pip|python|curl) .*$", re.sub(BLOCK, "", text), flags=re.M)
    assert loose == [], "commands belong into a block of `console` or `bash`"


@pytest.mark.parametrize("page", [*HOW_TO, *EXPLAINED], ids=lambda page: page.name)
def test_a_page_begins_with_what_you_will_have_or_know_at_its_end(page: Path) -> None:
    first = page.read_text(encoding="utf-8").split("\n\n")[1]
    assert first.startswith("At the end of this page ")
