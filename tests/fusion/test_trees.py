"""Boosted trees: what they learn, what they say of it, and which ones are refused."""

import math

import numpy as np
import pytest

from clinspan.evaluation.probability import curve, expected_error
from clinspan.fusion.trees import Trees, grow


def drawn(seed: int, count: int = 3000):
    """Candidates that are right where exactly one of two features is high, and of the second label never."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 4))
    labels = rng.integers(0, 2, count)
    odds = np.where((features[:, 0] > 0) != (features[:, 1] > 0), 2.0, -2.0) - 6.0 * labels
    return features, labels, rng.random(count) < 1.0 / (1.0 + np.exp(-odds))


@pytest.fixture(scope="module")
def trees() -> Trees:
    return grow(*drawn(1))


def test_they_learn_what_no_sum_of_weights_can_say(trees):
    features, labels, right = drawn(2)
    thought = trees.probabilities(features, labels)
    odd = (features[:, 0] > 0) != (features[:, 1] > 0)
    assert thought[odd & (labels == 0)].mean() > 0.75
    assert thought[~odd & (labels == 0)].mean() < 0.25
    assert thought[labels == 1].max() < 0.5
    assert expected_error(curve(zip(thought.tolist(), right.tolist(), strict=True))) < 0.04


def test_the_same_candidates_give_the_same_trees(trees):
    again = grow(*drawn(1))
    assert np.array_equal(again.nodes, trees.nodes)
    assert np.array_equal(again.columns, trees.columns)


def test_what_features_add_and_what_the_label_does_are_the_log_odds(trees):
    features, labels, _ = drawn(3, 200)
    features[100:], labels[:] = features[:100], [0] * 100 + [1] * 100
    odds = [math.log(p / (1 - p)) for p in trees.probabilities(features, labels)]
    told = np.array([trees.told(row, int(label)) for row, label in zip(features, labels, strict=True)])
    assert told.shape == (200, 4)
    rest = np.array(odds) - told.sum(axis=1)
    # What is left is the usual log-odds and the label's number, which takes from each candidate of the second label.
    assert (rest[100:] < rest[:100]).all()
    assert np.abs(told[:100, :2]).mean() > 2 * np.abs(told[:100, 2:]).mean()


def test_they_are_read_as_they_were_written(trees):
    features, labels, _ = drawn(4, 500)
    again = Trees.from_dict(trees.to_dict())
    assert again.probabilities(features, labels) == pytest.approx(trees.probabilities(features, labels), abs=1e-3)


def test_where_nothing_tells_right_from_wrong_they_give_what_is_usual():
    features, labels, right = np.ones((40, 2)), np.zeros(40, dtype=np.intp), np.arange(40) < 10
    assert grow(features, labels, right).probabilities(features, labels) == pytest.approx(0.25)


@pytest.mark.parametrize(
    "broken",
    [
        {"columns": [[0, 1]], "cuts": [[0.5]], "nodes": [[0.0] * 7]},
        {"columns": [[0, 1]], "cuts": [[0.5, 0.5]], "nodes": [[0.0] * 3]},
        {"columns": [[0, -1]], "cuts": [[0.5, 0.5]], "nodes": [[0.0] * 7]},
        {"columns": [[0, 1]], "cuts": [[0.5, float("nan")]], "nodes": [[0.0] * 7]},
    ],
)
def test_trees_that_do_not_fit_together_are_refused(broken):
    with pytest.raises(ValueError, match=r"trees with|finite numbers"):
        Trees.from_dict(broken)
