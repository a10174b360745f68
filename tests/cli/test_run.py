"""What a run shows on the terminal: entities, and what came of it all."""

import io
import re
import runpy
import sys
from types import ModuleType

import pytest
from rich.console import Console

from clinspan.cli import main
from clinspan.cli.run import RunFiles, Screen, run
from clinspan.dictionary.build import build
from clinspan.dictionary.layout import Entry, Small, SourceInfo, Term
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import InputError
from clinspan.labels import LabelSet
from clinspan.llms.base import Traits
from clinspan.messages import Completion
from clinspan.runs.session import Session
from clinspan.tagging.tagger import Tagger

TEXT = "No chest pain. Aspirin 81 mg.\nA [very] long\nname."
LABELS = LabelSet.builtin("problem-treatment-test")


def shown(*entities, text=TEXT):
    out = io.StringIO()
    Screen(LABELS, Console(file=out, width=120)).write(Document("note-1", text, entities))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def entity(text, label, **more):
    start = TEXT.index(text)
    return Entity(Span(start, start + len(text)), label, text, **more)


def test_a_line_says_label_text_and_what_does_not_go_without_saying():
    pain = entity("chest pain", "problem", attributes={"assertion": "absent", "temporality": "current"})
    drug = entity("Aspirin", "treatment", concepts=(Concept("D001241", "Aspirin", "MeSH"),), id="e2")
    dose = entity("81 mg", "treatment", attributes={"of": "e2"})
    lines = shown(pain, drug, dose)
    assert lines[0] == "note-1: 3 entities"
    assert "chest pain" in lines[1]
    assert lines[1].endswith("absent")
    assert "current" not in lines[1]
    assert lines[2].endswith("D001241 Aspirin")
    assert lines[3].split() == ["treatment", "81", "mg", "Aspirin"]


def test_brackets_and_line_breaks_of_a_note_are_shown_as_text():
    assert "A [very] long name" in shown(entity("A [very] long\nname", "problem"))[1]


def test_a_note_without_entities_says_so():
    assert shown() == ["note-1: no entities"]


@pytest.fixture(scope="module")
def tagger():
    with Tagger.open("none", labels="medication", dictionary=None) as opened:
        yield opened


def stopped_after(count):
    def tag_many(documents, *, progress=None):
        for _ in range(count):
            yield next(documents)
        raise KeyboardInterrupt

    return tag_many


@pytest.mark.parametrize(
    ("count", "output", "says"),
    [
        (0, "out.jsonl", "stopped before the first note was finished; nothing was written\n"),
        (0, None, "stopped before the first note was finished; nothing was written\n"),
        (1, "out.jsonl", "stopped; what was done is written\n"),
        (1, None, "stopped\n"),
    ],
)
def test_a_run_that_is_stopped_says_what_it_has_left(tagger, tmp_path, capsys, count, output, says):
    files = RunFiles(tmp_path / output if output else None, None, force=False)
    assert run(tagger, [Document("a", TEXT), Document("b", TEXT)], files, tag_many=stopped_after(count)) == main.STOPPED
    assert capsys.readouterr().err.endswith(says)
    assert [path.name for path in tmp_path.iterdir()] == ([output] if count and output else [])


class Scripted:
    """An LLM that finds nothing, and counts tokens."""

    name, context, constrains, traits = "scripted", None, False, Traits()

    def complete(self, requests):
        for request in requests:
            text = request.messages[-1].content.split("Text:\n", 1)[-1]
            yield Completion(text, prompt_tokens=7, completion_tokens=3)

    def count_tokens(self, text):
        return len(text.split())


def summary_of(tagger, inputs, capsys):
    """The rows of a run's summary, by name."""
    session = Session(tagger.model)
    run(session.over(tagger), inputs, RunFiles(None, None, force=False), session=session)
    lines = [re.split(r"  +", line.rstrip(), maxsplit=1) for line in capsys.readouterr().err.splitlines()]
    return dict(line for line in lines if len(line) == 2)


NOTE = Document("a", "She takes aspirin 81 mg daily for chest pain.")


def test_the_summary_of_an_encoder_has_no_requests_and_no_tokens(capsys):
    with Tagger.open("none", labels="medication", encoder="clinical-notes", dictionary=None) as tagger:
        rows = summary_of(tagger, [NOTE], capsys)
    assert rows["read by the encoder"] == "1 of 1 windows"
    assert not {"requests", "tokens"} & rows.keys()


def test_the_summary_of_an_llm_has_its_requests_and_tokens(capsys):
    with Tagger(Scripted(), labels=LabelSet.builtin("disease")) as tagger:
        rows = summary_of(tagger, [NOTE], capsys)
    assert rows["LLM calls"] == "1 of 1 windows"
    assert rows["requests"] == "1 made"
    assert rows["tokens"] == "7 in, 3 out"


def test_the_summary_says_how_many_entities_have_a_code(tmp_path, capsys):
    pain = Entry("T:1", (Term("chest pain", "T", preferred=True),), ("Sign or Symptom",))

    class Source(Small):
        def infos(self):
            return (SourceInfo("T", "1", "none", "a test"),)

        def entries(self):
            return iter([pain])

    build([Source()], tmp_path)
    with Tagger.open("none", labels="problem-treatment-test", dictionary=tmp_path) as tagger:
        rows = summary_of(tagger, [NOTE], capsys)
        assert rows["with a code"] == "1 of 2 (50%)"
        assert "with a code" not in summary_of(tagger, [Document("a", "Nothing.")], capsys)


def test_where_nothing_was_read_the_summary_says_that_alone(tagger, capsys):
    assert summary_of(tagger, [InputError("is empty", where="a.txt")], capsys) == {"inputs not read": "1"}


def test_a_program_that_is_stopped_while_it_loads_says_so(monkeypatch, capsys):
    def load(entry, name):
        raise KeyboardInterrupt

    monkeypatch.setattr(main.Entry, "load", load)
    monkeypatch.setattr(sys, "argv", ["clinspan", "convert", "a", "b"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert (ended.value.code, capsys.readouterr().err) == (main.STOPPED, "stopped\n")


def test_a_program_that_is_stopped_before_its_menu_is_there_says_so(monkeypatch, capsys):
    class Interrupted(ModuleType):
        def __getattr__(self, name):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "clinspan.cli.main", Interrupted("clinspan.cli.main"))
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("clinspan", run_name="__main__")
    assert (ended.value.code, capsys.readouterr().err) == (main.STOPPED, "stopped\n")
