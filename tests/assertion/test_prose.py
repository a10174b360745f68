"""Sentences of abstracts, in prose.txt: even lines are for development, odd ones were a check of the rules.

The longer ones at the end were written when the rules were there.
"""

from collections import Counter
from pathlib import Path

import pytest

from asserted import traps
from clinspan.assertion.assess import assess
from clinspan.assertion.prose import is_prose, scopes
from clinspan.document import Document, Entity
from clinspan.labels import LabelSet

FILE = Path(__file__).parent / "prose.txt"
FIRST = 193
"""So many sentences were there before the rules."""
LABELS = LabelSet.builtin("problem-treatment-test")


def f1(documents: list[Document]) -> float:
    """Of "absent", by the rules."""
    counts: Counter[tuple[bool, bool]] = Counter()
    for document in documents:
        bare = tuple(Entity(entity.span, entity.label, entity.text) for entity in document.entities)
        said = assess(Document(document.id, document.text, bare), LABELS).entities
        for gold, one in zip(document.entities, said, strict=True):
            counts[gold.attribute("assertion") == "absent", one.attribute("assertion") == "absent"] += 1
    return 2 * counts[True, True] / (2 * counts[True, True] + counts[True, False] + counts[False, True])


def test_sentences_of_abstracts_are_told_as_well_where_the_rules_did_not_see_them():
    """Before the scopes of prose: .767 and .687. The check half had .95 at first sight."""
    documents = traps(FILE)[:FIRST]
    assert f1(documents[0::2]) >= 0.97
    assert f1(documents[1::2]) >= 0.94


def test_longer_sentences_that_were_written_after_the_rules_are_told():
    documents = traps(FILE)[FIRST:]
    assert len(documents) >= 40
    assert f1(documents) >= 0.96


@pytest.mark.parametrize(
    ("sentence", "held"),
    [
        ("the drug did not induce apoptosis in b cells .", "not induce apoptosis in b cells"),
        ("apoptosis was not induced in b cells .", "apoptosis was not induced in b cells"),
        ("x rose , but y was not seen .", "y was not seen"),
        ("we show that x and y are not required for growth .", "x and y are not required for growth"),
        ("cells that do not express cd4 were removed .", "not express cd4"),
        ("x did not alter y , z , or w , suggesting that v does .", "not alter y , z , or w"),
        ("in the absence of x , y and z , the cells died .", "absence of x , y and z"),
        ("x binds y but not z .", "not z"),
        ("lack of iron results in death .", "lack of iron"),
        ("no mutations were found in mice .", "no mutations were found in mice"),
        ("neither x nor y blocked z .", "neither x nor y blocked z"),
        ("x not only blocked y .", None),
    ],
)
def test_a_scope_runs_to_its_clauses_end(sentence, held):
    words = sentence.split()
    found = [" ".join(words[scope.first : scope.end]) for scope in scopes(words)]
    assert found == ([held] if held else [])


def test_a_note_is_no_research_prose():
    assert is_prose("The inhibitor did not affect transcription in transfected cells.")
    assert not is_prose("He denies chest pain. The rash did not respond to prednisone.")
    assert not is_prose("The inhibitor did not affect transcription in transfected cells.", "de")
