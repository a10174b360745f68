import pytest
from typer.testing import CliRunner

from clinspan import codec
from clinspan.cli.main import app
from clinspan.corpora import csv
from clinspan.corpora.tables import write_flat
from clinspan.document import Document, Entity, Span
from clinspan.errors import InputError


def write(tmp_path, content):
    path = tmp_path / "notes.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_columns_are_named_and_the_others_kept(tmp_path):
    path = write(tmp_path, '\ufeffnr,note,ward\r\n1,"two\r\nlines, one row",3B\r\n2,x,\r\n')
    assert list(csv.read(path, text_column="note", id_column="nr")) == [
        Document("1", "two\r\nlines, one row", metadata={"ward": "3B"}),
        Document("2", "x", metadata={"ward": ""}),
    ]


def test_without_an_id_column_ids_are_made_of_file_and_line(tmp_path):
    path = write(tmp_path, 'text\n"a\nb"\nc\n')
    assert [d.id for d in csv.read(path)] == ["notes-2", "notes-4"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_the_one_that_shows_the_column(tmp_path, delimiter):
    path = write(tmp_path, f"id{delimiter}text\n1{delimiter}x\n")
    assert list(csv.read(path)) == [Document("1", "x")]


def test_a_field_may_be_larger_than_the_csv_modules_limit(tmp_path):
    note = "pain " * 100_000
    path = write(tmp_path, f'id,text\n1,"{note}"\n')
    assert [len(d.text) for d in csv.read(path)] == [len(note)]


def test_a_bad_row_does_not_stop_the_rest(tmp_path):
    path = write(tmp_path, b'id,text\n1,x,y\n2,"M\xfc\nller"\n,z\n3,good\n4\n')
    results = list(csv.read(path))
    assert [r if isinstance(r, Document) else str(r).replace(str(path), "F") for r in results] == [
        "F, line 2: has 3 fields; expected 2, as in the first row",
        str(results[1]).replace(str(path), "F"),
        "F, line 5: the column 'id' is empty; expected an id",
        Document("3", "good"),
        "F, line 7: has 1 fields; expected 2, as in the first row",
    ]
    assert "line 3: is not UTF-8: byte 0xfc at offset 18" in str(results[1])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("id,Text\n1,x\n", "no column 'text'. Did you mean 'Text'.*--text-column"),
        ("\0", "binary"),
        (b"\xd0\xcf\x11\xe0", "old Word or Excel"),
        ('text\nx\n"never closed', "line 3: is not CSV from here on"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, content, says):
    with pytest.raises(InputError, match=says):
        list(csv.read(write(tmp_path, content)))


def test_a_missing_id_column_offers_the_nearest(tmp_path):
    with pytest.raises(InputError, match=r"no column 'nr'.*Known: number, text"):
        list(csv.read(write(tmp_path, "number,text\n1,x\n"), id_column="nr"))


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("tag entities.csv --labels medication --dictionary none", 3),
        ("report entities.csv -o page.html", 2),
        ("evaluate entities.csv entities.jsonl", 2),
        ("evaluate entities.jsonl entities.csv", 2),
        ("review import entities.csv -o reviews.sqlite", 2),
    ],
)
def test_a_table_of_entities_is_not_read_as_notes(tmp_path, monkeypatch, command, status):
    monkeypatch.chdir(tmp_path)
    document = Document("n", "He has gout.", (Entity(Span(7, 11), "disease", "gout"),))
    write_flat([document], "entities.csv")
    (tmp_path / "entities.jsonl").write_text(codec.dump(document) + "\n")
    result = CliRunner().invoke(app, command.split())
    error = result.exception
    said = str(error) if isinstance(error, InputError) else result.stderr
    assert (error.exit_status if isinstance(error, InputError) else result.exit_code) == status
    assert (
        "entities.csv: is an export of clinspan with a row for each entity; notes cannot be read from it. "
        "Give the JSON lines: clinspan tag ... -o entities.jsonl"
    ) in said
    assert not (tmp_path / "page.html").exists()
