import sys

import pytest

from clinspan.corpora import catalogue, inputs
from clinspan.corpora.format import CorpusFormat
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError

MODULE = """
from clinspan.corpora.format import CorpusFormat, one_file
from clinspan.document import Document, Entity, Span

def read(path, lenient):
    for line in path.read_text().splitlines()[1:]:
        id, text = line.split("=")
        yield Document(id, text, (Entity(Span(0, len(text)), "all", text),))

def write(documents):
    yield "%shouts\\n"
    yield from (f"{document.id}={document.text.upper()}\\n" for document in documents)

def sign(head):
    return "it says so" if head.begins.startswith("%shouts") else None

SHOUTS = CorpusFormat(name="shouts", read=read, write=one_file(write), sign=sign, endings=(".shout",), loses="case")
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that puts a package on the path whose entry point is what it is given."""

    def make(point):
        folder = tmp_path / "packages"
        about = folder / "tiny_format-1.0.dist-info"
        about.mkdir(parents=True)
        (folder / "tiny_format.py").write_text(MODULE)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-format\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[clinspan.corpora]\nshouts = {point}\n")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, "tiny_format", raising=False)
        catalogue.formats.cache_clear()

    yield make
    catalogue.formats.cache_clear()


def test_a_format_of_another_package_is_recognised_read_and_written(package, tmp_path):
    package("tiny_format:SHOUTS")
    out = tmp_path / "a.any"
    catalogue.write([Document("1", "mi")], out, format="shouts")
    said = []
    (document,) = catalogue.read(out, told=lambda _, sign: said.append(str(sign)))
    assert document == Document("1", "MI", (Entity(Span(0, 2), "all", "MI"),))
    assert [d.text for d in inputs.read([out])] == ["MI"]
    assert said == ["shouts (it says so)"]
    assert catalogue.by_ending(".shout") == "shouts"
    assert [d.entities[0].label for d in catalogue.read(out, format="shouts", labels={"all": "x"})] == ["x"]


@pytest.mark.parametrize(
    ("point", "says"),
    [
        ("tiny_format:NONE", "entry point 'shouts' = 'tiny_format:NONE'.*cannot be loaded.*remove its package"),
        ("no_such_module:SHOUTS", "cannot be loaded: No module named"),
        ("tiny_format:MODULE", "cannot be loaded"),
        ("tiny_format:read", "is function; expected a CorpusFormat"),
    ],
)
def test_an_entry_point_that_is_no_format_is_named(package, point, says):
    package(point)
    with pytest.raises(ConfigError, match=says):
        catalogue.formats()


def test_a_name_that_is_taken_is_an_error(package):
    package("clinspan.corpora.tokens:BIO")
    with pytest.raises(ConfigError, match="the format 'bio' is there already"):
        catalogue.formats()


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "BIO"}, {"endings": ("bio",)}, {"beside": ".ANN"}])
def test_a_format_is_checked_when_it_is_made(wrong):
    with pytest.raises(ValueError, match="lower case"):
        CorpusFormat(**{"name": "x", "read": lambda path, lenient: iter(()), **wrong})
