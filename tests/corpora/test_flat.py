import csv
import json

import pytest

from clinspan.corpora import catalogue, tables
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import ConfigError

TEXT = 'Denies "chest pain", takes\naspirin.'
PAIN = Entity(
    Span(8, 18), "problem", "chest pain", score=0.25, attributes={"assertion": "absent", "section": "history"}, id="e1"
)
DRUG = Entity(
    Span(27, 34),
    "drug",
    "aspirin",
    concepts=(Concept("RXNORM:1191", "aspirin", "RXNORM"), Concept("2", "ASA", "RXNORM")),
    attributes={"status": "taken, daily"},
)
PLACES = [{"name": "medications", "start": 20, "end": 35}]
NOTES = [Document("a", TEXT, (PAIN, DRUG), metadata={"sections": PLACES}), Document("b", "Nothing.")]


def test_a_row_an_entity_comes_back_as_it_was(tmp_path):
    path = tmp_path / "out.csv"
    catalogue.write(NOTES, path, format="flat-csv")
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {
        "document": "a",
        "id": "e1",
        "start": "8",
        "end": "18",
        "text": "chest pain",
        "label": "problem",
        "score": "0.25",
        "match": "exact",
        "section": "history",
        "attributes": '{"assertion": "absent"}',
        "concept_ids": "",
        "concept_names": "",
    }
    assert (second["concept_ids"], second["concept_names"]) == ("RXNORM:1191|2", "aspirin|ASA")
    assert (second["section"], json.loads(second["attributes"])) == ("medications", dict(DRUG.attributes))
    for row, entity in zip((first, second), NOTES[0].entities, strict=True):
        assert TEXT[int(row["start"]) : int(row["end"])] == row["text"] == entity.text


def test_a_text_that_a_spreadsheet_takes_for_a_formula_is_written_as_it_stands(tmp_path):
    text = '=HYPERLINK("http://x") pain'
    catalogue.write(
        [Document("a", text, (Entity(Span(0, 22), "l", text[:22]),))], tmp_path / "o.csv", format="flat-csv"
    )
    with (tmp_path / "o.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["text"] == text[int(row["start"]) : int(row["end"])]


def test_pandas_reads_it(tmp_path):
    pandas = pytest.importorskip("pandas")
    catalogue.write(NOTES, tmp_path / "out.csv", format="flat-csv")
    frame = pandas.read_csv(tmp_path / "out.csv")
    assert list(frame.columns) == list(tables.FLAT_COLUMNS)
    assert list(frame["start"]) == [8, 27]


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_data_frame_has_a_column_for_each_attribute(package):
    pytest.importorskip(package)
    frame = tables.to_dataframe(NOTES, package=package)
    assert type(frame).__module__.startswith(package)
    assert list(frame.columns) == [
        *(name for name in tables.FLAT_COLUMNS if name != "attributes"),
        "assertion",
        "status",
    ]
    assert list(frame["text"]) == ["chest pain", "aspirin"]
    assert (frame["assertion"][0], frame["status"][1]) == ("absent", "taken, daily")
    assert list(frame["concept_ids"][1]) == ["RXNORM:1191", "2"]
    assert list(frame["section"]) == ["history", "medications"]
    assert tables.to_dataframe(NOTES[1], package=package).shape == (0, len(tables.FLAT_COLUMNS) - 1)


def test_an_attribute_that_is_called_as_a_column_keeps_the_column():
    pytest.importorskip("pandas")
    odd = Document("a", "x", (Entity(Span(0, 1), "l", "x", attributes={"label": "other"}),))
    frame = tables.to_dataframe(odd, package="pandas")
    assert (frame["label"][0], frame["attribute_label"][0]) == ("l", "other")


def test_a_package_that_is_not_there_is_named(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(tables.importlib, "import_module", missing)
    with pytest.raises(Exception, match=r"'polars', which is not installed.*'\.\[polars\]'"):
        tables.to_dataframe(NOTES, package="polars")
    with pytest.raises(Exception, match="'pandas', which is not installed"):
        tables.to_dataframe(NOTES)
    with pytest.raises(ConfigError, match="expected pandas or polars"):
        tables.to_dataframe(NOTES, package="numpy")
