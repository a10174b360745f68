import sqlite3
from dataclasses import replace
from datetime import date

import pytest

from clinspan.corpora import catalogue
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import OutputError

# As the CDM 5.4 declares it.
TABLE = """
CREATE TABLE note_nlp (
    note_nlp_id integer NOT NULL PRIMARY KEY,
    note_id integer NOT NULL,
    section_concept_id integer NULL,
    snippet varchar(250) NULL,
    "offset" varchar(50) NULL,
    lexical_variant varchar(250) NOT NULL,
    note_nlp_concept_id integer NULL,
    note_nlp_source_concept_id integer NULL,
    nlp_system varchar(250) NULL,
    nlp_date date NOT NULL,
    nlp_datetime TIMESTAMP NULL,
    term_exists varchar(1) NULL,
    term_temporal varchar(50) NULL,
    term_modifiers varchar(2000) NULL
)
"""
TEXT = "History of pneumonia; no chest\npain. Mother had gout. " + "Takes aspirin, as said above many times. " * 20


def entity(words, label="problem", **more):
    start = TEXT.index(words)
    return Entity(Span(start, start + len(words)), label, words, **more)


FOUND = (
    entity("pneumonia", attributes={"assertion": "present", "temporality": "past"}),
    entity("chest\npain", attributes={"assertion": "absent", "temporality": "current", "section": "hpi"}, score=0.5),
    entity("gout", attributes={"assertion": "associated-with-someone-else"}),
    entity("aspirin", "drug", concepts=(Concept("OMOP:1112807", "aspirin", "OMOP"), Concept("x", "y", "z")), id="e1"),
)
NOTES = [Document("17", TEXT, FOUND), Document("3", "No."), Document("18", TEXT, FOUND[:1])]


@pytest.fixture(autouse=True)
def _at_one_time(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_database_with_the_columns_of_the_model_takes_it(tmp_path, ending):
    duckdb = pytest.importorskip("duckdb")
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"note_nlp.omop.{ending}"
    catalogue.write(NOTES, path, format=catalogue.written_as(path).name)
    with duckdb.connect() as database:
        database.execute(TABLE)
        options = "FORMAT csv, HEADER" if ending == "csv" else "FORMAT parquet"
        database.execute(f"COPY note_nlp FROM '{path}' ({options})")
        rows = database.execute(
            'SELECT note_nlp_id, note_id, "offset", lexical_variant, note_nlp_concept_id, nlp_date, term_exists, '
            "term_temporal, term_modifiers FROM note_nlp ORDER BY note_nlp_id"
        ).fetchall()
        longest = database.execute("SELECT max(length(snippet)) FROM note_nlp").fetchone()
    day = date(2023, 11, 14)
    past = "label=problem; assertion=present; temporality=past"
    absent = "label=problem; assertion=absent; temporality=current; section=hpi; score=0.5"
    drug = "label=drug; id=e1; concept=OMOP:1112807; concept_name=aspirin; concept_source=OMOP"
    other = "label=problem; assertion=associated-with-someone-else"
    assert rows == [
        (1, 17, str(FOUND[0].start), "pneumonia", 0, day, "Y", "Past", past),
        (2, 17, str(FOUND[1].start), "chest pain", 0, day, "N", "Present", absent),
        (3, 17, str(FOUND[2].start), "gout", 0, day, "N", None, other),
        (4, 17, str(FOUND[3].start), "aspirin", 1112807, day, "Y", None, drug),
        (5, 18, str(FOUND[0].start), "pneumonia", 0, day, "Y", "Past", past),
    ]
    assert 0 < longest[0] <= 250


def test_sqlite_takes_the_csv(tmp_path):
    import csv

    path = tmp_path / "note_nlp.omop.csv"
    catalogue.write(NOTES, path, format="omop-csv")
    with sqlite3.connect(":memory:") as database, path.open(newline="", encoding="utf-8") as file:
        database.execute(TABLE)
        header, *rows = csv.reader(file)
        names = ", ".join(f'"{name}"' for name in header)
        database.executemany(f"INSERT INTO note_nlp ({names}) VALUES ({', '.join('?' * len(header))})", rows)
        assert database.execute("SELECT count(*), sum(note_id) FROM note_nlp").fetchone() == (5, 17 * 4 + 18)


def test_notes_without_whole_numbers_are_numbered_and_named(tmp_path):
    import csv

    named = [replace(NOTES[0], id="a;b"), replace(NOTES[2], id="7")]
    catalogue.write(named, tmp_path / "x.omop.csv", format="omop-csv")
    with (tmp_path / "x.omop.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["note_id"], row["term_modifiers"].split("; ")[0]) for row in rows[3:]] == [
        ("1", "document=a,b"),
        ("2", "document=7"),
    ]
    with pytest.raises(OutputError, match="'a' has an id that is not a whole number"):
        catalogue.write([NOTES[0], replace(NOTES[2], id="a")], tmp_path / "y.omop.csv", format="omop-csv")


def test_what_is_long_fits_the_columns(tmp_path):
    import csv

    long = "x" * 400
    found = Entity(Span(0, 400), "problem", long, attributes={"a": "b" * 1990, "c": "d"})
    catalogue.write([Document("1", long, (found,))], tmp_path / "x.omop.csv", format="omop-csv")
    with (tmp_path / "x.omop.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (len(row["lexical_variant"]), len(row["snippet"])) == (250, 250)
    assert row["term_modifiers"] == "label=problem; c=d"
