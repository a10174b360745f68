"""The bet against a mean loss: wrong as seldom as it says, strong enough, and the number of documents it needs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.evaluation.thresholds import BETS, documents_needed, is_below, log_wealth

LOSSES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def test_the_wealth_is_that_of_the_bets():
    assert sum(share for _, share in BETS) == 1
    # Without any loss each part of the stake grows by 1 + part * most / (1 - most).
    expected = sum(share * (1 + part * 0.2 / 0.8) ** 7 for part, share in BETS)
    assert log_wealth(np.zeros(7), 0.2) == pytest.approx(math.log(expected))
    # A loss of 1 takes the largest bet whole.
    expected = sum(share * (1 - part) for part, share in BETS)
    assert log_wealth(np.ones(1), 0.2) == pytest.approx(math.log(expected))


@given(LOSSES, st.floats(0.01, 0.9), st.randoms())
def test_order_and_documents_that_do_not_count_change_nothing(losses, most, rng):
    shuffled = [*losses, math.nan]
    rng.shuffle(shuffled)
    assert log_wealth(np.array(shuffled), most) == pytest.approx(float(log_wealth(np.array(losses), most)))


@given(LOSSES, st.floats(0.01, 0.5), st.floats(0.01, 0.4), st.integers(0, 39))
def test_less_loss_and_a_looser_bound_are_easier(losses, most, more, which):
    better = list(losses)
    better[which % len(losses)] *= 0.5
    wealth = log_wealth(np.array(losses), most)
    assert log_wealth(np.array(better), most) >= wealth - 1e-9
    assert log_wealth(np.array(losses), most + more) >= wealth - 1e-9


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, shape: (rng.random(shape) < 0.1).astype(float),
        lambda rng, shape: rng.beta(0.2, 1.8, shape),
        lambda rng, shape: rng.beta(2.0, 18.0, shape),
        lambda rng, shape: np.full(shape, 0.1),
    ],
    ids=["all or nothing", "mostly none", "alike", "one value"],
)
@pytest.mark.parametrize("confidence", [0.8, 0.9])
def test_a_mean_that_is_not_below_is_seldom_taken_for_one(draw, confidence):
    # The mean is the bound itself, the hardest case. 4,000 draws: three standard errors of .1 are .014.
    losses = draw(np.random.default_rng(5), (4000, 60))
    assert is_below(losses, 0.1, confidence).mean() <= 1 - confidence + 0.02


def test_it_sees_more_than_the_bound_of_hoeffding():
    losses = np.full(60, 0.05)
    assert is_below(losses, 0.1, 0.9)
    assert math.exp(-2 * 60 * 0.05**2) > 0.1


@pytest.mark.parametrize(("most", "confidence"), [(0.05, 0.9), (0.1, 0.95), (0.3, 0.8)])
def test_documents_needed(most, confidence):
    needed = documents_needed(most, confidence)
    assert is_below(np.zeros(needed), most, confidence)
    assert not is_below(np.zeros(needed - 1), most, confidence)
    # No test can do with fewer than the exact binomial one.
    assert needed >= math.log(1 - confidence) / math.log(1 - most)
