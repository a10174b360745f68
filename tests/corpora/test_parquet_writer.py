"""Results as Parquet: nothing that was there is lost, and nothing that was done."""

import pytest

from clinspan.corpora import jsonl
from clinspan.corpora.writer import ParquetWriter
from clinspan.document import Document, Entity, Span, WindowReport, WindowState
from clinspan.errors import OutputError

DOCUMENTS = [
    Document(
        f"{n}",
        "Gout, gicht",
        (Entity(Span(0, 4), "disease", "Gout", score=0.25),) if n % 2 else (),
        (WindowReport(Span(0, 11), WindowState.OK if n % 2 else WindowState.EMPTY),),
        {"n": n},
    )
    for n in range(1001)
]


def test_rows_give_back_the_documents(tmp_path):
    out = tmp_path / "out.parquet"
    with ParquetWriter(out) as writer:
        for document in DOCUMENTS:
            writer.write(document)
            assert not out.exists()
    assert list(jsonl.read_parquet(out)) == DOCUMENTS
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_what_was_written_stays_after_ctrl_c(tmp_path):
    def stopped():
        with ParquetWriter(tmp_path / "out.parquet") as writer:
            writer.write(DOCUMENTS[1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert list(jsonl.read_parquet(tmp_path / "out.parquet")) == DOCUMENTS[1:2]


def test_an_output_that_exists_is_kept_unless_the_user_says_so(tmp_path):
    out = tmp_path / "out.parquet"
    out.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        ParquetWriter(out)
    assert out.read_text() == "mine"
    with ParquetWriter(out, force=True) as writer:
        writer.write(DOCUMENTS[0])
    assert list(jsonl.read_parquet(out)) == DOCUMENTS[:1]


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(OutputError, match="there is no folder"):
        ParquetWriter(tmp_path / "none" / "out.parquet")
