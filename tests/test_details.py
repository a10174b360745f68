"""A detail names the entity that it belongs to, in whatever format."""

from dataclasses import replace

import pytest

from clinspan import codec
from clinspan.assertion.assess import assess
from clinspan.cli.results import compare
from clinspan.corpora import catalogue
from clinspan.details import numbered, related
from clinspan.document import Document, Entity, Span
from clinspan.errors import LabelError
from clinspan.evaluation import pair
from clinspan.evaluation.breakdown import attribute_scores
from clinspan.labels import Label, LabelSet
from clinspan.tagging.tagger import Tagger
from clinspan.view import render

MEDICATION = LabelSet.builtin("medication")


def document(text, marks, id="n1"):
    """Marks are `text/label`, in text order."""
    at, entities = 0, []
    for mark in marks:
        said, _, label = mark.rpartition("/")
        at = text.index(said, at)
        entities.append(Entity(Span(at, at + len(said)), label, said))
        at += len(said)
    return Document(id, text, tuple(entities))


@pytest.mark.parametrize(
    ("text", "marks", "owners"),
    [
        ("Take aspirin 81 mg daily.", ["aspirin/drug", "81 mg/dose", "daily/frequency"], ["aspirin", "aspirin"]),
        ("Give 81 mg aspirin now.", ["81 mg/dose", "aspirin/drug"], ["aspirin"]),
        ("After 5 mL of 1% lidocaine.", ["5 mL/dose", "1%/dose", "lidocaine/drug"], ["lidocaine", "lidocaine"]),
        (
            "Thiamine 100 mg daily and oral phosphate.",
            ["Thiamine/drug", "100 mg/dose", "daily/frequency", "oral/route", "phosphate/drug"],
            ["Thiamine", "Thiamine", "phosphate"],
        ),
        (
            "metoprolol 25 mg aspirin 81 mg",
            ["metoprolol/drug", "25 mg/dose", "aspirin/drug", "81 mg/dose"],
            ["metoprolol", "aspirin"],
        ),
        ("- aspirin 81 mg\n- lisinopril", ["aspirin/drug", "81 mg/dose", "lisinopril/drug"], ["aspirin"]),
        # A drug that nobody found leaves its details to nobody, not to the drug of the item before.
        ("1. aspirin 81 mg\n2. unheard q4h", ["aspirin/drug", "81 mg/dose", "q4h/frequency"], ["aspirin"]),
        ("- aspirin\n- unheard\n  q4h", ["aspirin/drug", "q4h/frequency"], []),
        ("1. aspirin\n   - 81 mg\n   - daily", ["aspirin/drug", "81 mg/dose", "daily/frequency"], ["aspirin"] * 2),
        ("Aspirin:\n- 81 mg", ["Aspirin/drug", "81 mg/dose"], ["Aspirin"]),
        ("Stop aspirin. It was given twice daily.", ["aspirin/drug", "twice daily/frequency"], ["aspirin"]),
        ("Take it daily.", ["daily/frequency"], []),
        ("aspirin" + " word" * 80 + ". Daily.", ["aspirin/drug", "Daily/frequency"], []),
    ],
)
def test_a_detail_belongs_to_what_is_near(text, marks, owners):
    done = related(document(text, marks), MEDICATION)
    assert [owner.text for owner in done.owners().values()] == owners
    assert [entity.id for entity in done.entities] == [f"e{n}" for n in range(1, len(marks) + 1)]


def test_ids_that_are_there_stay_and_others_are_free_ones():
    given = document("aspirin 81 mg daily", ["aspirin/drug", "81 mg/dose", "daily/frequency"])
    first, second, third = given.entities
    done = numbered(replace(given, entities=(first, replace(second, id="e1"), third)))
    assert done.entities[1].id == "e1"
    assert len({entity.id for entity in done.entities}) == 3
    assert numbered(done) is done


def test_what_was_said_stays_on_request():
    text = "aspirin and lisinopril 81 mg"
    done = related(document(text, ["aspirin/drug", "lisinopril/drug", "81 mg/dose"]), MEDICATION)
    moved = replace(done, entities=(*done.entities[:2], replace(done.entities[2], attributes={"of": "e1"})))
    assert related(moved, MEDICATION, keep=True) == moved
    assert related(moved, MEDICATION) == done


def test_a_label_set_declares_details():
    drug, dose = Label("drug", "A drug."), Label("dose", "A dose.", of="drug")
    assert LabelSet("own", (drug, dose)).only("dose")["dose"].of == ""
    with pytest.raises(LabelError, match="no label 'drug'"):
        LabelSet("own", (dose,))
    with pytest.raises(LabelError, match="a detail itself"):
        LabelSet("own", (replace(drug, of="dose"), dose))


TAGGED = related(
    document(
        "Thiamine 100 mg daily and oral phosphate.",
        ["Thiamine/drug", "100 mg/dose", "daily/frequency", "oral/route", "phosphate/drug"],
    ),
    MEDICATION,
)
NAMED = replace(
    TAGGED,
    entities=tuple(
        replace(e, id=f"x{e.id}", attributes={name: f"x{id}" for name, id in e.attributes.items()})
        for e in TAGGED.entities
    ),
)
"""The same with ids of another tool."""


@pytest.mark.parametrize("given", [TAGGED, NAMED], ids=["our-ids", "other-ids"])
@pytest.mark.parametrize("format", ["jsonl", "parquet", "brat", "n2c2", "bioc-xml", "bioc-json", "label-studio"])
def test_formats_carry_what_a_detail_belongs_to(tmp_path, format, given):
    catalogue.write([given], tmp_path / "out", format=format)
    (again,) = catalogue.read(tmp_path / "out", format=format)
    assert {n: owner.text for n, owner in again.owners().items()} == {1: "Thiamine", 2: "Thiamine", 3: "phosphate"}
    assert not [loss for loss in compare([given], [again]) if "of" in loss.what.split("'")]
    assert again.metadata == {}


def test_what_a_format_cannot_carry_is_said(tmp_path):
    catalogue.write([TAGGED], tmp_path / "out", format="pubtator")
    again = list(catalogue.read(tmp_path / "out", format="pubtator"))
    assert "attributes 'of'" in [loss.what for loss in compare([TAGGED], again)]


def test_brat_says_it_by_relations(tmp_path):
    catalogue.write([TAGGED], tmp_path / "brat", format="brat")
    catalogue.write([TAGGED], tmp_path / "n2c2", format="n2c2")
    assert "R1\tof Arg1:T2 Arg2:T1\n" in (tmp_path / "brat" / "n1.ann").read_text()
    assert "R1\tdose-drug Arg1:T2 Arg2:T1\n" in (tmp_path / "n2c2" / "n1.ann").read_text()


def test_a_detail_of_two_owners_keeps_both_relations_in_brat(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "n.txt").write_text("aspirin and ibuprofen for pain")
    lines = (
        "T4\tDrug 0 7\taspirin\nT5\tDrug 12 21\tibuprofen\nT9\tReason 26 30\tpain\n"
        "R1\tReason-Drug Arg1:T9 Arg2:T4\nR2\tReason-Drug Arg1:T9 Arg2:T5\n"
    )
    (tmp_path / "a" / "n.ann").write_text(lines)
    (read,) = catalogue.read(tmp_path / "a", format="n2c2")
    assert {n: owner.text for n, owner in read.owners().items()} == {2: "aspirin"}
    catalogue.write([read], tmp_path / "b", format="n2c2")
    assert (tmp_path / "b" / "n.ann").read_text() == lines


def test_evaluation_compares_owners_by_their_place_not_their_ids():
    moved = replace(TAGGED.entities[3], attributes={"of": "e1"})
    wrong = replace(TAGGED, entities=(*TAGGED.entities[:3], moved, TAGGED.entities[4]))
    (same,) = attribute_scores(pair([TAGGED], [NAMED]))
    (less,) = attribute_scores(pair([TAGGED], [wrong]))
    assert (same.accuracy, same.matched) == (1.0, 3)
    assert less.confusion == {("the same", "the same"): 2, ("the same", "another"): 1}


def test_a_line_gives_ids_back():
    again = codec.parse(codec.dump(TAGGED), where="here")
    assert [entity.id for entity in again.entities] == ["e1", "e2", "e3", "e4", "e5"]
    assert again == TAGGED


def test_the_report_links_a_detail_to_its_drug():
    html = render([TAGGED], labels=MEDICATION, settings={}, versions={})
    assert 'of: <a href="#d0e0">Thiamine</a>' in html
    assert 'of: <a href="#d0e4">phosphate</a>' in html


def test_a_tagger_says_whose_detail_it_is():
    with Tagger(labels=MEDICATION) as tagger:
        bare = replace(TAGGED, entities=tuple(replace(e, id=None, attributes={}) for e in TAGGED.entities))
        assert tagger.assess(bare) == assess(TAGGED, MEDICATION) == TAGGED
