import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.corpora import catalogue, tokens
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError, InputError, OutputError


def read(tmp_path, content, name="x.bio"):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8", newline="")
    return list(tokens.read(path))


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("IOB2", "O B-a I-a B-a B-b O"),
        ("IOB1", "O I-a I-a B-a I-b O"),
        ("BIOES", "O B-a E-a S-a S-b O"),
        ("BILOU", "O B-a L-a U-a U-b O"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_all_schemes_say_the_same(tmp_path, scheme, tags, end):
    words = ["No", "chest", "pain", "fever", "aspirin", "."]
    (document,) = read(tmp_path, end.join(f"{w}\t{t}" for w, t in zip(words, tags.split(), strict=True)))
    assert document.id == "x"
    assert document.text == "No chest pain fever aspirin ."
    assert [(e.start, e.end, e.label) for e in document.entities] == [(3, 13, "a"), (14, 19, "a"), (20, 27, "b")]


def test_sentences_are_numbered_and_a_wrong_one_does_not_stop_the_rest(tmp_path):
    first, wrong, last = read(tmp_path, "-DOCSTART- -X- O\n\nPain NN B-p\n\nx\n\n\nend O\n")
    assert (first.id, first.entities[0].label) == ("x-1", "p")
    assert "x.bio, line 5: 'x' is not a token with its tag" in str(wrong)
    assert (last.id, last.text) == ("x-3", "end")


def test_a_tag_of_no_scheme_is_an_error(tmp_path):
    (error,) = read(tmp_path, "pain\tQ-a\n")
    assert isinstance(error, InputError)


TOKEN = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=6)
TAG = st.sampled_from(["O", "B-a", "I-a", "B-b c", "I-b c"])


@given(st.lists(st.tuples(TOKEN, TAG), min_size=1, max_size=20))
def test_what_is_written_is_read_back(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("b")
    (document,) = read(folder, "\n".join(f"{token}\t{tag}" for token, tag in pairs))
    assert read(folder, "".join(tokens.write([document]))) == [document]


def test_tags_cannot_say_entities_that_overlap():
    entities = (Entity(Span(0, 4), "a", "pain"), Entity(Span(2, 4), "a", "in"))
    with pytest.raises(OutputError, match="2-4"):
        list(tokens.write([Document("1", "pain", entities)]))


def test_an_entity_inside_a_word_cuts_it(tmp_path):
    document = Document("1", "non-pain.", (Entity(Span(4, 8), "a", "pain"),))
    assert "".join(tokens.write([document])) == "non-\tO\npain\tB-a\n.\tO\n\n"


def test_a_format_that_cannot_be_told_must_be_named(tmp_path):
    (tmp_path / "a.txt").write_text("A note.")
    with pytest.raises(InputError, match="Name it with --from: jsonl"):
        list(catalogue.read(tmp_path / "a.txt"))
    assert [d.text for d in catalogue.read(tmp_path / "a.txt", format="text")] == ["A note."]
    with pytest.raises(ConfigError, match="Did you mean 'pubtator'"):
        list(catalogue.read(tmp_path / "a.txt", format="pubtater"))
    with pytest.raises(InputError, match="cannot be read"):
        list(catalogue.read(tmp_path / "none.txt"))


def test_every_format_is_read_from_a_folder_with_labels_renamed(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "1", "text": "MI", "entities": [{"start": 0, "end": 2, "label": "x"}]}')
    (tmp_path / "b.csv").write_text("id,text\n2,y\n")
    (tmp_path / "c.bio").write_text("MI\tB-x\n")
    (tmp_path / "d.pubtator").write_text("4|t|MI\n4\t0\t2\tMI\tx\n")
    found = list(catalogue.read(tmp_path, labels={"x": "disease"}))
    assert [(d.id, [e.label for e in d.entities]) for d in found] == [
        ("1", ["disease"]), ("2", []), ("c", ["disease"]), ("4", ["disease"]),
    ]  # fmt: skip
