"""What may not enter a pool, and how it is said."""

import json

import pytest
from pool_parts import marked, numbered

from clinspan.corpora.gold import Naming, read
from clinspan.document import Document, Entity, Span
from clinspan.errors import ClinspanError, ConfigError, InputError, LabelError
from clinspan.examples import store
from clinspan.examples.build import build
from clinspan.examples.check import Gate, Rules, label_set
from clinspan.examples.pool import Pool
from clinspan.examples.store import NEAR, resemblance, sketch
from clinspan.formats import by_name
from clinspan.labels import LabelSet

DISEASE = LabelSet.builtin("disease")
PUBTATOR = "1|t|Gout and cold.\n1|a|\n1\t0\t4\tGout\tdisease\n\n"
PUBTATOR += "2|t|Renal failure.\n2|a|\n2\t0\t13\tRenal failure\tdisease\n"
NOTE = (
    "Discharge summary of a man of sixty years with gout who came with fever and pain in his left knee after a long "
    "walk in the hills, was given colchicine for three days and went home well on the fourth day of his stay here."
)


def gate(**rules):
    more = {key: rules.pop(key) for key in ("held_out", "store") if key in rules}
    return Gate(Rules(**({"labels": DISEASE} | rules)), **more)


def ids(documents):
    return [document.id for document in documents]


def test_documents_without_a_fault_enter(tmp_path):
    (tmp_path / "gold.pubtator").write_text(PUBTATOR)
    assert ids(gate(form=by_name("tanl")).admit(read([tmp_path / "gold.pubtator"], Naming()))) == ["1", "2"]


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("2\t0\t13\tRenal failure", "2\t0\t99\tRenal failure", "line 7: 0-99 is not within the text of 15 characters"),
        ("2\t0\t13\tRenal failure", "2\t0\t12\tRenal failure", "line 7: 'Renal failur' stands at 0-12"),
        ("2|a|", "2|x|", "line 6: "),
    ],
)
def test_a_wrong_annotation_is_named_by_its_line(tmp_path, was, becomes, said):
    path = tmp_path / "gold.pubtator"
    path.write_text(PUBTATOR.replace(was, becomes))
    with pytest.raises(InputError) as caught:
        list(gate().admit(read([path], Naming())))
    assert said in str(caught.value)
    assert "--skip-wrong" in str(caught.value)
    assert ids(gate(skip_wrong=True).admit(read([path], Naming()))) == ["1"]


def test_a_label_that_the_set_lacks_is_an_error_with_its_place(tmp_path):
    path = tmp_path / "gold.pubtator"
    path.write_text(PUBTATOR.replace("failure\tdisease", "failure\tDisorder"))
    with pytest.raises(LabelError) as caught:
        list(gate().admit(read([path], Naming())))
    said = str(caught.value)
    assert f"{path}, line 5, document '2', Disorder 'Renal failure' at 0-13" in said
    assert "--map Disorder=disease" in said
    with pytest.raises(LabelError):
        list(gate(skip_wrong=True).admit(read([path], Naming())))
    assert ids(gate().admit(read([path], Naming(renamed={"Disorder": "disease"})))) == ["1", "2"]


def test_labels_are_written_as_the_set_writes_them():
    (document,) = gate().admit([marked("a", "Gout.", ("Gout", "DISEASE"))])
    assert document.entities[0].label == "disease"


def test_without_a_set_the_labels_are_those_found():
    open_gate = gate(labels=None)
    list(open_gate.admit([marked("a", "Gout, aspirin.", ("aspirin", "drug"), ("Gout", "disease"))]))
    assert open_gate.labels == ("drug", "disease")


CROSSING = Document(
    "c", "acute renal failure syndrome",
    (Entity(Span(0, 19), "disease", "acute renal failure"), Entity(Span(6, 28), "disease", "renal failure syndrome")),
    place="gold.jsonl, line 7",
)  # fmt: skip


def test_what_the_format_cannot_show_is_an_error_with_its_place():
    with pytest.raises(ConfigError) as caught:
        list(gate(form=by_name("tanl")).admit([CROSSING]))
    said = str(caught.value)
    assert "gold.jsonl, line 7, document 'c', disease 'renal failure syndrome' at 6-28" in said
    assert "--format" in said
    assert ids(gate(form=by_name("json")).admit([CROSSING])) == ["c"]
    assert ids(gate(form=by_name("tanl"), skip_wrong=True).admit([CROSSING, numbered(1)])) == ["n1"]


def test_faults_are_told_together():
    faults = [InputError(f"fault {i}", where=f"line {i}") for i in range(13)]
    with pytest.raises(ClinspanError, match=r"13 documents cannot be taken:\nline 0: fault 0\n(?s:.*)and 3 more"):
        list(gate().admit([*faults, numbered(1)]))


def test_an_annotation_given_twice_counts_once():
    twice = marked("a", "Gout.", ("Gout", "disease"), ("Gout", "disease"))
    (document,) = gate().admit([twice])
    assert len(document.entities) == 1


def test_one_id_for_two_texts_is_an_error():
    with pytest.raises(InputError, match="the id 'a' is that of another document"):
        list(gate().admit([Document("a", "One text."), Document("a", "Quite another thing.")]))


@pytest.mark.parametrize(
    ("text", "said"),
    [(NOTE, "the same text as"), (NOTE.replace(",", " ,").upper(), "nearly the same"), (NOTE + " Seen.", "nearly")],
)
def test_a_text_enters_once(text, said):
    shut = gate()
    assert ids(shut.admit([Document("a", NOTE), numbered(1), Document("b", text)])) == ["a", "n1"]
    assert shut.left_out == {"there already": 1}
    assert said in shut.notes[0]


def test_a_document_given_twice_is_said_to_be(tmp_path):
    shut = gate()
    assert ids(shut.admit([numbered(1), numbered(1)])) == ["n1"]
    assert shut.notes == ["document 'n1' is given twice"]


def test_held_out_documents_never_enter():
    held = [Document("x", NOTE), Document("y", "Some other text that is held out.")]
    documents = [Document("copy", NOTE.replace("sixty", "60")), Document("y", "Under the same id."), numbered(1)]
    shut = gate(held_out=held)
    assert ids(shut.admit(documents)) == ["n1"]
    assert shut.left_out == {"held out": 2}


def test_what_the_pool_has_does_not_enter_again(tmp_path):
    build([Document("a", NOTE), numbered(1)], tmp_path, labels=["disease"])
    pool = Pool.open(tmp_path)
    shut = gate(store=tmp_path / pool.info.generation / store.STORE)
    assert ids(shut.admit([Document("b", NOTE), numbered(1), numbered(2)])) == ["n2"]
    assert pool.same_document("n1", "") == {"n1"}
    assert pool.same_document("elsewhere", NOTE + " Seen.") == {"a"}
    assert pool.same_document("elsewhere", "Nothing like it.") == frozenset()


def test_resemblance_is_about_that_of_all_runs():
    words = NOTE.split()
    for kept in range(0, len(words), 3):
        other = " ".join(words[:kept] + [f"w{i}" for i in range(len(words) - kept)])
        one, two = ({tuple(t.split()[i : i + 5]) for i in range(len(words) - 4)} for t in (NOTE, other))
        exact = len(one & two) / len(one | two)
        assert abs(resemblance(sketch(NOTE), sketch(other)) - exact) < 0.25
    assert resemblance(sketch("Gout."), sketch("gout")) == 1
    assert resemblance(sketch("No sign of gout."), sketch("No sign of flu.")) < NEAR


def test_a_set_is_made_of_names():
    assert label_set(["a", "b", "a"]).names == ("a", "b")


def test_json_lines_are_read_too(tmp_path):
    path = tmp_path / "gold.jsonl"
    lines = [{"id": "a", "text": "Gout.", "entities": [{"start": 0, "end": 9, "label": "disease", "text": "Gout"}]}]
    path.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(InputError, match="line 1"):
        list(gate().admit(read([path], Naming())))
