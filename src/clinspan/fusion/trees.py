"""Boosted trees that judge candidates, where enough gold shows that they do so better than a regression.

Each tree asks the same few questions of every candidate, each about one feature, and adds what it gives to those with
the same answers to their log-odds. Gradient boosting with second derivatives: Friedman 2001; Chen and Guestrin 2016.
Trees whose levels ask one question each: Prokhorenkova et al. 2018 (CatBoost).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TREES = 200
_DEPTH = 3
_RATE = 0.1
_RIDGE = 5.0
"""Of what a tree gives, which is drawn to 0."""
_BINS = 32
"""Of a feature's values: where they are parted at most."""
_GAIN = 1e-9


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees with one question a level, of the same depth d, for all labels together.

    Attributes:
        columns: for each tree and level the feature that is asked about. The one after the last is the label's number.
        cuts: for each tree and level what the feature is to be above.
        nodes: for each tree what it gives at its root, then at each node of the next level, down to the leaves: of a
            node above them the mean of those candidates that it was fitted on.
    """

    columns: NDArray[np.intp]
    cuts: Floats
    nodes: Floats

    def __post_init__(self) -> None:
        trees, depth = self.columns.shape
        if self.cuts.shape != (trees, depth) or self.nodes.shape != (trees, 2 ** (depth + 1) - 1):
            raise ValueError(f"{trees} trees with {depth} levels, but other numbers of cuts and nodes")
        if not (np.isfinite(self.cuts).all() and np.isfinite(self.nodes).all() and (self.columns >= 0).all()):
            raise ValueError("cuts and nodes are finite numbers, and columns count from 0")

    @property
    def features(self) -> int:
        """How many features a candidate has to have, at least."""
        return int(self.columns.max(initial=0))

    def probabilities(self, features: Floats, labels: NDArray[np.intp]) -> Floats:
        """For each row of features, of a candidate with the label of that number."""
        known = _with_label(features, labels)
        above = known[:, self.columns] > self.cuts
        depth = self.columns.shape[1]
        leaves = 2**depth - 1 + above @ (1 << np.arange(depth - 1, -1, -1))
        odds = self.nodes[np.arange(len(self.nodes)), leaves].sum(axis=1)
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -50.0, 50.0))))

    def told(self, features: Floats, label: int) -> Floats:
        """What each feature of one candidate adds to the log-odds, against all candidates of the gold.

        What a question changes is its feature's (Saabas 2014); what the label's number changes is nobody's.
        """
        known = np.append(features, float(label))
        added = np.zeros(len(known))
        for columns, cuts, nodes in zip(self.columns, self.cuts, self.nodes, strict=True):
            at = 0
            for column, cut in zip(columns, cuts, strict=True):
                below = 2 * at + 1 + int(known[column] > cut)
                added[column] += nodes[below] - nodes[at]
                at = below
        return added[:-1]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "columns": self.columns.tolist(),
            "cuts": [[_short(value) for value in row] for row in self.cuts],
            "nodes": [[_short(value) for value in row] for row in self.nodes],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Trees":
        """What `to_dict` gave.

        Raises:
            ValueError, TypeError, KeyError: when the data are something else.
        """
        columns = np.array(data["columns"], dtype=np.intp)
        return cls(columns, *(np.array(data[name], dtype=np.float64) for name in ("cuts", "nodes")))


def grow(features: Floats, labels: NDArray[np.intp], right: NDArray[np.bool_]) -> Trees:
    """Trees fitted on candidates; the same ones for the same candidates.

    Args:
        features: a row for each.
        labels: the number of each one's label.
        right: whether it is an entity.
    """
    known = _with_label(features, labels)
    cuts = [_cuts(column) for column in known.T]
    binned = np.stack([np.searchsorted(own, column) for own, column in zip(cuts, known.T, strict=True)], axis=1)
    grower = _Grower(binned, cuts)
    odds = np.full(len(known), _log_odds(float(right.mean())))
    # The first tree asks nothing: it gives what all have in common.
    grown = [([0] * _DEPTH, [0.0] * _DEPTH, np.full(2 ** (_DEPTH + 1) - 1, odds[0] if len(odds) else 0.0))]
    for _ in range(_TREES):
        probability = 1.0 / (1.0 + np.exp(-odds))
        questions = grower.questions(right - probability, probability * (1.0 - probability))
        if questions is None:
            break
        columns, numbers, nodes, leaves = questions
        odds = odds + nodes[leaves]
        grown.append((columns, [cuts[c][n] for c, n in zip(columns, numbers, strict=True)], nodes))
    return Trees(
        np.array([one[0] for one in grown]), np.array([one[1] for one in grown]), np.stack([one[2] for one in grown])
    )


class _Grower:
    """Chooses the questions of a tree by histograms over the bins of all features at once."""

    def __init__(self, binned: NDArray[np.intp], cuts: list[Floats]) -> None:
        self._binned = binned
        self._count, self._features = binned.shape
        self._width = max(len(own) for own in cuts) + 1
        self._asked = np.array([[number < len(own) for number in range(self._width - 1)] for own in cuts])
        self._places = binned + np.arange(self._features) * self._width

    def questions(
        self, slopes: Floats, curvatures: Floats
    ) -> tuple[list[int], list[int], Floats, NDArray[np.intp]] | None:
        """Columns and numbers of cuts, the tree's nodes and each candidate's leaf; None where no question helps."""
        if not self._asked.any():
            return None
        node = np.zeros(self._count, dtype=np.intp)
        columns: list[int] = []
        numbers: list[int] = []
        nodes = [np.array([float(slopes.sum() / (curvatures.sum() + _RIDGE))])]
        for level in range(_DEPTH):
            gains = self._gains(node, 2**level, slopes, curvatures)
            column, number = (int(at) for at in np.unravel_index(int(gains.argmax()), gains.shape))
            if level == 0 and gains[column, number] <= _GAIN:
                return None
            columns.append(column)
            numbers.append(number)
            node = 2 * node + (self._binned[:, column] > number)
            sums = [np.bincount(node, part, 2 ** (level + 1)) for part in (slopes, curvatures)]
            nodes.append(sums[0] / (sums[1] + _RIDGE))
        given = [_RATE * nodes[-1]]
        sizes = np.bincount(node, minlength=2**_DEPTH).astype(np.float64)
        for _ in range(_DEPTH):
            # Of a node above the leaves: the mean over its candidates.
            pairs, counts = given[0].reshape(-1, 2), sizes.reshape(-1, 2)
            sizes = counts.sum(axis=1)
            given.insert(0, (pairs * counts).sum(axis=1) / np.maximum(sizes, 1.0))
        return columns, numbers, np.concatenate(given), 2**_DEPTH - 1 + node

    def _gains(self, node: NDArray[np.intp], nodes: int, slopes: Floats, curvatures: Floats) -> Floats:
        """For each feature and cut what asking about it gains, over all nodes of a level."""
        size = self._features * self._width
        places = (node[:, None] * size + self._places).ravel()
        first, second = (
            np.bincount(places, np.repeat(part, self._features), nodes * size).reshape(nodes, self._features, -1)
            for part in (slopes, curvatures)
        )
        all_first, all_second = first.sum(axis=2, keepdims=True), second.sum(axis=2, keepdims=True)
        first, second = first.cumsum(axis=2)[:, :, :-1], second.cumsum(axis=2)[:, :, :-1]
        gains = first**2 / (second + _RIDGE) + (all_first - first) ** 2 / (all_second - second + _RIDGE)
        total: Floats = (gains - all_first**2 / (all_second + _RIDGE)).sum(axis=0)
        return np.where(self._asked, total, -np.inf)


def _cuts(values: Floats) -> Floats:
    """Where a feature's values may be parted: between each two of them, or at quantiles where there are many."""
    different = np.unique(values)
    between = np.asarray((different[1:] + different[:-1]) / 2.0)
    if len(between) < _BINS:
        return between
    spread = np.quantile(values, np.linspace(0.0, 1.0, _BINS + 1)[1:-1])
    return np.asarray(between[np.unique(np.minimum(np.searchsorted(different, spread), len(between) - 1))])


def _with_label(features: Floats, labels: NDArray[np.intp]) -> Floats:
    return np.hstack([features, labels[:, None].astype(np.float64)])


def _log_odds(share: float) -> float:
    held = min(max(share, 1e-4), 1.0 - 1e-4)
    return float(np.log(held / (1.0 - held)))


def _short(value: float) -> float:
    return float(f"{value:.5g}")
