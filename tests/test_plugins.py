"""What a package adds by entry points: a tiny distribution on the path for each group."""

import sys

import pytest
from typer.testing import CliRunner

from clinspan import Tagger, formats
from clinspan.cli.main import app
from clinspan.corpora import catalogue as corpora
from clinspan.corpora import inputs
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError
from clinspan.llms import spec

MODULE = '''
from dataclasses import dataclass

from clinspan.corpora.format import CorpusFormat, one_file
from clinspan.formats.base import Mention, Reading, Unread
from clinspan.llms.base import Traits
from clinspan.llms.spec import LLMKind
from clinspan.messages import Completion

COUNTS = CorpusFormat(
    name="counts",
    write=one_file(lambda documents: (f"{d.id},{len(d.entities)}\\n" for d in documents)),
    endings=(".counts",),
    loses="all but the number of entities",
)


class Lines:
    name = "lines"
    repeats_text = False

    def instructions(self, labels):
        return "A line for each mention: TYPE=MENTION."

    def render(self, text, entities, labels):
        return "\\n".join(f"{e.label}={e.text}" for e in entities)

    def parse(self, answer, labels):
        split = (line.partition("=") for line in answer.splitlines())
        return Reading(tuple(Mention(label, text) for label, _, text in split if label in labels.names))

    def json_schema(self, labels):
        return None


@dataclass(frozen=True)
class EchoSettings:
    context: int = 4096


class Echo:
    """Says that all words with a capital are of the type that its name gives."""

    constrains = False
    traits = Traits()

    def __init__(self, argument, settings):
        self.name, self.label, self.context = f"echo:{argument}", argument, settings.context

    def complete(self, requests):
        for request in requests:
            text = request.messages[-1].content
            yield Completion("\\n".join(f"{self.label}={word}" for word in ("Gout", "Flu") if word in text))

    def count_tokens(self, text):
        return len(text)


ECHO = LLMKind("tiny_package:Echo", "tiny_package:EchoSettings", frozenset({"context"}), "LABEL")
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that puts a package on the path with these entry points, a line for each."""

    def make(group, *points):
        folder = tmp_path / "packages"
        about = folder / "tiny_package-1.0.dist-info"
        about.mkdir(parents=True)
        (folder / "tiny_package.py").write_text(MODULE)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-package\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("\n".join([f"[{group}]", *points, ""]))
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, "tiny_package", raising=False)
        for known in (corpora.formats, formats.formats, spec.kinds):
            known.cache_clear()

    yield make
    for known in (corpora.formats, formats.formats, spec.kinds):
        known.cache_clear()


def test_an_export_is_written_and_never_read(package, tmp_path):
    package("clinspan.corpora", "counts = tiny_package:COUNTS")
    notes, out = tmp_path / "notes.jsonl", tmp_path / "out.counts"
    corpora.write([Document("1", "Gout", (Entity(Span(0, 4), "disease", "Gout"),))], notes, format="jsonl")
    said = CliRunner().invoke(app, ["convert", str(notes), str(out)])
    assert said.exit_code == 0, said.output
    assert out.read_text() == "1,1\n"
    assert "lost: all but the number of entities" in said.output
    with pytest.raises(ConfigError, match="'counts' is only written"):
        list(corpora.read(out, format="counts"))
    with pytest.raises(ConfigError, match="'counts' is only written"):
        list(inputs.read([out], format="counts"))
    assert corpora.recognise(out) is None


def test_a_prompt_format_of_another_package_asks_and_reads(package):
    package("clinspan.formats", "lines = tiny_package:Lines")
    assert {"lines", "per-type:lines"} <= set(formats.names())
    (mention,) = (
        formats.by_name("lines").parse("disease=Gout\nnothing", Tagger.open("none", labels="disease").labels).mentions
    )
    assert (mention.label, mention.text) == ("disease", "Gout")


def test_an_llm_of_another_package_answers_in_a_format_of_another_package(package):
    package("clinspan.llms", "echo = tiny_package:ECHO", "[clinspan.formats]", "lines = tiny_package:Lines")
    with Tagger.open("echo:disease", labels="disease", format="lines", dictionary="none", context=2048) as tagger:
        assert tagger.llm.context == 2048
        (entity,) = tagger.tag("Gout since May.").entities
    assert (entity.text, entity.label, entity.span) == ("Gout", "disease", Span(0, 4))
    with pytest.raises(ConfigError, match="echo:LABEL"):
        spec.load("ecko:disease")


@pytest.mark.parametrize(
    ("group", "point", "error"),
    [
        ("clinspan.formats", "lines = tiny_package:ECHO", "expected a clinspan.formats.base.Format"),
        ("clinspan.formats", "tanl = clinspan.formats.tanl:Tanl", "'tanl' is there already"),
        ("clinspan.formats", "lines = tiny_package:Absent", "cannot be loaded"),
        ("clinspan.llms", "echo = tiny_package:Echo", "expected an LLMKind"),
        ("clinspan.llms", "none = tiny_package:ECHO", "'none' is there already"),
    ],
)
def test_an_entry_point_that_does_not_fit_is_named(package, group, point, error):
    package(group, point)
    with pytest.raises(ConfigError, match=error) as raised:
        formats.names() if group == "clinspan.formats" else spec.kinds()
    assert point in str(raised.value).replace("'", "")
