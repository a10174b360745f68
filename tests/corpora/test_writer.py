import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from clinspan import codec
from clinspan.corpora import catalogue, jsonl
from clinspan.corpora.writer import JsonlWriter, open_writer
from clinspan.document import Document, Entity, Span
from clinspan.errors import OutputError

ONE, TWO = Document("1", "é 😀"), Document("2", "x\r\ny")


def test_what_is_written_is_read_back(tmp_path):
    out = tmp_path / "out.jsonl"
    with JsonlWriter(out) as writer:
        writer.write(ONE)
        writer.write(TWO)
        assert not out.exists()
    assert list(jsonl.read(out)) == [ONE, TWO]
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_nothing_written_leaves_nothing_behind(tmp_path, name):
    pytest.importorskip("pyarrow" if name.endswith("parquet") else "json")
    out = tmp_path / name
    for error in (None, ValueError):
        with suppress(ValueError), open_writer(out):
            if error:
                raise error
        assert list(tmp_path.iterdir()) == []
    out.write_text("old")
    with open_writer(out, force=True):
        pass
    assert out.read_text() == "old"


@pytest.mark.parametrize("name", ["x.txt", "x.json", "x.html", "x.jsnl", "x.fhirs", "x.csv.gz"])
def test_an_ending_that_says_another_format_is_refused(tmp_path, name):
    says = rf"{name}: no format is told from the name '{name}'; expected .*: .jsonl, .*\.parquet.*\.csv, \.fhir\.json"
    with pytest.raises(OutputError, match=says):
        open_writer(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x", "x.jsonl", "x.NDJSON", "x.jsonlines"])
def test_lines_of_json_are_written_by_these_endings(tmp_path, name):
    with open_writer(tmp_path / name) as writer:
        writer.write(ONE)
    assert list(jsonl.read(tmp_path / name)) == [ONE]


def test_an_output_that_exists_is_refused_and_replaced_only_at_the_end(tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text("old")
    with pytest.raises(OutputError, match=r"out.jsonl: exists already.*--force"):
        JsonlWriter(out)
    with JsonlWriter(out, force=True) as writer:
        writer.write(ONE)
        assert out.read_text() == "old"
    assert list(jsonl.read(out)) == [ONE]


def test_an_output_that_appears_meanwhile_is_kept_and_so_is_the_work(tmp_path):
    out = tmp_path / "out.jsonl"
    writer = JsonlWriter(out)
    writer.write(ONE)
    out.write_text("of another run")
    with pytest.raises(OutputError, match=r"exists already; 1 documents are saved in .*\.part"):
        writer.close()
    assert out.read_text() == "of another run"
    (part,) = tmp_path.glob("*.part")
    assert list(jsonl.read(part)) == [ONE]


def write_and_raise(out, error):
    with JsonlWriter(out) as writer:
        writer.write(ONE)
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_was_done_is_kept_when_the_run_breaks_off(tmp_path, error):
    out = tmp_path / "out.jsonl"
    with pytest.raises(error):
        write_and_raise(out, error)
    assert list(jsonl.read(out)) == [ONE]


def test_a_killed_run_leaves_every_line_it_wrote(tmp_path):
    script = (
        "import os, signal, sys\nfrom clinspan.corpora.writer import JsonlWriter\n"
        "from clinspan.document import Document\n"
        "w = JsonlWriter(sys.argv[1]); w.write(Document('1', 'x')); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "out.jsonl")], check=False)
    (part,) = tmp_path.iterdir()
    assert part.name.startswith("out.jsonl.")
    assert [d.id for d in jsonl.read(part)] == ["1"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file size are POSIX")
def test_a_full_disk_loses_no_line_and_the_error_says_what_is_saved(tmp_path):
    """A limit on the size of files stands for the disk that is full: both fail in the middle of a write."""
    out = tmp_path / "out.jsonl"
    out.write_text("old")
    script = (
        "import resource, sys\nfrom clinspan.corpora.writer import JsonlWriter\n"
        "from clinspan.document import Document\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from clinspan.errors import OutputError\n"
        "try:\n"
        "    with JsonlWriter(sys.argv[1], force=True) as w:\n"
        "        for i in range(100): w.write(Document(str(i), 'pain ' * 60))\n"
        "except OutputError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", script, str(out)], check=True, capture_output=True, text=True).stdout
    assert "2 documents are saved in" in said
    assert out.read_text() == "old"
    (part,) = tmp_path.glob("*.part")
    assert [json.loads(line)["id"] for line in part.read_text().splitlines()] == ["0", "1"]


def test_a_folder_that_is_missing_or_is_the_output_is_said(tmp_path):
    with pytest.raises(OutputError, match="mkdir -p"):
        JsonlWriter(tmp_path / "no" / "out.jsonl")
    with pytest.raises(OutputError, match="is a folder"):
        JsonlWriter(tmp_path, force=True)


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev/null")
def test_a_device_is_never_replaced():
    with pytest.raises(OutputError, match="ordinary file"):
        JsonlWriter("/dev/null", force=True)


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="needs a folder that even root may not write to")
def test_no_permission_is_said():
    with pytest.raises(OutputError, match=r"cannot be written"):
        JsonlWriter("/sys/kernel/out.jsonl")


def test_standard_output(capfdbinary):
    with JsonlWriter("-") as writer:
        writer.write(ONE)
    assert codec.parse(capfdbinary.readouterr().out.decode(), where="stdout") == ONE


FOUND = Document("1", "He has gout .", (Entity(Span(7, 11), "Disease", "gout"),))


@pytest.mark.parametrize("format", sorted({*catalogue.WRITABLE} & {*catalogue.FORMATS}))
def test_every_format_that_convert_writes_is_written_by_its_ending_and_read_back(tmp_path, format):
    pytest.importorskip({"parquet": "pyarrow", "docbin": "spacy"}.get(format, "json"))
    out = tmp_path / f"out.{format}"
    document = replace(FOUND, entities=(replace(FOUND.entities[0], label="GENE"),)) if format == "bc2gm" else FOUND
    with open_writer(out) as writer:
        writer.write(document)
        writer.write(replace(document, id="2"))
        assert not out.exists()
    first, _ = catalogue.read(out, format=format)
    assert [(entity.text, entity.start) for entity in first.entities] == [("gout", 7)]
    assert list(tmp_path.iterdir()) == [out]
    with pytest.raises(OutputError, match="exists already"):
        open_writer(out)


@pytest.mark.parametrize("name", ["out.csv", "out.fhir.json", "out.omop.csv", "out.omop.parquet"])
def test_exports_are_written_by_their_endings(tmp_path, name):
    pytest.importorskip("pyarrow" if name.endswith("parquet") else "json")
    (tmp_path / name).write_text("old")
    with open_writer(tmp_path / name, force=True) as writer:
        writer.write(FOUND)
        assert (tmp_path / name).read_text() == "old"
    assert b"gout" in (tmp_path / name).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_a_format_cannot_say_is_kept_as_lines(tmp_path):
    odd = replace(FOUND, entities=(replace(FOUND.entities[0], label="a b"),))
    with (
        pytest.raises(OutputError, match=r"1 documents are saved as JSON lines in .*\.jsonl"),
        open_writer(tmp_path / "x.brat") as writer,
    ):
        writer.write(odd)
    (kept,) = tmp_path.iterdir()
    assert list(jsonl.read(kept)) == [odd]


def test_an_error_in_the_block_keeps_what_was_done(tmp_path):
    with suppress(ValueError), open_writer(tmp_path / "x.csv") as writer:
        writer.write(FOUND)
        raise ValueError
    assert "gout" in (tmp_path / "x.csv").read_text()
