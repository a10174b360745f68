"""What an encoder that reads descriptions is told of a label."""

from collections.abc import Sequence

import numpy as np
import pytest

from clinspan.classifier.model import TokenClassifier
from clinspan.classifier.scheme import ASKED, Head, units
from clinspan.document import Entity, Span
from clinspan.labels import Example, Label, LabelSet
from clinspan.llms.encoder import MOST_OTHERS, DescribedEncoder, beside, tellings
from clinspan.messages import CopyConstraint, Request

ALLERGEN = Label("allergen", "What the patient is allergic to.", "Without its\n  article.")
TAKEN = Label("drug taken", "A drug that the patient takes.")


def test_it_hears_what_the_set_says_of_a_label_and_which_labels_stand_beside_it():
    labels = LabelSet("mine", (ALLERGEN, TAKEN))
    told = "allergen: What the patient is allergic to. Without its article. Other labels: drug taken."
    assert tellings(ALLERGEN, labels)[0] == told
    assert tellings(TAKEN, labels)[0] == "drug taken: A drug that the patient takes. Other labels: allergen."


def test_a_label_alone_stands_beside_nothing():
    assert tellings(TAKEN, LabelSet("mine", (TAKEN,)))[0] == "drug taken: A drug that the patient takes."
    assert beside("gout", ()) == "gout"


def test_mentions_of_the_examples_stand_before_the_other_labels_of_which_some_are_named():
    example = Example("Allergic to latex.", (Entity(Span(12, 17), "allergen", "latex"),))
    others = tuple(Label(f"label {number}", "Something else.") for number in range(MOST_OTHERS + 3))
    told = tellings(ALLERGEN, LabelSet("mine", (ALLERGEN, *others), (example,)))[0]
    said, _, named = told.partition(" Other labels: ")
    assert said.endswith("For example: latex.")
    assert named.removesuffix(".").split("; ") == [label.name for label in others[:MOST_OTHERS]]


def test_a_label_is_told_whole_without_the_others_without_its_rule_and_without_its_name():
    labels = LabelSet("mine", (ALLERGEN, TAKEN))
    assert tellings(ALLERGEN, labels) == (
        "allergen: What the patient is allergic to. Without its article. Other labels: drug taken.",
        "allergen: What the patient is allergic to. Without its article.",
        "allergen: What the patient is allergic to. Other labels: drug taken.",
        "What the patient is allergic to. Without its article. Other labels: drug taken.",
    )


def test_a_label_of_few_words_is_not_told_the_same_way_twice():
    assert tellings(TAKEN, LabelSet("mine", (TAKEN,))) == (
        "drug taken: A drug that the patient takes.",
        "A drug that the patient takes.",
    )


class _Telling(TokenClassifier):
    """Finds `latex` with a probability that hangs on how its label is told: by the first token of the description."""

    def __init__(self, sure: dict[int, float]) -> None:
        super().__init__((Head((ASKED,)),), (), context=512, outputs=5)
        self.sure, self.read_by = sure, []

    def tokens(self, text: str) -> list[int]:
        return [{"allergen": 10, "What": 11}[text.split()[0].strip(":")], 100 + len(text)]

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def token_id(self, token: str) -> int:
        return 0

    def _encoded(self, text: str):
        found = units(text, [(0, 0), (0, 5), (0, 0)])
        return [1, 2, 3], found

    def outputs(self, windows: Sequence[list[int]]):
        self.read_by += [ids[1] for ids in windows]
        rows = []
        for ids in windows:
            row = np.full((len(ids), 5), -30.0, dtype=np.float32)
            row[:, 0], row[:, 4] = np.log(1 - self.sure[ids[1]]), np.log(self.sure[ids[1]])
            rows.append(row)
        return rows


@pytest.mark.parametrize(("reworded", "read_by", "sure"), [(True, [10, 10, 11], 0.8), (False, [10], 0.9)])
def test_what_the_tellings_of_a_label_find_is_averaged(reworded, read_by, sure):
    labels = LabelSet("mine", (ALLERGEN,))
    classifier = _Telling({10: 0.9, 11: 0.6})
    encoder = DescribedEncoder(classifier, labels, reworded=reworded)
    (answer,) = encoder.complete([Request((), constraint=CopyConstraint("latex", ("allergen",)))])
    assert classifier.read_by == read_by
    assert [(span.span, span.score) for span in answer.spans] == [(Span(0, 5), pytest.approx(sure, abs=1e-3))]
