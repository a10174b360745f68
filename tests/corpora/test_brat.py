from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.cli.results import compare
from clinspan.corpora import brat, catalogue
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import OutputError

TEXT = "Left and right arm pain 😀.\r\nGiven aspirin\n81 mg daily.\n"
ANN = (
    "T1\tProblem 0 4;15 23\tLeft arm pain\n"
    "T2\tDrug 34 41;42 47\taspirin 81 mg\n"
    "T9\tProblem 9 23\tright arm pain\n"
    "N1\tReference T2 RxNorm:1191\taspirin\n"
    "A1\tNegated T1\n"
    "M1\tCertainty T9 high degree\n"
    "R1\tTreats Arg1:T2 Arg2:T9\n"
    "E1\tGive:T2 Theme:T9\n"
    "*\tEquiv T1 T9\n"
    "#1\tAnnotatorNotes T1\tsee above\n"
)
FILES = {"a/1.txt": TEXT, "a/1.ann": ANN, "b.txt": "x", "b.ann": "", ".hidden/c.txt": "y"}
GOOD = {"b.txt": "x", "b.ann": ""}


def test_a_folder_is_read_with_fragments_concepts_and_what_else_there_is(lay):
    first, second = catalogue.read(lay(FILES))
    assert (first.id, first.text, second) == ("a/1", TEXT, Document("b", "x"))
    assert first.entities == (
        Entity(Span(0, 23), "Problem", TEXT[:23], fragments=(Span(0, 4), Span(15, 23)), attributes={"Negated": "true"}),
        Entity(
            Span(34, 47),
            "Drug",
            "aspirin\n81 mg",
            concepts=(Concept("1191", "aspirin", "RxNorm"),),
            fragments=(Span(34, 41), Span(42, 47)),
        ),
        Entity(Span(9, 23), "Problem", "right arm pain"),
    )
    assert first.metadata["standoff"] == {
        "ids": ["T1", "T2", "T9"],
        "attributes": [["M1", "Certainty", "T9", "high degree"]],
        "relations": [["R1", "Treats", "Arg1:T2", "Arg2:T9"]],
        "lines": ["E1\tGive:T2 Theme:T9", "*\tEquiv T1 T9", "#1\tAnnotatorNotes T1\tsee above"],
    }


def test_attributes_are_read_and_written_with_their_ids(lay):
    ann = "T1\tP 0 4\tLeft\nT2\tP 5 8\tand\nA7\tAssertion T1 not sure\nA2\tPast T2\nA9\tAssertion T1 again\n"
    (document,) = catalogue.read(lay({"a.txt": TEXT, "a.ann": ann}))
    first, second = document.entities
    assert (first.attributes, second.attributes) == ({"Assertion": "not sure"}, {"Past": "true"})
    assert document.metadata["standoff"]["attribute_ids"] == ["A7", "A2"]
    written = dict(brat.write([document]))["a.ann"]
    assert sorted(written.splitlines()) == sorted(ann.splitlines())
    new = replace(first, attributes={"assertion": "absent", "past": "true"})
    written = dict(brat.write([replace(document, entities=(new, second), metadata={})]))["a.ann"]
    assert written.splitlines()[1:3] == ["A1\tassertion T1 absent", "A2\tpast T1"]
    with pytest.raises(OutputError, match="the attribute 'two words' has a space"):
        list(brat.write([replace(document, entities=(replace(new, attributes={"two words": "x"}),))]))


def test_a_source_that_a_concept_begins_with_is_written_once(tmp_path):
    concepts = (Concept("MESH:D001260", "a", "MeSH"), Concept("D9", "b", "MeSH"), Concept("HP:1", "c", "UMLS"))
    document = Document("a", "MI", (Entity(Span(0, 2), "x", "MI", concepts=concepts),))
    lines = dict(brat.write([document]))["a.ann"].splitlines()[1:]
    assert [line.split("\t")[1] for line in lines] == [
        "Reference T1 MeSH:D001260",
        "Reference T1 MeSH:D9",
        "Reference T1 UMLS:HP:1",
    ]
    catalogue.write([document], tmp_path / "out", format="brat")
    assert compare([document], list(catalogue.read(tmp_path / "out"))) == ()


def test_n2c2_joins_what_a_line_end_parts_and_parts_it_again(lay):
    folder = lay(FILES)
    (first, _) = catalogue.read(folder, format="n2c2")
    assert [(e.label, e.fragments) for e in first.entities][1] == ("Drug", ())
    assert first.entities[0].fragments
    written = dict(brat.write([first], split_lines=True))
    assert sorted(written["a/1.ann"].splitlines()) == sorted(ANN.splitlines())


def test_one_file_of_a_pair_names_the_other(lay):
    folder = lay(FILES)
    for name in ("a/1.ann", "a/1.txt"):
        (document,) = catalogue.read(folder / name, labels={"Drug": "drug"})
        assert (document.id, document.entities[1].label) == ("1", "drug")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_is_written_is_what_was_read(lay, end):
    (document, _) = catalogue.read(lay({**FILES, "a/1.ann": ANN.replace("\n", end)}))
    written = dict(brat.write([document]))
    assert written["a/1.txt"] == TEXT
    assert sorted(written["a/1.ann"].splitlines()) == sorted(ANN.splitlines())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("T3\tDrug 34 41\tAspirin", "line 2: 'aspirin' stands at 34 41, not 'Aspirin'"),
        ("T3\tDrug 34 410\taspirin", "line 2: 34-410 is not within the text of 55"),
        ("T3\tDrug 41 34\taspirin", "line 2: 41-34"),
        ("T3\tDrug 0 4;2 8\tLeft ft and", "line 2: the fragments 0 4;2 8 overlap"),
        ("T3\tDrug 34 41", "line 2: 'T3"),
        ("T1\tDrug 34 41\taspirin", "line 2: the id T1 is taken"),
        ("T3 Drug 34 41 aspirin", "line 2"),
        ("A1\tNegated T7", "line 2: names T7"),
        ("R1\tTreats Arg1:T1 Arg2:T7", "line 2: names T7"),
        ("N1\tReference T7 A:1\tx", "line 2: names T7"),
        ("nonsense", "line 2: 'nonsense' is not an annotation"),
    ],
)
def test_a_wrong_line_is_named_and_lenient_goes_on_without_it(lay, split, line, says):
    folder = lay({"a.txt": TEXT, "a.ann": f"T1\tProblem 9 23\tright arm pain\n{line}\n", **GOOD})
    documents, errors = split(catalogue.read(folder))
    assert [d.id for d in documents] == ["b"]
    assert f"{folder / 'a.ann'}, {says}" in str(errors[0])
    documents, errors = split(catalogue.read(folder, lenient=True))
    assert says in str(errors[0])
    assert [len(d.entities) for d in documents] == [1, 0]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a.txt": "x", **GOOD}, "a.txt: has no annotations; expected a.ann"),
        ({"a.ann": "", **GOOD}, "a.ann: has no text; expected a.txt"),
    ],
)
def test_half_a_pair_is_an_error(lay, split, files, says):
    documents, errors = split(catalogue.read(lay(files)))
    assert [d.id for d in documents] == ["b"]
    assert says in str(errors[0])


@pytest.mark.parametrize("id", ["../x", "/x", "a//b", ".x", "a/", "a\\b", "", "a/../../x", "x\0"])
def test_an_id_that_would_leave_the_folder_is_refused(id):
    with pytest.raises(OutputError, match="makes no name of a file"):
        list(brat.write([Document(id, "x")]))


def test_what_cannot_be_said_is_refused():
    with pytest.raises(OutputError, match="taken"):
        list(brat.write([Document("a", "x"), Document("A", "x")]))
    with pytest.raises(OutputError, match=r"label 'a b' has a space.*--map"):
        list(brat.write([Document("a", "x", (Entity(Span(0, 1), "a b", "x"),))]))
    entity = Entity(Span(0, 1), "a", "x", concepts=(Concept("C 1", "x", "S"),))
    with pytest.raises(OutputError, match="concept 'C 1'"):
        list(brat.write([Document("a", "x", (entity,))]))


def test_what_the_metadata_keeps_is_left_out_where_entities_are_gone(lay):
    (document, _) = catalogue.read(lay(FILES))
    fewer = Document(document.id, TEXT, document.entities[2:], metadata=document.metadata)
    assert dict(brat.write([fewer]))["a/1.ann"] == "T1\tProblem 9 23\tright arm pain\n"


TEXTS = st.text(st.sampled_from("ab \né😀\r\t\u2028"), min_size=1, max_size=40)
PLACES = st.lists(st.lists(st.integers(0, 40), min_size=2, max_size=6, unique=True).map(sorted), max_size=4)


@pytest.mark.parametrize("form", ["brat", "n2c2"])
@given(text=TEXTS, places=PLACES)
def test_offsets_come_back(tmp_path_factory, form, text, places):
    entities = []
    for place in places:
        ends = [at for at in place if at <= len(text)]
        spans = tuple(Span(a, b) for a, b in zip(ends[::2], ends[1::2], strict=False))
        if not spans or any(not span.of(text).strip() for span in spans):
            continue
        # n2c2 has no fragments that a line end alone parts.
        if form == "n2c2" and len(spans) > 1:
            spans = spans[:1]
        hull = Span(spans[0].start, spans[-1].end)
        entities.append(Entity(hull, "x", hull.of(text), fragments=spans if len(spans) > 1 else ()))
    document = Document("a", text, tuple(entities))
    folder = tmp_path_factory.mktemp("brat") / "out"
    catalogue.write([document], folder, format=form)
    assert list(catalogue.read(folder, format=form)) == [document]
