import io
import json
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
        (b"\0" * 9, "binary: it holds .* NULs"),
        (b"ab\0\1cd\0\2\xc3\xa9" * 9, "binary: it holds 18 NULs, the first at byte 2"),
        ("chest pain".encode("utf-16-le"), "looks like UTF-16LE: .*iconv"),
        ("chest pain".encode("utf-16-be"), "looks like UTF-16BE: .*iconv"),
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


def test_a_stray_nul_is_a_space_and_that_is_said(tmp_path):
    row = b'id,text\n1,"a\0b\nc\0"\n2,d\n'
    make(tmp_path, {"a.txt": b"chest\0pain" + b"\0" * 20, "b.csv": row, "c.jsonl": b'{"id": "3", "text": "e\0f"}'})
    documents, problems = split(inputs.read([tmp_path]))
    assert problems == []
    assert [(d.text, d.metadata) for d in documents] == [
        ("chest pain" + " " * 20, {"remark": "21 NULs read as spaces, the first at byte 5"}),
        ("a b\nc ", {"remark": "2 NULs read as spaces, the first at byte 4"}),
        ("d", {}),
        ("e f", {"remark": "1 NUL read as spaces, the first at byte 22"}),
    ]
    ((document,), _) = split(inputs.read(["-"], stdin=io.BytesIO(b"chest\0pain")))
    assert (document.text, "remark" in document.metadata) == ("chest pain", True)
    make(tmp_path / "wide", {"a.txt": "Ärztin".encode("utf-16")})
    ((document,), _) = split(inputs.read([tmp_path / "wide"], encoding="utf-16"))
    assert document.metadata == {}


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_row_without_text_is_a_note_that_says_nothing(tmp_path, ending):
    path = tmp_path / f"notes.{ending}"
    texts = ["MI", "", " ", "gout"]
    if ending == "csv":
        path.write_text("id,text\n" + "".join(f"{n},{text}\n" for n, text in enumerate(texts)))
    elif ending == "jsonl":
        path.write_text("".join(json.dumps({"id": n, "text": text}) + "\n" for n, text in enumerate(texts)))
    else:
        arrow, tables = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        rows = [{"id": str(n), "text": text or None} for n, text in enumerate(texts)]
        tables.write_table(arrow.Table.from_pylist(rows), path)
    documents, problems = split(inputs.read([path]))
    assert ([d.text for d in documents], problems) == (texts, [])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", [{"id": "1", "text": "MI"}, "gout"]),
        ("a.json", ["MI", "gout"]),
        ("a.any", [{"text": "MI"}, {"text": "gout", "ward": 3}]),
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_of_notes_or_strings_is_read_as_notes(tmp_path, name, content, indent):
    make(tmp_path, {name: json.dumps(content, indent=indent)})
    documents, problems = split(inputs.read([tmp_path / name]))
    assert ([d.text for d in documents], problems) == (["MI", "gout"], [])


def test_a_wrong_item_of_an_array_is_named_and_one_object_is_one_note(tmp_path):
    make(tmp_path, {"a.json": '[{"text": "MI"}, 3]', "b.json": json.dumps({"id": "b", "text": "gout"}, indent=2)})
    documents, (problem,) = split(inputs.read([tmp_path]))
    assert [(d.id, d.text) for d in documents] == [("a-1", "MI"), ("b", "gout")]
    assert "a.json, item 2: is not a JSON object" in str(problem)


def test_a_note_whose_first_line_looks_like_a_header_is_a_note(tmp_path):
    content = "history, text, etc.\n1,2,3\ntext,id\n"
    for ending in ("txt", "text", "note"):
        make(tmp_path, {f"a.{ending}": "id,text\n" + content})
        ((document,), problems) = split(inputs.read([tmp_path / f"a.{ending}"]))
        assert (document.text, problems) == ("id,text\n" + content, [])


@pytest.mark.parametrize("begins", ['{"text":', '{"text": "x", "y":', "[", '{"a":'])
def test_brackets_without_end_are_a_fault_that_is_said(tmp_path, begins):
    deep = (begins + "[" * 100_000).encode()
    results = list(inputs.read(["-"], stdin=io.BytesIO(deep)))
    # An array on standard input is no JSON line, so it is the note that it looks like.
    assert begins == "[" or "standard input, line 1: is not JSON that can be read: it is nested too" in str(results[0])
    for name in ("a.jsonl", "a.json", "a.txt", "a.csv"):
        make(tmp_path, {name: deep})
        assert len(list(inputs.read([tmp_path / name]))) == 1


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
