"""Fits a fused model on gold documents, and says how good it is by cross-validation over documents."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clinspan.document import Document
from clinspan.errors import InputError
from clinspan.fusion.features import Floats, Prior, by_label, elsewhere, rows
from clinspan.fusion.heard import Heard, chosen
from clinspan.fusion.model import Judge, Weights
from clinspan.fusion.trees import Trees, grow
from clinspan.labels import LabelSet

Kind = Literal["weights", "trees"]

LEAST_DOCUMENTS = 20
LEAST_FOR_TREES = 2000
"""Candidates from which on trees are tried. On 1,300 they are less good than the regression, and too sure."""
_KINDS: tuple[Kind, ...] = ("weights", "trees")
"""What judges candidates the second time. Of equals the first is kept, which says why in fewer numbers."""
_FOLDS = 5
_SEED = 20261129
_RIDGE = 100.0
"""Of standardised weights. The same weights for all labels, and how each label differs from them, are drawn to 0."""
_STEPS = 30
_NEARLY = 0.004
"""F1 is flat around its height. Other writers mark less readily than the gold that is fitted on, so the precise end of
the height is taken: on the notes of MTSamples (looked at, not fitted on) F1 is .012 higher for it."""
_THRESHOLDS = tuple(round(0.2 + 0.02 * step, 2) for step in range(21))


@dataclass(frozen=True, slots=True)
class Case:
    """One gold document as it is learned from.

    Attributes:
        heard: what the sources say of it.
        features: a row for each candidate.
        labels: the number of each candidate's label.
        right: whether gold has it.
        gold: how many entities gold has, of those asked for.
    """

    heard: Heard
    features: Floats
    labels: NDArray[np.intp]
    right: NDArray[np.bool_]
    gold: int

    @classmethod
    def of(cls, document: Document, heard: Heard, labels: LabelSet, prior: Prior) -> "Case":
        """A document with its gold entities; `prior` must not have counted it."""
        true = {(entity.span, entity.label) for entity in document.entities if entity.label in labels}
        right = np.array([(one.span, one.label) in true for one in heard.candidates], dtype=np.bool_)
        numbers = by_label(heard.candidates, labels.names)
        return cls(heard, rows(heard, labels, prior), numbers, right, len(true))


@dataclass(frozen=True, slots=True)
class Counted:
    """What was found in one document: entities, right ones, and those of gold."""

    found: int
    right: int
    gold: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """A table, and how it does on documents that it was not fitted on.

    Attributes:
        counts: of each case, found by what the other folds taught.
        probabilities: of each case's candidates, in the same way.
    """

    table: Judge
    counts: tuple[Counted, ...]
    probabilities: tuple[Floats, ...]


def check(gold: Sequence[Document], cases: Sequence[Case], labels: LabelSet) -> None:
    """Makes sure that there is enough to learn from.

    Raises:
        InputError: when there are too few documents, or no right or no wrong candidates.
    """
    if len(gold) < LEAST_DOCUMENTS:
        raise InputError(
            f"{len(gold)} gold documents are too few to fit a fused model on", expected=f"{LEAST_DOCUMENTS} or more"
        )
    right = sum(int(case.right.sum()) for case in cases)
    all_ = sum(len(case.right) for case in cases)
    if not right:
        raise InputError(
            f"of {all_} candidates none is an entity of gold with one of the labels {', '.join(labels.names)}",
            expected="gold that marks what the sources look for, at the same boundaries",
            fix="Rename gold's labels with --map FROM=TO.",
        )
    if right == all_:
        raise InputError(
            f"all {all_} candidates are entities of gold, so nothing can be learned about wrong ones",
            expected="gold documents in which a source is wrong now and then",
        )


def fit(cases: Sequence[Case], labels: int, *, done: Callable[[], None] = lambda: None) -> Fitted:
    """Fits regressions, and trees where there is enough; keeps what is better on cases that it did not see.

    Args:
        labels: how many labels there are.
        done: is called after each of 6 fits.
    """
    order = list(range(len(cases)))
    random.Random(_SEED).shuffle(order)
    kinds = _KINDS if sum(len(case.right) for case in cases) >= LEAST_FOR_TREES else _KINDS[:1]
    unseen: dict[Kind, dict[int, Floats]] = {kind: {} for kind in kinds}
    for fold in range(_FOLDS):
        held = order[fold::_FOLDS]
        taught = [cases[number] for number in order if number not in set(held)]
        first, wider = _first(taught, labels)
        for kind in kinds:
            second = _second(kind, taught, wider, labels)
            unseen[kind] |= {number: _judged(cases[number], first, second) for number in held}
        done()
    best = max((_unseen(cases, unseen[kind], order, kind) for kind in kinds), key=lambda one: f1(one[1]))
    probabilities, counts, kind = best
    first, wider = _first(cases, labels)
    second = _second(kind, cases, wider, labels)
    done()
    return Fitted(Judge(first, second, _least(cases, probabilities, order)), counts, probabilities)


_Unseen = tuple[tuple[Floats, ...], tuple[Counted, ...], Kind]


def _unseen(cases: Sequence[Case], judged: Mapping[int, Floats], order: Sequence[int], kind: Kind) -> _Unseen:
    """The probabilities of all cases, and what is found with the threshold that the other folds teach."""
    probabilities = tuple(judged[number] for number in range(len(cases)))
    counts: dict[int, Counted] = {}
    for fold in range(_FOLDS):
        held = order[fold::_FOLDS]
        others = [number for number in order if number not in set(held)]
        least = _least(cases, probabilities, others)
        counts |= {number: _counted(cases[number], probabilities[number], least) for number in held}
    return probabilities, tuple(counts[number] for number in range(len(cases))), kind


def _first(cases: Sequence[Case], labels: int) -> tuple[Weights, list[Floats]]:
    """The weights of the first pass, and the features of the second: what the first thinks of documents unseen."""
    first = _weights(cases, [case.features for case in cases], labels)
    wider: dict[int, Floats] = {}
    for fold in range(_FOLDS):
        taught = [number for number in range(len(cases)) if number % _FOLDS != fold]
        own = _weights([cases[number] for number in taught], [cases[number].features for number in taught], labels)
        for number in range(fold, len(cases), _FOLDS):
            wider[number] = _widened(cases[number], own)
    return first, [wider[number] for number in range(len(cases))]


def _second(kind: Kind, cases: Sequence[Case], wider: Sequence[Floats], labels: int) -> Weights | Trees:
    if kind == "weights":
        return _weights(cases, wider, labels)
    numbers, right = (np.concatenate(parts) for parts in zip(*((c.labels, c.right) for c in cases), strict=True))
    return grow(np.vstack(wider), numbers, right)


def _widened(case: Case, first: Weights) -> Floats:
    thought = first.probabilities(case.features, case.labels)
    return np.hstack([case.features, elsewhere(case.heard, thought)])


def _judged(case: Case, first: Weights, second: Weights | Trees) -> Floats:
    return second.probabilities(_widened(case, first), case.labels)


def _least(cases: Sequence[Case], probabilities: Sequence[Floats], numbers: Sequence[int]) -> float:
    """The highest threshold with nearly the highest F1 (`_NEARLY`): what is taken beyond it is right half the time."""

    def reached(least: float) -> float:
        return f1([_counted(cases[number], probabilities[number], least) for number in numbers])

    found = {least: reached(least) for least in _THRESHOLDS}
    return max(least for least in _THRESHOLDS if found[least] >= max(found.values()) - _NEARLY)


def _counted(case: Case, probabilities: Floats, least: float) -> Counted:
    taken = list(chosen(case.heard, probabilities, [least] * len(probabilities)))
    return Counted(len(taken), int(case.right[taken].sum()), case.gold)


def f1(counts: Sequence[Counted]) -> float:
    """Strict micro F1; 0 where nothing is found and nothing is there."""
    total = sum(count.found + count.gold for count in counts)
    return 2 * sum(count.right for count in counts) / total if total else 0.0


def _weights(cases: Sequence[Case], features: Sequence[Floats], labels: int) -> Weights:
    """A logistic regression with a ridge, by Newton's method.

    Every label has the weights that all share, plus its own; both are drawn to 0, so that a label with few candidates
    stays near the others (multi-task regularisation: Evgeniou and Pontil 2004).
    """
    stacked, numbers = np.vstack(features), np.concatenate([case.labels for case in cases])
    right = np.concatenate([case.right for case in cases]).astype(np.float64)
    means, spread = stacked.mean(axis=0), stacked.std(axis=0)
    spread[spread < 1e-9] = 1.0
    alike = (stacked - means) / spread
    own = [(numbers == number)[:, None] * np.hstack([alike, np.ones((len(alike), 1))]) for number in range(labels)]
    design = np.hstack([alike, *own, np.ones((len(alike), 1))])
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[-1] = 1e-6
    found = _newton(design, right, ridge)
    width = alike.shape[1]
    weights, intercepts = np.zeros((labels, width)), np.zeros(labels)
    for number in range(labels):
        at = width + number * (width + 1)
        weights[number] = (found[:width] + found[at : at + width]) / spread
        intercepts[number] = found[-1] + found[at + width] - float(weights[number] @ means)
    return Weights(weights, intercepts, means)


def _newton(design: Floats, right: Floats, ridge: Floats) -> Floats:
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        odds = np.clip(design @ found, -30.0, 30.0)
        probability = 1.0 / (1.0 + np.exp(-odds))
        gradient = design.T @ (probability - right) + ridge * found
        curvature = np.maximum(probability * (1.0 - probability), 1e-6)
        hessian = (design * curvature[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        # A long step may overshoot where the curve is flat.
        longest = float(np.abs(step).max())
        found = found - step * min(1.0, 5.0 / max(longest, 1e-9))
        if longest < 1e-6:
            break
    return found
