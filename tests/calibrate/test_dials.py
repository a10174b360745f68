import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.calibrate import Judged, choose, f1
from clinspan.evaluation.probability import curve, expected_error, interpolated, logistic, stepped
from clinspan.tagging.calibration import Calibration, Dial


def test_platt_finds_the_curve_that_made_the_data() -> None:
    rng = random.Random(1)
    scores = [rng.uniform(-4, 4) for _ in range(4000)]
    right = [rng.random() < 1 / (1 + math.exp(-(0.5 * x - 1))) for x in scores]
    slope, intercept = logistic(scores, right)
    assert slope == pytest.approx(0.5, abs=0.1)
    assert intercept == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize("right", [True, False])
def test_platt_stays_finite_when_all_are_alike(right: bool) -> None:
    slope, intercept = logistic([20.0] * 5, [right] * 5)
    assert 0 < Dial(0, slope, intercept).probability(0.999999) < 1
    assert logistic([], []) == (1.0, 0.0)


def test_platt_finds_the_best_curve_where_newton_alone_would_swing() -> None:
    # Many sure scores of which a fifth is wrong, as encoders give them, beside some that are as they say.
    rng = random.Random(1)
    scores = [rng.uniform(-2.2, 2) for _ in range(800)] + [rng.uniform(2, 7) for _ in range(1500)]
    right = [rng.random() < min(0.8, 1 / (1 + math.exp(-x))) for x in scores]

    def loss(slope: float, intercept: float) -> float:
        pairs = zip(scores, right, strict=True)
        return sum(math.log1p(math.exp(-(slope * x + intercept) * (1 if r else -1))) for x, r in pairs)

    slope, intercept = logistic(scores, right)
    around = [loss(slope + a, intercept + b) for a in (-0.05, 0, 0.05) for b in (-0.05, 0, 0.05)]
    assert loss(slope, intercept) <= min(around) + 0.01


@given(
    st.lists(st.tuples(st.one_of(st.floats(-20, 20), st.just(20.0)), st.booleans()), max_size=400),
    st.floats(-30, 30),
    st.floats(0, 9),
)
def test_a_stepped_curve_never_falls_and_is_never_sure(pairs, at, further) -> None:
    points = stepped([score for score, _ in pairs], [right for _, right in pairs])
    assert bool(points) == (len(pairs) >= 160)
    if points:
        assert 0 < interpolated(points, at) <= interpolated(points, at + further) < 1
        written = Calibration(dials={"a": Dial(0.0, 1.0, 0.0, points)})
        assert Calibration.parse(written.to_toml(), where="here") == written


def test_a_few_that_are_all_right_are_no_likelier_than_many() -> None:
    scores = [1.0] * 4000 + [2.0] * 40
    right = [number > 1 for number in range(4040)]
    points = stepped(scores, right)
    assert [p for _, p in points] == sorted(p for _, p in points)
    assert Dial(points=points).probability(0.9) > 0.999


def test_a_stepped_curve_says_what_a_logistic_one_cannot() -> None:
    rng = random.Random(2)
    scores = [rng.uniform(-3, 10) for _ in range(4000)]
    truth = [min(0.85, 1 / (1 + math.exp(-x))) for x in scores]
    right = [rng.random() < p for p in truth]
    dial = Dial(0.0, *logistic(scores, right), stepped(scores, right))
    plain = replace(dial, points=())
    off = [
        sum(abs(one.probability(1 / (1 + math.exp(-x))) - p) for x, p in zip(scores, truth, strict=True)) / 4000
        for one in (dial, plain)
    ]
    assert off[0] < 0.025 < off[1]


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
