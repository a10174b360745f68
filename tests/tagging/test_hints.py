"""What users are told of their definitions."""

import pytest

from clinspan.labels import Label, LabelSet
from clinspan.tagging.told import hints


def told(*definitions, names=("allergen", "dose")):
    labels = tuple(Label(name, definition) for name, definition in zip(names, definitions, strict=False))
    return list(hints(LabelSet("own", labels)))


def test_good_definitions_have_no_hints():
    assert told("A substance that the patient has reacted to.", "The amount of a drug that is taken at once.") == []


@pytest.mark.parametrize(
    ("definition", "hint"),
    [
        ("Allergen", "says little more than its name"),
        ("This is an allergen", "says little more than its name"),
        ("Stoffe, auf welche Patienten reagiert haben", "does not look like English"),
    ],
)
def test_a_definition_that_says_little_is_told(definition, hint):
    (said,) = told(definition)
    assert hint in said
    assert "'allergen'" in said


def test_two_labels_with_one_definition_are_told():
    (said,) = told("A drug that is taken now.", "A drug that is taken now!")
    assert said.startswith("'allergen' and 'dose' have one definition")


def test_the_cost_of_many_labels_is_told():
    names = [f"label {number}" for number in range(20)]
    (said,) = told(*(f"What the {n}th column of the table holds" for n in range(20)), names=names)
    assert said.startswith("20 labels are read one by one")
