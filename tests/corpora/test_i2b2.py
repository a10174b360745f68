import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.corpora import catalogue, standoff
from clinspan.document import Document, Entity, Span
from clinspan.errors import OutputError

TEXT = 'ADMISSION DATE :\n The  patient has "severe" Chest Pain .\nNo acute\ndistress ; CXR normal .\n'
CON = (
    'c=""severe" chest pain" 2:3 2:5||t="problem"\nc="acute distress" 3:1 4:0||t="problem"\nc="cxr" 4:2 4:2||t="test"\n'
)
AST = 'c="acute distress" 3:1 4:0||t="problem"||a="absent"\nc=""severe" chest pain" 2:3 2:5||t="problem"||a="present"\n'
FLAT = {"r1.txt": TEXT, "r1.con": CON, "r1.ast": AST}
FOLDERS = {"beth/txt/r1.txt": TEXT, "beth/concept/r1.con": CON, "beth/ast/r1.ast": AST}


@pytest.mark.parametrize(("files", "id"), [(FLAT, "r1"), (FOLDERS, "beth/r1")])
def test_lines_tokens_and_assertions_are_read(lay, files, id):
    (document,) = catalogue.read(lay(files))
    assert (document.id, document.text) == (id, TEXT)
    assert [(e.label, e.text) for e in document.entities] == [
        ("problem", '"severe" Chest Pain'),
        ("problem", "acute\ndistress"),
        ("test", "CXR"),
    ]
    assert [e.attribute("assertion") for e in document.entities] == ["present", "absent", None]


def test_what_is_written_is_what_was_read(lay):
    (document,) = catalogue.read(lay(FLAT))
    written = dict(standoff.write_i2b2([document]))
    assert (written["r1.txt"], written["r1.con"]) == (TEXT, CON)
    assert sorted(written["r1.ast"].splitlines()) == sorted(AST.splitlines())


@pytest.mark.parametrize(
    ("con", "ast", "says"),
    [
        ('c="chest" 2:4 2:5||t="problem"', "", "r1.con, line 1: 'Chest Pain' stands there, not 'chest'"),
        ('c="chest" 2:40 2:41||t="problem"', "", "r1.con, line 1: the text has no tokens 2:40 2:41"),
        ('c="chest" 0:0 0:0||t="problem"', "", "r1.con, line 1: the text has no tokens 0:0"),
        ('c="chest" 99:0 99:0||t="problem"', "", "r1.con, line 1: the text has no tokens 99:0"),
        ('c="chest" 2:5 2:4||t="problem"', "", "r1.con, line 1: ends before it begins"),
        ('c="chest" 2:4||t="problem"', "", "r1.con, line 1: 'c="),
        (CON, 'c="cxr" 4:2 4:2||t="problem"||a="absent"', "r1.ast, line 1: no concept stands for"),
        (CON, 'c="cxr" 4:2 4:2||t="test"', 'r1.ast, line 1: \'c="cxr" 4:2 4:2||t="test"\' is not an assertion'),
    ],
)
def test_a_wrong_line_is_named(lay, split, con, ast, says):
    folder = lay({**FLAT, "r1.con": con, "r1.ast": ast})
    documents, errors = split(catalogue.read(folder))
    assert not documents
    assert says in str(errors[0])
    documents, _ = split(catalogue.read(folder, lenient=True))
    assert len(documents) == 1


def test_an_entity_is_widened_to_tokens_and_white_space_refused():
    entity = Entity(Span(1, 4), "x", "b c")
    assert dict(standoff.write_i2b2([Document("a", "ab cd", (entity,))]))["a.con"] == 'c="ab cd" 1:0 1:1||t="x"\n'
    with pytest.raises(OutputError, match="white space alone"):
        list(standoff.write_i2b2([Document("a", "a b", (Entity(Span(1, 2), "x", " "),))]))
    with pytest.raises(OutputError, match="label"):
        list(standoff.write_i2b2([Document("a", "a b", (Entity(Span(0, 1), 'x"', "a"),))]))


@given(
    text=st.text(st.sampled_from('ab "|\néİ😀\r\u00a0:'), max_size=40),
    picks=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), max_size=5),
)
def test_places_of_whole_tokens_come_back(tmp_path_factory, text, picks):
    tokens = [match.span() for match in standoff.TOKEN.finditer(text)]
    spans = [
        Span(tokens[first][0], tokens[min(first + more, len(tokens) - 1)][1])
        for first, more in picks
        if first < len(tokens)
    ]
    document = Document("a", text, tuple(Entity(span, "problem", span.of(text)) for span in spans))
    folder = tmp_path_factory.mktemp("i2b2") / "out"
    catalogue.write([document], folder, format="i2b2")
    assert list(catalogue.read(folder)) == [document]
