"""Passages that a tagger marked: our own problems stand, and what it found beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import silver
from clinspan.document import Document, Entity, Span
from held_labels import HELD

TEXT = "No chest pain on aspirin; ECG normal."


def entity(text, label, **said):
    start = TEXT.index(text)
    return Entity(Span(start, start + len(text)), label, text, **said)


def test_problems_that_are_marked_take_the_place_of_those_that_were_found():
    gold = entity("chest pain", "problem", attributes={"assertion": "absent"})
    wrong = [entity("pain", "treatment", score=0.6), entity("normal", "problem", score=0.9)]
    found = (*wrong, entity("aspirin", "treatment", score=0.9), entity("ECG", "test", score=0.9))
    (made,) = silver.with_problems([Document("1", TEXT, found)], [Document("1", TEXT, (gold,))])
    assert [(e.text, e.label) for e in made.entities] == [
        ("chest pain", "problem"),
        ("aspirin", "treatment"),
        ("ECG", "test"),
    ]
    assert made.entities[0] == gold
    assert [e.score for e in made.entities[1:]] == [None, None]


def test_label_sets_that_are_held_out_give_no_passage():
    passages = silver.of_label_sets(seed=3)
    assert len(passages) == silver.SOME
    assert passages == silver.of_label_sets(seed=3)
    assert not any(one.id.startswith(tuple(f"set-{name}-" for name in HELD)) for one in passages)
