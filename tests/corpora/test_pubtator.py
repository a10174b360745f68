import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.corpora import catalogue, literature
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import InputError, OutputError

GOOD = (
    "1|t|Ataxia in mice.\n1|a|We saw ataxia (α-type) and NPC.\n1\t0\t6\tAtaxia\tModifier\tD001259\n"
    "1\t43\t46\tNPC\tSpecificDisease\tD052556|OMIM:257220\n1\tCID\tD1\tD2\n\n2|t|Nothing\n2|a|\n"
)


def write(tmp_path, content):
    path = tmp_path / "corpus.txt"
    path.write_text(content, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_annotations_and_relations_are_read(tmp_path, end):
    first, second = literature.read_pubtator(write(tmp_path, GOOD.replace("\n", end)))
    assert first.text == "Ataxia in mice.\nWe saw ataxia (α-type) and NPC."
    assert [(e.start, e.label, e.text, [(c.id, c.source) for c in e.concepts]) for e in first.entities] == [
        (0, "Modifier", "Ataxia", [("D001259", "MESH")]),
        (43, "SpecificDisease", "NPC", [("D052556", "MESH"), ("OMIM:257220", "OMIM")]),
    ]
    assert first.metadata == {"relations": [["CID", "D1", "D2"]]}
    assert second == Document("2", "Nothing\n")


def test_types_are_renamed(tmp_path):
    first, _ = catalogue.read(write(tmp_path, GOOD), labels=literature.NCBI_LABELS)
    assert {e.label for e in first.entities} == {"disease"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1\t0\t6\tataxia\tModifier\tD1", "line 3: 'Ataxia' stands at 0-6, not 'ataxia'"),
        ("1\t40\t99\tNPC\tModifier\tD1", "line 3: 40-99 is not within the text of 47"),
        ("1\t6\t6\t\tModifier\tD1", "line 3: 6-6"),
        ("2\t0\t6\tAtaxia\tModifier\tD1", "line 3: is not an annotation of this document"),
        ("1\tx\t6\tAtaxia\tModifier\tD1", "line 3: is not an annotation"),
        ("nonsense", "line 3: is not an annotation"),
    ],
)
def test_a_wrong_annotation_is_named_and_lenient_goes_on_without_it(tmp_path, line, says):
    path = write(tmp_path, GOOD.replace("1\t0\t6\tAtaxia\tModifier\tD001259", line))
    error, second = literature.read_pubtator(path)
    assert f"{path}, {says}" in str(error)
    assert second.id == "2"
    error, first, second = literature.read_pubtator(path, lenient=True)
    assert says in str(error)
    assert [e.text for e in first.entities] == ["NPC"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("1\t0\t6\tAtaxia\tModifier\tD1\n", "does not begin with its title"),
        ("1|t|x\n2|a|y\n", "line 2: is not the abstract of 1"),
    ],
)
def test_a_document_without_its_text_is_an_error(tmp_path, content, says):
    (error,) = literature.read_pubtator(write(tmp_path, content))
    assert isinstance(error, InputError)
    assert says in str(error)


def test_documents_without_an_empty_line_between_are_told_apart(tmp_path):
    assert [d.id for d in literature.read_pubtator(write(tmp_path, "1|t|a\n1|a|b\n2|t|c\n2|a|d"))] == ["1", "2"]


LINE = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="|"), min_size=1, max_size=30)


@given(
    st.lists(st.tuples(LINE, LINE, st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=3)), max_size=3)
)
def test_what_is_written_is_read_back(tmp_path_factory, given_documents):
    documents = []
    for number, (title, abstract, places) in enumerate(given_documents):
        text = f"{title}\n{abstract}"
        spans = [Span(start, min(start + length, len(text))) for start, length in places if start < len(text)]
        spans = [span for span in spans if "\n" not in span.of(text)]
        concept = lambda mention: (Concept("D1", mention, "MESH"),)  # noqa: E731
        entities = tuple(Entity(s, "a b", s.of(text), concepts=concept(s.of(text))) for s in spans)
        documents.append(Document(str(number), text, entities))
    path = tmp_path_factory.mktemp("p") / "x.pubtator"
    path.write_text("".join(literature.write_pubtator(documents)), encoding="utf-8", newline="")
    assert list(literature.read_pubtator(path)) == documents


def test_line_ends_and_tabs_become_spaces_so_that_offsets_stay(tmp_path):
    text = "Title\r\nA\tb\r\nNPC"
    entity = Entity(Span(12, 15), "d", "NPC")
    (again,) = literature.read_pubtator(
        write(tmp_path, "".join(literature.write_pubtator([Document("1", text, (entity,))])))
    )
    assert again.text == "Title \nA b  NPC"
    assert again.entities[0].span == entity.span


@pytest.mark.parametrize("text", ["One line.", "One line.\n", "One line.\nAnd more."])
def test_a_text_of_one_line_comes_back_with_no_line_end_more_or_less(tmp_path, text):
    documents = [Document("1", text, (Entity(Span(0, 3), "d", "One"),)), Document("2", "x")]
    assert list(literature.read_pubtator(write(tmp_path, "".join(literature.write_pubtator(documents))))) == documents


def test_what_the_format_cannot_say_is_an_error():
    with pytest.raises(OutputError, match=r"cannot say 'a|b'"):
        list(literature.write_pubtator([Document("a|b", "x")]))


@pytest.mark.parametrize(
    ("file", "documents", "distinct", "mentions", "errors"),
    [
        ("ncbi_disease/train/NCBItrainset_corpus.txt", 593, 592, 5145, 1),
        ("ncbi_disease/devel/NCBIdevelopset_corpus.txt", 100, 100, 787, 0),
        ("ncbi_disease/test/NCBItestset_corpus.txt", 100, 100, 960, 0),
        ("bc5cdr/CDR_TrainingSet.PubTator.txt", 500, 500, None, 0),
        ("bc5cdr/CDR_DevelopmentSet.PubTator.txt", 500, 500, None, 0),
    ],
)
def test_counts_of_published_corpora(shared, file, documents, distinct, mentions, errors):
    results = list(catalogue.read(shared(f"data/{file}"), lenient=True))
    read = [r for r in results if isinstance(r, Document)]
    wrong = [r for r in results if isinstance(r, InputError)]
    assert (len(read), len({d.id for d in read}), len(wrong)) == (documents, distinct, errors)
    if mentions is not None:
        assert sum(len(d.entities) for d in read) + len(wrong) == mentions
    again = list(literature.read_pubtator(shared(f"data/{file}"), lenient=True))
    assert [d for d in again if isinstance(d, Document)] == read
