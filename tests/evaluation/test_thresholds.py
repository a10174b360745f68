"""Thresholds that keep a promise: the guarantee on simulated documents, order, and what is refused."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinspan.document import Document, Entity, Span
from clinspan.errors import InputError
from clinspan.evaluation.match import Rule
from clinspan.evaluation.thresholds import (
    Asked,
    Judged,
    highest_threshold_of_recall,
    judged,
    lowest_threshold_of_precision,
    missed,
    threshold,
    wrong,
)

DRAWS, SIZE, CANDIDATES = 300, 100, 12


class World:
    """Documents that are drawn alike, in some of which all is harder; candidates within one are not independent."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        # What is drawn from and what is promised of are the same: these documents, with replacement.
        ease = self.rng.beta(4, 2, (5000, 1))
        self.scores = self.rng.random((5000, CANDIDATES)).round(3)
        # Not monotone: the very highest scores are no better than those below.
        sure = np.where(self.scores > 0.95, 0.93, self.scores)
        self.right = self.rng.random((5000, CANDIDATES)) < sure**0.25 * (0.75 + 0.25 * ease)
        self.unseen = self.rng.binomial(1, 0.05, 5000)

    def draw(self, size: int = SIZE) -> list[Judged]:
        made = []
        for number, row in enumerate(self.rng.integers(0, 5000, size)):
            found = tuple(zip(self.scores[row].tolist(), self.right[row].tolist(), strict=True))
            reached = tuple(score for score, right in found if right) + (-1.0,) * int(self.unseen[row])
            made.append(Judged(str(number), found, reached))
        return made

    def precision(self, least: float) -> float:
        kept = self.scores >= least
        some = kept.any(axis=1)
        return float(((kept & self.right).sum(axis=1)[some] / kept.sum(axis=1)[some]).mean())

    def recall(self, least: float) -> float:
        gold = self.right.sum(axis=1) + self.unseen
        found = (self.right & (self.scores >= least)).sum(axis=1)
        return float((found[gold > 0] / gold[gold > 0]).mean())


Choose = Callable[[list[Judged]], float | None]


def broken(world: World, choose: Choose, share: Callable[[float], float], least: float) -> tuple[float, float]:
    """How often what was chosen on drawn documents breaks the promise, and how often there was one."""
    chosen = [choose(world.draw()) for _ in range(DRAWS)]
    made = [one for one in chosen if one is not None]
    return sum(share(one) < least for one in made) / DRAWS, len(made) / DRAWS


@pytest.mark.parametrize("confidence", [0.8, 0.9])
def test_the_promises_are_kept(confidence):
    world = World(1)
    slack = 3 * (confidence * (1 - confidence) / DRAWS) ** 0.5
    asked: list[tuple[Choose, Callable[[float], float], float]] = [
        (lambda drawn: lowest_threshold_of_precision(drawn, 0.75, confidence), world.precision, 0.75),
        (lambda drawn: highest_threshold_of_recall(drawn, 0.8, confidence), world.recall, 0.8),
    ]
    for choose, share, least in asked:
        wrongly, made = broken(world, choose, share, least)
        assert wrongly <= 1 - confidence + slack
        assert made > 0.5


def test_thresholds_that_only_fit_the_gold_break_them():
    """What shows that the test above can fail: the same world, and thresholds by the gold documents' own shares."""
    world = World(1)
    grid = np.linspace(0, 1, 101)

    def by_precision(drawn: list[Judged]) -> float | None:
        good = np.flatnonzero(np.nanmean(wrong(drawn, grid[:95]), axis=1) <= 0.2)
        return float(grid[good[0]]) if len(good) else None

    def by_recall(drawn: list[Judged]) -> float | None:
        good = np.flatnonzero(np.nanmean(missed(drawn, grid), axis=1) <= 0.2)
        return float(grid[good[-1]])

    assert broken(world, by_precision, world.precision, 0.8)[0] > 0.3
    assert broken(world, by_recall, world.recall, 0.8)[0] > 0.3


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_more_recall_and_more_confidence_need_lower_thresholds(seed):
    drawn = World(seed).draw()
    found = [highest_threshold_of_recall(drawn, recall, 0.9) for recall in (0.5, 0.6, 0.7, 0.8, 0.9)]
    heights = [-1.0 if one is None else one for one in found]
    assert heights == sorted(heights, reverse=True)
    sure = [highest_threshold_of_recall(drawn, 0.6, confidence) for confidence in (0.5, 0.8, 0.95)]
    heights = [-1.0 if one is None else one for one in sure]
    assert heights == sorted(heights, reverse=True)


def test_precision_that_rises_with_the_score_needs_higher_thresholds():
    rng = np.random.default_rng(3)
    drawn = []
    for number in range(200):
        scores = rng.random(CANDIDATES)
        drawn.append(Judged(str(number), tuple((float(s), bool(rng.random() < s)) for s in scores), ()))
    found = [lowest_threshold_of_precision(drawn, precision, 0.9) for precision in (0.55, 0.65, 0.75)]
    assert None not in found
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_recall_and_precision_together_leave_a_middle_for_people():
    drawn = World(2).draw(300)
    both = threshold(drawn, Asked(0.85, 0.8), label="x")
    assert both.review == threshold(drawn, Asked(0.85, None), label="x").report
    assert both.report == threshold(drawn, Asked(None, 0.8), label="x").report
    assert 0 < both.review < both.report
    between = [score for one in drawn for score, _ in one.found if both.review <= score < both.report]
    kept = [score for one in drawn for score, _ in one.found if score >= both.review]
    assert both.reviewed == pytest.approx(len(between) / len(kept))
    # A precision that recall's threshold has already asks no one.
    assert threshold(drawn, Asked(0.3, 0.8), label="x").reviewed == 0


def test_what_cannot_be_promised_is_refused_with_what_could_be():
    drawn = World(2).draw()
    with pytest.raises(InputError, match=r"recall of 0\.99 cannot .* 'x' .*: 100 gold documents have it") as few:
        threshold(drawn, Asked(0.99, None), label="x")
    assert "at least 268" in str(few.value)
    drawn = World(2).draw(400)
    with pytest.raises(InputError, match=r"the most that can be on 400 gold documents.* is 0\.9") as much:
        threshold(drawn, Asked(0.99, None), label="x")
    most = float(str(much.value).split("--recall ")[1].split(")")[0])
    assert threshold(drawn, Asked(most, None), label="x").report >= 0
    with pytest.raises(InputError, match="the most that can be on 400 gold documents is"):
        threshold(drawn, Asked(None, 0.98), label="x")
    never = [Judged(str(number), ((0.9, False),), (-1.0,)) for number in range(100)]
    with pytest.raises(InputError, match="nor any other"):
        threshold(never, Asked(None, 0.5), label="x")
    for wrong_number in ({"recall": 1.0, "precision": None}, {"recall": None, "precision": None}):
        with pytest.raises(InputError):
            Asked(**wrong_number)


TEXT = "severe chest pain and fever"


def entity(start: int, end: int, score: float | None = None, label: str = "problem") -> Entity:
    return Entity(Span(start, end), label, TEXT[start:end], score)


def test_judging_by_place_and_by_what_touches():
    gold = [Document("a", TEXT, (entity(7, 17), entity(22, 27)))]
    found = {"a": Document("a", TEXT, (entity(0, 17, 0.7), entity(7, 17, 0.2), entity(22, 27, 0.9, "test")))}
    (strict,) = judged(gold, found, "problem", Rule.STRICT)
    assert strict.found == ((0.7, False), (0.2, True))
    assert sorted(strict.reached) == [-1.0, 0.2]
    (relaxed,) = judged(gold, found, "problem", Rule.RELAXED)
    assert relaxed.found == ((0.7, True), (0.2, True))
    assert sorted(relaxed.reached) == [-1.0, 0.7]
    np.testing.assert_array_equal(missed([strict], np.array([0.0, 0.5])), [[0.5], [1.0]])
    np.testing.assert_array_equal(wrong([strict], np.array([0.0, 0.5, 0.8])), [[0.5], [1.0], [np.nan]])
    with pytest.raises(InputError, match="has no score"):
        judged(gold, {"a": Document("a", TEXT, (entity(7, 17),))}, "problem", Rule.STRICT)
