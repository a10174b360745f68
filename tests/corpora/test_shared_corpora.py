"""Published corpora as they are: their counts, and their way through every format and back. Nothing is scored."""

import re

import pytest

from clinspan.corpora import catalogue, csv, inputs
from clinspan.corpora.tokens import flat
from clinspan.document import Document, Span


@pytest.fixture
def corpus(shared, split):
    """A function that gives the documents and the faults of a corpus, in the format that is recognised."""

    def read(path):
        return split(catalogue.read(shared(f"data/{path}"), lenient=True))

    return read


@pytest.fixture
def counted(shared):
    """A function that gives the numbers of a row in the table of what is there, in the column of counts."""
    rows = [line.split("|") for line in shared("README.md").read_text().splitlines() if line.startswith("|")]
    counts = {row[1].strip(): [int(number) for number in re.findall(r"\d+", row[3])] for row in rows}
    return counts.__getitem__


def mentions(documents):
    return sum(len(document.entities) for document in documents)


def test_ncbi_disease_has_the_stated_counts(corpus, counted):
    train, faults = corpus("ncbi_disease/train")
    devel, test = (corpus(f"ncbi_disease/{part}")[0] for part in ("devel", "test"))
    # One abstract comes twice, and one mention is not what stands at its offsets.
    (fault,) = faults
    assert "stands at" in str(fault)
    distinct = len({document.id for document in train})
    found = [
        len(train),
        distinct,
        len(devel),
        len(test),
        mentions(train) + len(faults),
        mentions(devel),
        mentions(test),
    ]
    assert found == counted("data/ncbi_disease/{train,devel,test}")


def test_ncbi_disease_in_tags_has_the_stated_counts(corpus, counted):
    train, devel, test = (corpus(f"ncbi_disease/conll/{part}.tsv")[0] for part in ("train", "devel", "test"))
    # The abstract that comes twice (8528200) has eight sentences, which the stated count has once.
    first, second = (range(start, start + 8) for start in (5270, 5278))
    said = [[(train[n].text, train[n].entities) for n in numbers] for numbers in (first, second)]
    assert said[0] == said[1]
    assert said[0][0][0].startswith("Evidence for inter - generational instability in the CAG repeat in the MJD1 gene")
    abstract = "".join(document.text for document in corpus("ncbi_disease/train")[0] if document.id == "8528200")
    assert "".join(abstract.split()) == "".join("".join(text.split()) for text, _ in said[0]) * 2
    assert [len(train), len(train) - 8, len(devel), len(test)] == [5432, *counted("data/ncbi_disease/conll")]
    assert [mentions(part) for part in (train, devel, test)] == [5145, 787, 960]


def test_bc2gm_has_the_stated_counts(corpus, counted):
    parts = [corpus(f"bc2gm/conll/{part}.tsv")[0] for part in ("train", "devel", "test")]
    found = [*map(len, parts), *map(mentions, parts)]
    assert found == counted("data/bc2gm/original, data/bc2gm/conll")
    (train, faults), (test, none) = (corpus(f"bc2gm/original/{part}") for part in ("train", "test"))
    assert ([len(faults), len(none)], [len(train), len(test)]) == ([4, 0], [found[0] + found[1], found[2]])
    # Tags say no gene within another: seven of the training parts' and six of the test part's.
    assert [mentions(part) for part in (train, test)] == [found[3] + found[4] + 7, found[5] + 6]
    assert [mentions(map(flat, part)) for part in (train, test)] == [found[3] + found[4], found[5]]


def test_bc5cdr_has_the_stated_counts(corpus, counted):
    parts = [corpus(f"bc5cdr/CDR_{part}Set.PubTator.txt") for part in ("Training", "Development")]
    assert [len(documents) for documents, _ in parts] == counted("data/bc5cdr")
    assert [(mentions(documents), faults) for documents, faults in parts] == [(9385, []), (9591, [])]


def test_mtsamples_has_the_stated_counts(corpus, counted):
    parts = [corpus(f"mtsamples/{part}")[0] for part in ("train", "valid")]
    assert [*map(len, parts), *map(mentions, parts)] == counted("data/mtsamples/{train,valid}")


def test_notes_in_a_table_have_the_stated_counts(shared, counted):
    parts = []
    for part in ("train", "valid"):
        path = shared(f"data/aci_bench/{part}.csv")
        read = list(csv.read(path, text_column="note", id_column="encounter_id"))
        assert all(isinstance(one, Document) and one.text.strip() for one in read)
        assert list(inputs.read([path], text_column="note", id_column="encounter_id")) == read
        parts.append(len({one.id for one in read}))
    assert parts == counted("data/aci_bench")


@pytest.mark.parametrize("format", sorted({*catalogue.WRITABLE} & {*catalogue.FORMATS}))
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
