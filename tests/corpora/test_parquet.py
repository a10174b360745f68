import datetime

import pytest

from clinspan.corpora import catalogue, jsonl
from clinspan.document import Concept, Document, Entity, MatchKind, Span, WindowReport, WindowState
from clinspan.errors import InputError, MissingExtra

TEXT = "Left and right pain 😀"
FULL = Document(
    "a",
    TEXT,
    (
        Entity(
            Span(0, 19),
            "Problem",
            TEXT[:19],
            score=0.1,
            match=MatchKind.FUZZY,
            concepts=(Concept("C1", "pain", "UMLS", ("T184",), 0.3),),
            fragments=(Span(0, 4), Span(15, 19)),
            rules=("r",),
            attributes={"temporality": "past", "assertion": "negated"},
        ),
        Entity(Span(20, 21), "x", "😀"),
    ),
    (WindowReport(Span(0, 21), WindowState.TRUNCATED, detail="d", unread=("u",)),),
    {"ward": {"n": 3, "list": [1, None]}},
)


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow")


def test_nothing_is_lost(arrow, tmp_path):
    documents = [FULL, *(Document(str(n), f"text {n}") for n in range(1001))]
    out = tmp_path / "x.parquet"
    catalogue.write(documents, out, format="parquet")
    assert list(catalogue.read(out)) == documents
    assert next(catalogue.read(out, labels={"x": "y"})).entities[1].label == "y"


def test_any_table_with_texts_is_read_and_a_faulty_row_is_named(arrow, tmp_path, split):
    rows = [{"text": "a", "seen": datetime.date(2026, 1, 2)}, {"text": None}, {"text": "b", "metadata": "{"}]
    rows = [{"text": None, "seen": None, "metadata": None, **row} for row in rows]
    path = tmp_path / "x.parquet"
    arrow.parquet.write_table(arrow.Table.from_pylist(rows), path)
    documents, errors = split(jsonl.read_parquet(path))
    assert documents == [Document("x-1", "a", metadata={"seen": "2026-01-02"}), Document("x-2", "")]
    assert "x.parquet, row 3, column 'metadata': is not JSON" in str(errors[0])


@pytest.mark.parametrize("content", [b"", b"PAR1 no more"])
def test_a_file_that_is_no_parquet_is_an_error(arrow, tmp_path, content):
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not Parquet"):
        list(jsonl.read_parquet(path))
    with pytest.raises(InputError, match="cannot be read"):
        list(jsonl.read_parquet(tmp_path / "y.parquet"))


def test_without_the_package_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"'\.\[parquet\]'"):
        list(jsonl.read_parquet(tmp_path / "x.parquet"))
