"""Notes with inline marks: what they say, what is wrong with them, and the corpus itself."""

import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import marked  # noqa: E402
import notes  # noqa: E402
from markings import SETTLED, differences  # noqa: E402

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
        assert all(e["text"] and note.text[e["start"] : e["end"]] == e["text"] for e in found)
        assert all(a["end"] <= b["start"] for a, b in pairwise(found))


@pytest.fixture(scope="module")
def markings():
    return [notes.corpus(notes.ROOT / name) for name in ("first", "second")]


def test_both_markings_are_of_the_texts_of_the_corpus(corpus, markings):
    settled = {note.id: note.text for note in corpus}
    for marking in markings:
        assert {note.id: note.text for note in marking}.items() <= settled.items()
    assert {note.id for note in markings[0]} == {note.id for note in markings[1]}


def test_the_readme_counts_the_marks_and_the_differences_that_were_settled(corpus, markings):
    readme = (notes.ROOT / "README.md").read_text(encoding="utf-8")
    marks = Counter(mark.label for note in corpus for mark in note.marks)
    said = ", ".join(f"{label} {marks[label]:,}" for label in ("problem", "treatment", "test", "detail"))
    assert f"| {marks.total():,}: {said} |" in readme
    settled, second = ({note.id: note for note in marking} for marking in (corpus, markings[1]))
    decided = Counter(
        found.decided for note in markings[0] for found in differences(note, second[note.id], settled[note.id])
    )
    one, two, neither = (decided[name] for name in SETTLED)
    assert f"{decided.total()} differences: {one} for the first, {two} for the second, {neither} for neither" in readme


def test_differences_say_both_marks_their_line_and_what_was_decided(tmp_path):
    first, second, settled = (
        read(tmp_path, "Seen.\n" + body)
        for body in (
            "[[cough|symptom|present]], [[fever|symptom|absent]], [[a rash|finding|present]] today",
            "[[cough|symptom|present]], [[fever|finding|absent]], a [[rash|finding|present past]] today",
            "[[cough|symptom|present]], [[fever|symptom|absent]], a [[rash|finding|present]] today",
        )
    )
    found = list(differences(first, second, settled))
    assert [(one.line, one.said, one.decided) for one in found] == [(2, "fever", "first"), (2, "a rash", "neither")]
    assert found[1].first == ("[a rash|finding|present]",)
    assert found[1].second == ("[rash|finding|present past]",)
    assert found[1].settled == ("[rash|finding|present]",)
    assert [one.decided for one in differences(second, first, first)] == ["second", "second"]
    assert not list(differences(first, first, second))


def test_a_value_of_another_test_is_a_difference_and_one_of_a_longer_name_is_not(tmp_path):
    first, longer, other = (
        read(tmp_path, body)
        for body in (
            "[[K|lab]] and the [[BP|vital]] [[120/80|value]]",
            "[[K|lab]] and [[the BP|vital]] [[120/80|value]]",
            "[[K|lab]] and the [[BP|vital]] [[120/80|value|of K]]",
        )
    )
    assert [one.said for one in differences(first, longer, first)] == ["the BP"]
    (found,) = differences(first, other, other)
    assert (found.said, found.second, found.decided) == ("120/80", ("[120/80|value|of K]",), "second")
