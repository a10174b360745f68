import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinspan.corpora import catalogue, tokens
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import InputError, MissingExtra

KIDNEY = Concept("C1", "Chronic kidney disease", "")


@pytest.fixture(scope="module")
def spacy():
    return pytest.importorskip("spacy")


def test_spans_groups_and_entities(spacy, tmp_path):
    text = "Chronic kidney disease,  stage 3\n"
    entities = (
        Entity(Span(0, 22), "Problem", "Chronic kidney disease", concepts=(KIDNEY,)),
        Entity(Span(8, 14), "Organ", "kidney"),
    )
    out = tmp_path / "x.spacy"
    catalogue.write([Document("d1", text, entities)], out, format="docbin")
    assert list(catalogue.read(out)) == [Document("d1", text, entities)]
    (doc,) = spacy.tokens.DocBin().from_disk(out).get_docs(spacy.vocab.Vocab())
    assert [(e.text, e.label_, e.kb_id_) for e in doc.ents] == [("Chronic kidney disease", "Problem", "C1")]
    assert [t.text for t in doc] == ["Chronic", "kidney", "disease", ",", " ", "stage", "3", "\n"]


def test_what_spacy_wrote_itself_is_read(spacy, tmp_path):
    nlp = spacy.blank("en")
    doc = nlp("Given aspirin.")
    doc.ents = [doc.char_span(6, 13, label="Drug")]
    doc.spans["sc"] = []
    spacy.tokens.DocBin(docs=[doc]).to_disk(tmp_path / "x.spacy")
    (read,) = catalogue.read(tmp_path / "x.spacy", labels={"Drug": "drug"})
    assert read == Document("x-1", "Given aspirin.", (Entity(Span(6, 13), "drug", "aspirin"),))


@settings(max_examples=50)
@given(
    text=st.text(st.sampled_from("ab \n\té😀,\u00a0"), max_size=30),
    places=st.lists(st.tuples(st.integers(0, 29), st.integers(1, 9)), max_size=4),
)
def test_offsets_come_back(spacy, tmp_path_factory, text, places):
    spans = [Span(start, min(start + length, len(text))) for start, length in places if start < len(text)]
    document = Document("a", text, tuple(Entity(span, "x", span.of(text)) for span in spans))
    path = tmp_path_factory.mktemp("docbin") / "x.spacy"
    catalogue.write([document], path, format="docbin")
    (again,) = catalogue.read(path)
    assert (again.text, sorted(e.span for e in again.entities)) == (text, sorted(spans))


@pytest.mark.parametrize("content", [b"", b"x", __import__("zlib").compress(b"\x93\x01")])
def test_a_file_that_is_no_docbin_is_an_error(spacy, tmp_path, content):
    path = tmp_path / "x.spacy"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a DocBin"):
        list(tokens.read_docbin(path))


def test_without_the_package_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "spacy", None)
    monkeypatch.setitem(__import__("sys").modules, "spacy.tokens", None)
    with pytest.raises(MissingExtra, match=r"'\.\[spacy\]'"):
        list(tokens.read_docbin(tmp_path / "x.spacy"))
