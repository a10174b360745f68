import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.corpora import catalogue, literature
from clinspan.document import Document, Entity, Span
from clinspan.errors import InputError, OutputError

FILES = {
    "train.in": "P1T0 Comparison with alkaline phosphatases and 5-nucleotidase\nP2 No gene here.\n",
    "GENE.eval": "P1T0|14 33|alkaline phosphatases\nP1T0|37 50|5-nucleotidase\n",
    "ALTGENE.eval": "P1T0|22 33|phosphatases\n",
}


def test_places_that_count_no_white_space_and_alternatives_are_read_and_written(lay):
    folder = lay(FILES)
    first, second = catalogue.read(folder)
    assert [(e.start, e.label, e.text) for e in first.entities] == [
        (16, "GENE", "alkaline phosphatases"),
        (42, "GENE", "5-nucleotidase"),
    ]
    assert first.metadata == {"alternatives": [[25, 37]]}
    assert first.text[25:37] == "phosphatases"
    assert second == Document("P2", "No gene here.")
    assert dict(literature.write_bc2gm([first, second], name="train")) == FILES
    assert next(catalogue.read(folder / "train.in", labels={"GENE": "gene"})).entities[0].label == "gene"


@pytest.mark.parametrize(
    ("line", "says", "kept"),
    [
        ("P1T0|14 34|alkaline phosphatases", "'alkaline phosphatases a' stands at 14 34", 1),
        ("P1T0|14 99|x", "14 99 is not within the sentence of 51 characters", 0),
        ("P1T0|14|x", "'14' is not a place", 0),
        ("P1T0|33 14|x", "33 14 is not within", 0),
    ],
)
def test_a_wrong_line_is_named(lay, split, line, says, kept):
    folder = lay({**FILES, "GENE.eval": line + "\n"})
    documents, errors = split(catalogue.read(folder))
    assert [d.id for d in documents] == ["P2"]
    assert f"{folder / 'GENE.eval'}, line 1: {says}" in str(errors[0])
    documents, errors = split(catalogue.read(folder, lenient=True))
    assert [len(d.entities) for d in documents] == [kept, 0]
    assert len(errors) == 1


def test_lines_of_no_sentence_are_named(lay, split):
    folder = lay({**FILES, "GENE.eval": "P9|1 2|x\n"})
    _, errors = split(catalogue.read(folder))
    assert f"{folder / 'GENE.eval'}, line 1: there is no sentence P9" in str(errors[0])
    (folder / "train.in").write_text("P1\n")
    _, errors = split(catalogue.read(folder))
    assert "train.in, line 1: 'P1' is not a sentence" in str(errors[0])


def test_a_folder_of_two_corpora_is_an_error(lay):
    with pytest.raises(InputError, match=r"one .in, not test.in, train.in"):
        list(catalogue.read(lay({**FILES, "test.in": "P1 x\n"})))


def test_what_cannot_be_said_is_refused():
    with pytest.raises(OutputError, match="id with a space"):
        list(literature.write_bc2gm([Document("a b", "x")]))
    with pytest.raises(OutputError, match="white space alone"):
        list(literature.write_bc2gm([Document("a", "x y", (Entity(Span(1, 2), "GENE", " "),))]))


@given(
    text=st.text(st.sampled_from("ab -é😀\u00a0\t"), min_size=1, max_size=40).filter(str.strip),
    places=st.lists(st.tuples(st.integers(0, 39), st.integers(1, 9)), max_size=4),
)
def test_offsets_come_back(tmp_path_factory, text, places):
    spans = [Span(start, min(start + length, len(text))) for start, length in places if start < len(text)]
    spans = [span for span in spans if span.of(text) == span.of(text).strip()]
    entities = tuple(Entity(span, "GENE", span.of(text)) for span in spans)
    others = {"alternatives": [[span.start, span.end] for span in spans]} if spans else {}
    document = Document("a", text, entities, metadata=others)
    folder = tmp_path_factory.mktemp("gm") / "out"
    catalogue.write([document], folder, format="bc2gm")
    assert list(catalogue.read(folder)) == [document]


@pytest.mark.parametrize(
    ("part", "sentences", "mentions", "alternatives", "errors"),
    [("train", 15000, 18265, 14499, 4), ("test", 5000, 6331, 5068, 0)],
)
def test_counts_of_the_published_files(shared, split, part, sentences, mentions, alternatives, errors):
    documents, faults = split(catalogue.read(shared(f"data/bc2gm/original/{part}"), lenient=True))
    assert (len(documents), len(faults)) == (sentences, errors)
    assert sum(len(d.entities) for d in documents) == mentions
    assert sum(len(d.metadata.get("alternatives", ())) for d in documents) == alternatives
