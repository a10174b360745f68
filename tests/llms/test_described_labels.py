"""What an encoder that reads descriptions is told of a label."""

from clinspan.document import Entity, Span
from clinspan.labels import Example, Label, LabelSet
from clinspan.llms.encoder import MOST_OTHERS, beside, described

ALLERGEN = Label("allergen", "What the patient is allergic to.", "Without its\n  article.")
TAKEN = Label("drug taken", "A drug that the patient takes.")


def test_it_hears_what_the_set_says_of_a_label_and_which_labels_stand_beside_it():
    labels = LabelSet("mine", (ALLERGEN, TAKEN))
    told = "allergen: What the patient is allergic to. Without its article. Other labels: drug taken."
    assert described(ALLERGEN, labels) == told
    assert described(TAKEN, labels) == "drug taken: A drug that the patient takes. Other labels: allergen."


def test_a_label_alone_stands_beside_nothing():
    assert described(TAKEN, LabelSet("mine", (TAKEN,))) == "drug taken: A drug that the patient takes."
    assert beside("gout", ()) == "gout"


def test_mentions_of_the_examples_stand_before_the_other_labels_of_which_some_are_named():
    example = Example("Allergic to latex.", (Entity(Span(12, 17), "allergen", "latex"),))
    others = tuple(Label(f"label {number}", "Something else.") for number in range(MOST_OTHERS + 3))
    told = described(ALLERGEN, LabelSet("mine", (ALLERGEN, *others), (example,)))
    said, _, named = told.partition(" Other labels: ")
    assert said.endswith("For example: latex.")
    assert named.removesuffix(".").split("; ") == [label.name for label in others[:MOST_OTHERS]]
