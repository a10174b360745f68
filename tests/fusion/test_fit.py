"""How weights are fitted, and gold that nothing can be learned from."""

import random

import numpy as np
import pytest

from clinspan.document import Document, Entity, Span
from clinspan.errors import InputError
from clinspan.fusion import fit as fitting
from clinspan.fusion.features import Prior
from clinspan.fusion.fit import Case, check, f1, fit
from clinspan.fusion.heard import Heard, gathered
from clinspan.fusion.model import Weights
from clinspan.fusion.trees import Trees
from clinspan.labels import Label, LabelSet

LABELS = LabelSet("s", (Label("problem", "A problem."), Label("test", "A test.")))
NONE = Prior()


def documents(count: int, *, right: float = 0.5, label: str = "problem") -> tuple[list[Document], list[Case]]:
    """Notes of four words; the encoder is as likely to be wrong as it says, and the dictionary knows the right ones."""
    random_ = random.Random(5)
    gold, cases = [], []
    for number in range(count):
        text, told, true = "aaaa bbbb cccc dddd", [], []
        for at in range(0, len(text), 5):
            span = Span(at, at + 4)
            is_right = random_.random() < right
            entity = Entity(span, label, span.of(text), random_.choice([0.3, 0.6]))
            told.append(("encoder", entity))
            # The dictionary is right nine times of ten.
            if is_right == (random_.random() < 0.9):
                told.append(("dictionary", entity))
            if is_right:
                true.append(entity)
        gold.append(Document(str(number), text, tuple(true)))
        cases.append(Case.of(gold[-1], Heard(text, gathered(told, [])), LABELS, NONE))
    return gold, cases


def test_it_learns_whom_to_believe_and_what_a_probability_means():
    gold, cases = documents(60)
    check(gold, cases, LABELS)
    fitted = fit(cases, 2)
    assert f1(fitted.counts) > 0.85
    thought = np.concatenate(fitted.probabilities)
    right = np.concatenate([case.right for case in cases])
    assert thought.mean() == pytest.approx(right.mean(), abs=0.02)
    assert thought[right].mean() - thought[~right].mean() > 0.2


def test_the_same_gold_gives_the_same_weights():
    _, cases = documents(25)
    first, second = fit(cases, 2).table, fit(cases, 2).table
    assert np.array_equal(first.second.weights, second.second.weights)
    assert first.least == second.least


def test_gold_of_one_label_is_learned_from():
    gold, cases = documents(30, label="test")
    check(gold, cases, LABELS)
    assert f1(fit(cases, 2).counts) > 0.8


@pytest.mark.parametrize(
    ("count", "right", "said"),
    [(19, 0.5, "19 gold documents are too few"), (25, 0.0, "none is an entity of gold"), (25, 1.0, "wrong ones")],
)
def test_gold_that_teaches_nothing_is_refused(count, right, said):
    gold, cases = documents(count, right=right)
    with pytest.raises(InputError, match=said):
        check(gold, cases, LABELS)


def test_a_source_that_names_nothing_is_refused():
    gold = [Document(str(number), "aaaa") for number in range(25)]
    cases = [Case.of(one, Heard("aaaa", ()), LABELS, NONE) for one in gold]
    with pytest.raises(InputError, match="of 0 candidates none"):
        check(gold, cases, LABELS)


def test_trees_are_tried_where_there_is_enough_and_kept_where_they_are_better(monkeypatch):
    _, cases = documents(60)
    monkeypatch.setattr(fitting, "LEAST_FOR_TREES", 1)
    both = fit(cases, 2)
    monkeypatch.setattr(fitting, "_KINDS", ("weights",))
    weights = fit(cases, 2)
    monkeypatch.setattr(fitting, "_KINDS", ("trees",))
    trees = fit(cases, 2)
    assert isinstance(weights.table.second, Weights)
    assert isinstance(trees.table.second, Trees)
    assert f1(both.counts) == max(f1(weights.counts), f1(trees.counts))
    assert f1(trees.counts) > 0.8


def test_with_few_candidates_no_trees_are_grown(monkeypatch):
    monkeypatch.setattr(fitting, "grow", None)
    _, cases = documents(30)
    assert isinstance(fit(cases, 2).table.second, Weights)


def test_of_thresholds_that_are_nearly_equal_the_most_precise_is_taken(monkeypatch):
    reached = {0.2: 0.800, 0.3: 0.860, 0.36: 0.858, 0.4: 0.857, 0.5: 0.85}
    monkeypatch.setattr(fitting, "_THRESHOLDS", tuple(reached))
    monkeypatch.setattr(fitting, "_counted", lambda _case, _probabilities, least: least)
    monkeypatch.setattr(fitting, "f1", lambda counted: reached[counted[0]])
    assert fitting._least([None], [None], [0]) == 0.4
