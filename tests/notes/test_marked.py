"""Notes with inline marks: what they say, what is wrong with them, and the corpus itself."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import marked  # noqa: E402
import notes  # noqa: E402

HEAD = "# note: n-1 | clinic note | cardiology | dictated\n"
WORD = st.text(
    st.characters(blacklist_characters="[]|\n\r", blacklist_categories=("Cs", "Zs", "Cc")), min_size=1, max_size=8
)


def read(tmp_path, body):
    (tmp_path / "n.txt").write_text(HEAD + body)
    return marked.read(tmp_path / "n.txt")[0]


def test_marks_are_taken_out_of_the_text_and_say_what_they_are_of(tmp_path):
    note = read(
        tmp_path,
        "He takes [[40 mg|dose|>]] of [[his furosemide|drug]] [[daily|frequency]]; [[[[IV|route]] fluids|drug]].\n"
        "No [[chest\npain|symptom|absent past]]. [[BP|vital]] [[120/80|value]], [[5 mg|dose|of furosemide]].\n",
    )
    said = [(note.text[m.start : m.end], m.kind, m.assertion, m.past) for m in note.marks]
    assert said[0] == ("40 mg", "dose", "", False)
    assert ("chest\npain", "symptom", "absent", True) in said
    owner = {note.text[m.start : m.end]: note.marks[m.of] for m in note.marks if m.of is not None}
    assert {k: note.text[m.start : m.end] for k, m in owner.items()} == {
        "40 mg": "his furosemide",
        "daily": "his furosemide",
        "IV": "IV fluids",
        "120/80": "BP",
        "5 mg": "his furosemide",
    }
    names = [note.text[a:b] for a, b in (marked.drug_name(note, m) for m in note.marks if m.kind == "drug")]
    assert names == ["furosemide", "fluids"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("A [[cough|symptom|absent.", r"n\.txt:2: the mark '\[\[cough.*does not close"),
        ("Cough.\nA cough|symptom]].", r"n\.txt:3: '\]\]' closes no mark"),
        ("A [[cough]].", r"n\.txt:2: the mark '\[\[cough\]\]' names no kind"),
        ("A [[cough|symptm|absent]].", r"unknown kind 'symptm' of 'cough'; did you mean 'symptom'"),
        ("A [[cough|symptom|absnt]].", r"'cough' needs one of present, .*not 'absnt'; did you mean 'absent'"),
        ("A [[no cough|symptom|absent]].", "stays outside the mark"),
        ("[[5 mg|dose]] at night.", "'5 mg' belongs to no treatment near it"),
        ("[[a [[cough|symptom|absent]] drop|drug]]", "'cough' lies in or across 'a cough drop'"),
        ("[[aspirin|drug|present]]", "drug has no details, not 'present'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, body, fault):
    with pytest.raises(marked.NoteError, match=fault):
        read(tmp_path, body)


def test_a_file_begins_with_a_head(tmp_path):
    (tmp_path / "n.txt").write_text("A cough.\n")
    with pytest.raises(marked.NoteError, match=r"n\.txt:1: a file of notes begins with a line '# note: ID"):
        marked.read(tmp_path / "n.txt")


@given(st.lists(st.tuples(WORD, st.booleans()), min_size=1, max_size=12))
def test_offsets_are_those_of_the_bare_text(tmp_path_factory, words):
    said = " ".join(f"[[{word}|lab]]" if mark else word for word, mark in words)
    note = read(tmp_path_factory.mktemp("notes"), f"Seen. {said}")
    assert note.text == f"Seen. {' '.join(word for word, _ in words)}"
    assert [note.text[m.start : m.end] for m in note.marks] == [word for word, mark in words if mark]


@pytest.fixture(scope="module")
def corpus():
    return notes.corpus(notes.ROOT / "text")


def test_every_note_of_the_corpus_is_sound_and_has_a_split(corpus):
    splits = notes.split_of(corpus)
    assert len(corpus) >= 250
    assert sum(splits[note.id] == "test" for note in corpus) >= 40
    assert sum(len(notes.sentences(note)) for note in corpus) >= 5000


@pytest.mark.parametrize("labels", notes.LABEL_SETS)
def test_gold_documents_say_what_stands_in_the_text(corpus, labels):
    for note in corpus:
        found = notes.entities(note, labels)
        assert all(note.text[e["start"] : e["end"]] == e["text"] for e in found)
        assert all(a["end"] <= b["start"] for a, b in pairwise(found))


def test_the_second_marking_is_of_the_same_texts(corpus):
    first = {note.id: note.text for note in corpus}
    again = notes.corpus(notes.ROOT / "second")
    assert again
    assert all(first[note.id] == note.text for note in again)
