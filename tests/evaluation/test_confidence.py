import random

import pytest

from clinspan.document import Document, Entity, Span
from clinspan.evaluation import confidence, pair

TEXT = "x" * 40


def doc(*entities, id="1"):
    made = (Entity(Span(*place), "a", TEXT[slice(*place)], score=score) for place, score in entities)
    return Document(id, TEXT, tuple(made))


def test_the_curve_and_its_error_by_hand():
    gold = [doc(((0, 5), None), ((10, 15), None))]
    predicted = [doc(((0, 5), 0.9), ((10, 15), 0.7), ((20, 25), 0.75), ((30, 35), None))]
    found = confidence(pair(gold, predicted))
    assert [(one.count, pytest.approx(one.score), one.right) for one in found.bins] == [(2, 0.725, 0.5), (1, 0.9, 1.0)]
    assert found.error == pytest.approx((2 * 0.225 + 1 * 0.1) / 3)
    assert (found.scored, found.unscored) == (3, 1)
    # one document: every draw is the corpus itself
    assert (found.interval.low, found.interval.high) == (pytest.approx(found.error), pytest.approx(found.error))


def test_an_entity_given_twice_is_judged_once_by_its_higher_score_and_another_label_not_at_all():
    gold = [doc(((0, 5), None))]
    found = confidence(pair(gold, [doc(((0, 5), 0.3), ((0, 5), 0.8), ((0, 5), None))]))
    assert [(one.count, one.score) for one in found.bins] == [(1, 0.8)]
    assert confidence(pair(gold, [doc(((0, 5), 0.3))], labels=["b"])) is None
    assert confidence(pair(gold, [doc(((0, 5), None))])) is None


def test_scores_that_are_probabilities_have_a_small_error_and_others_a_large_one_outside_its_interval():
    chance = random.Random(1)
    gold, honest, bold = [], [], []
    for number in range(300):
        places = [((5 * n, 5 * n + 3), round(chance.random(), 3)) for n in range(8)]
        id = str(number)
        gold.append(doc(*(one for one in places if chance.random() < one[1]), id=id))
        honest.append(doc(*places, id=id))
        bold.append(doc(*((place, score**0.3) for place, score in places), id=id))
    good, bad = (confidence(pair(gold, side), resamples=200) for side in (honest, bold))
    assert good.error < 0.04 < bad.interval.low < bad.error < bad.interval.high
    assert confidence(pair(gold, honest), resamples=200) == good
    assert confidence(pair(gold, honest), resamples=200, seed=1).interval != good.interval
