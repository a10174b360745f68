import io
import re

import pytest

from clinspan.corpora import inputs, text
from clinspan.document import Document
from clinspan.errors import InputError


def make(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def split(results):
    results = list(results)
    return [r for r in results if isinstance(r, Document)], [r for r in results if isinstance(r, InputError)]


def test_files_folders_lines_and_rows_are_one_stream(tmp_path):
    make(
        tmp_path,
        {
            "b.txt": "second\r\nline",
            "a/z.txt": b"\xef\xbb\xbffirst",
            "a/deep/n": "no ending",
            "c.jsonl": '{"id": "j", "text": "json"}\n',
            "d.csv": 'id,text,ward\nr,"a ""b"",\r\nc",3\n',
            ".hidden": b"\0",
        },
    )
    documents, problems = split(inputs.read([tmp_path]))
    assert [(d.id, d.text) for d in documents] == [
        ("a/deep/n", "no ending"),
        ("a/z", "first"),
        ("b", "second\r\nline"),
        ("j", "json"),
        ("r", 'a "b",\r\nc'),
    ]
    assert documents[-1].metadata == {"ward": "3"}
    assert problems == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \r\n", "white space alone"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"PK\x03\x04\x14\0", "Word"),
        (b"abc\0def", "NUL at byte 3"),
        ("Müller, 37 °C".encode("cp1252"), "byte 0xfc at offset 1.*Windows-1252.*'Müller, 37 °C'.*iconv"),
        ("abc".encode("utf-16"), "UTF-16LE.*iconv"),
        ("abc".encode("utf-32"), "UTF-32LE"),
        (b"abc\x80\0", "0x80 at offset 3"),
    ],
)
def test_what_is_not_text_is_said_with_file_and_byte_and_the_rest_goes_on(tmp_path, content, says):
    make(tmp_path, {"a.txt": content, "b.txt": "good"})
    documents, (problem,) = split(inputs.read([tmp_path]))
    assert [d.text for d in documents] == ["good"]
    assert problem.where == str(tmp_path / "a.txt")
    assert re.search(says, str(problem)), str(problem)


def test_an_encoding_that_is_named_is_used(tmp_path):
    make(tmp_path, {"a.txt": "Müller".encode("cp1252"), "b.txt": "Ärztin".encode("utf-16")})
    assert text.read(tmp_path / "a.txt", encoding="cp1252").text == "Müller"
    assert text.read(tmp_path / "b.txt", encoding="utf-16").text == "Ärztin"
    with pytest.raises(InputError, match="no encoding 'klingon'"):
        text.read(tmp_path / "a.txt", encoding="klingon")


def test_an_unknown_ending_in_a_folder_is_said_and_read_when_named(tmp_path):
    make(tmp_path, {"a.rst": "text"})
    documents, (problem,) = split(inputs.read([tmp_path]))
    assert documents == []
    assert "'.rst'" in problem.what
    documents, problems = split(inputs.read([tmp_path / "a.rst"]))
    assert ([d.id for d in documents], problems) == (["a"], [])


def test_a_missing_file_offers_the_nearest(tmp_path):
    make(tmp_path, {"notes.txt": "x", "empty/.x": ""})
    _, problems = split(inputs.read([tmp_path / "note.txt", tmp_path / "empty", tmp_path / "q.jsonl"]))
    assert "Did you mean 'notes.txt'?" in str(problems[0])
    assert "no files" in str(problems[1])
    assert "q.jsonl: cannot be read" in str(problems[2])


def test_a_duplicate_id_names_both_places(tmp_path):
    make(tmp_path, {"a.jsonl": '{"id": "1", "text": "x"}\n{"id": "1", "text": "y"}\n', "b.csv": "id,text\n1,z\n"})
    documents, problems = split(inputs.read([tmp_path]))
    assert [d.text for d in documents] == ["x"]
    assert [(p.where, "a.jsonl, line 1" in p.what) for p in problems] == [
        (f"{tmp_path / 'a.jsonl'}, line 2", True),
        (f"{tmp_path / 'b.csv'}, line 2", True),
    ]


def test_an_id_made_from_a_name_is_lengthened_but_a_file_named_twice_is_said(tmp_path):
    make(tmp_path, {"a/n.txt": "x", "b/n.txt": "y"})
    paths = [tmp_path / "a/n.txt", tmp_path / "b/n.txt", tmp_path / "b/n.txt"]
    documents, problems = split(inputs.read(paths))
    assert [d.id for d in documents] == ["n", (tmp_path / "b/n.txt").as_posix()]
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"Chest pain.\r\nNo fever.", [("stdin", "Chest pain.\r\nNo fever.")]),
        (b'{"id": "a", "text": "x"}\n{"text": "y"}', [("a", "x"), ("stdin-2", "y")]),
        (b"{ not json }\nbut a note", [("stdin", "{ not json }\nbut a note")]),
        (b'{"note": 1}', [("stdin", '{"note": 1}')]),
    ],
)
def test_standard_input_is_lines_of_json_or_one_note(given, expected):
    documents, problems = split(inputs.read(["-"], stdin=io.BytesIO(given)))
    assert ([(d.id, d.text) for d in documents], problems) == (expected, [])


def test_a_corpus_on_standard_input_is_no_note_unless_that_is_said():
    (problem,) = inputs.read(["-"], stdin=io.BytesIO(b"1|t|x\n1|a|y\n"))
    assert "looks like pubtator (its first line is a title)" in str(problem)
    (document,) = inputs.read(["-"], stdin=io.BytesIO(b"1|t|x\n1|a|y\n"), format="text")
    assert document.text == "1|t|x\n1|a|y\n"
    (problem,) = inputs.read(["-"], stdin=io.BytesIO(b"1|t|x"), format="pubtator")
    assert "standard input: is not read as pubtator" in str(problem)
    (problem,) = inputs.read(["-"], stdin=io.BytesIO(b'{"id": 1}'), format="jsonl")
    assert "line 1: the key 'text' is missing" in str(problem)


def test_standard_input_that_is_binary_is_said():
    _, (problem,) = split(inputs.read(["-"], stdin=io.BytesIO(b"\x1f\x8b\x08")))
    assert "standard input: is gzip" in str(problem)


def test_strict_raises_the_first_problem(tmp_path):
    make(tmp_path, {"a.txt": "x", "b.txt": ""})
    stream = inputs.strict(inputs.read([tmp_path]))
    assert next(stream).text == "x"
    with pytest.raises(InputError, match=r"b.txt: is empty"):
        next(stream)


def test_documents_are_given_as_they_are_read(tmp_path):
    path = make(tmp_path, {"a.jsonl": '{"id": "1", "text": "x"}\n{"id"'}) / "a.jsonl"
    with path.open("r+b") as file:
        file.truncate(3 * 2**30)  # sparse: three gigabytes of NULs after the first document
    assert next(inputs.read([path])).text == "x"
