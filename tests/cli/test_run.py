"""Entities on the terminal."""

import io

from rich.console import Console

from clinspan.cli.run import Screen
from clinspan.document import Concept, Document, Entity, Span
from clinspan.labels import LabelSet

TEXT = "No chest pain. Aspirin 81 mg.\nA [very] long\nname."
LABELS = LabelSet.builtin("problem-treatment-test")


def shown(*entities, text=TEXT):
    out = io.StringIO()
    Screen(LABELS, Console(file=out, width=120)).write(Document("note-1", text, entities))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def entity(text, label, **more):
    start = TEXT.index(text)
    return Entity(Span(start, start + len(text)), label, text, **more)


def test_a_line_says_label_text_and_what_does_not_go_without_saying():
    pain = entity("chest pain", "problem", attributes={"assertion": "absent", "temporality": "current"})
    drug = entity("Aspirin", "treatment", concepts=(Concept("D001241", "Aspirin", "MeSH"),), id="e2")
    dose = entity("81 mg", "treatment", attributes={"of": "e2"})
    lines = shown(pain, drug, dose)
    assert lines[0] == "note-1: 3 entities"
    assert "chest pain" in lines[1]
    assert lines[1].endswith("absent")
    assert "current" not in lines[1]
    assert lines[2].endswith("D001241 Aspirin")
    assert lines[3].split() == ["treatment", "81", "mg", "Aspirin"]


def test_brackets_and_line_breaks_of_a_note_are_shown_as_text():
    assert "A [very] long name" in shown(entity("A [very] long\nname", "problem"))[1]


def test_a_note_without_entities_says_so():
    assert shown() == ["note-1: no entities"]
