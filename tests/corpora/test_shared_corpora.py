"""Published corpora as they are: their counts, and their way through every format and back. Nothing is scored."""

import pytest

from clinspan.corpora import catalogue, csv, inputs
from clinspan.document import Document, Span

ALL = [
    # path, documents, entities that fit their text: one of NCBI's training part does not
    ("ncbi_disease/train", 593, 5144),
    ("ncbi_disease/devel", 100, 787),
    ("ncbi_disease/test", 100, 960),
    ("ncbi_disease/conll/train.tsv", 5432, 5145),
    ("ncbi_disease/conll/devel.tsv", 923, 787),
    ("ncbi_disease/conll/test.tsv", 940, 960),
    ("bc2gm/original/train", 15000, 18265),
    ("bc2gm/original/test", 5000, 6331),
    ("bc2gm/conll/train.tsv", 12500, 15197),
    ("bc2gm/conll/devel.tsv", 2500, 3061),
    ("bc2gm/conll/test.tsv", 5000, 6325),
    ("bc5cdr/CDR_TrainingSet.PubTator.txt", 500, 9385),
    ("bc5cdr/CDR_DevelopmentSet.PubTator.txt", 500, 9591),
    ("mtsamples/train", 602, 810),
    ("mtsamples/valid", 201, 287),
]


@pytest.mark.parametrize(("path", "documents", "entities"), ALL)
def test_every_corpus_is_recognised_and_has_the_published_counts(shared, path, documents, entities):
    read = [one for one in catalogue.read(shared(f"data/{path}"), lenient=True) if isinstance(one, Document)]
    assert (len(read), sum(len(one.entities) for one in read)) == (documents, entities)


@pytest.mark.parametrize(("part", "notes"), [("train", 67), ("valid", 20)])
def test_notes_in_a_table_are_counted(shared, part, notes):
    path = shared(f"data/aci_bench/{part}.csv")
    read = list(csv.read(path, text_column="note", id_column="encounter_id"))
    assert all(isinstance(one, Document) and one.text.strip() for one in read)
    assert len({one.id for one in read}) == notes
    assert list(inputs.read([path], text_column="note", id_column="encounter_id")) == read


@pytest.mark.parametrize("format", catalogue.WRITABLE)
def test_a_corpus_goes_into_every_format_and_comes_back_with_its_places(shared, tmp_path, format):
    if format in ("docbin", "parquet"):
        pytest.importorskip({"docbin": "spacy", "parquet": "pyarrow"}[format])
    documents = list(catalogue.read(shared("data/ncbi_disease/devel")))
    catalogue.write(documents, tmp_path / "out", format=format)
    again = list(catalogue.read(tmp_path / "out", format=format))
    assert len(again) == len(documents)
    if format == "bio":
        # Tags keep words and entities; ids and white space they do not.
        assert [len(one.entities) for one in again] == [len(one.entities) for one in documents]
        assert ["".join(one.text.split()) for one in again] == ["".join(one.text.split()) for one in documents]
        return
    # The order of files is that of their names.
    known = {one.id: one for one in again}
    for before in documents:
        after = known[before.id]
        assert after.text.replace("\n", " ") == before.text.replace("\n", " ")
        places = {(e.span, "GENE" if format == "bc2gm" else e.label) for e in before.entities}
        if format == "i2b2":
            places = {(_widened(span, before.text), label) for span, label in places}
        assert {(e.span, e.label) for e in after.entities} == places


def _widened(span, text):
    start, end = span.start, span.end
    while start and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return Span(start, end)
