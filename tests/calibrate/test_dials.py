import math
import random

import pytest

from clinspan.calibrate import Judged, choose, f1, fit
from clinspan.evaluation.reliability import curve, expected_error
from clinspan.tagging.calibration import Dial


def test_platt_finds_the_curve_that_made_the_data() -> None:
    rng = random.Random(1)
    scores = [rng.uniform(-4, 4) for _ in range(4000)]
    right = [rng.random() < 1 / (1 + math.exp(-(0.5 * x - 1))) for x in scores]
    slope, intercept = fit(scores, right)
    assert slope == pytest.approx(0.5, abs=0.1)
    assert intercept == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize("right", [True, False])
def test_platt_stays_finite_when_all_are_alike(right: bool) -> None:
    slope, intercept = fit([20.0] * 5, [right] * 5)
    assert 0 < Dial(0, slope, intercept).probability(0.999999) < 1
    assert fit([], []) == (1.0, 0.0)


def test_the_dial_stands_where_f1_is_highest() -> None:
    good = [Judged("a", 0.9, True)] * 8 + [Judged("a", 0.6, True)] * 2
    bad = [Judged("a", 0.3, False)] * 30
    dials = choose([*good, *bad], {"a": 10})
    assert 0.3 < dials["a"].min_score <= 0.6
    assert f1([*good, *bad], dials, 10) == 1.0
    assert f1([*good, *bad], {}, 10) == pytest.approx(2 * 10 / 50)


def test_each_label_has_its_own_dial() -> None:
    judged = [Judged("a", 0.5, True), Judged("a", 0.4, False), Judged("b", 0.5, False), Judged("b", 0.9, True)]
    dials = choose(judged, {"a": 1, "b": 1})
    assert dials["a"].min_score < 0.5 < dials["b"].min_score


def test_expected_error_of_known_bins() -> None:
    points = [(0.95, True)] * 9 + [(0.95, False)] + [(0.25, False)] * 10
    found = curve(points)
    assert [(b.count, round(b.right, 2)) for b in found] == [(10, 0.0), (10, 0.9)]
    assert expected_error(found) == pytest.approx((0.25 * 10 + 0.05 * 10) / 20)
