import pytest

from clinspan.errors import ConfigError
from clinspan.tuning.run import Schedule


@pytest.mark.parametrize(
    ("shape", "done", "rate"),
    [("linear", 0.1, 1.0), ("linear", 0.55, 0.5), ("linear", 1, 0), ("cosine", 0.55, 0.5), ("cosine", 0.775, 0.1464)],
)
def test_the_rate_falls(shape, done, rate):
    schedule = Schedule(0.5, steps=10, shape=shape, warmup=0.1)
    assert schedule.rate(done) == pytest.approx(0.5 * rate, abs=1e-4)


def test_the_rate_rises_first_and_is_never_nothing():
    schedule = Schedule(0.5, steps=10, warmup=0.1)
    assert 0 < schedule.rate(0) < schedule.rate(0.05) < schedule.rate(0.1)
    assert Schedule(0.5, steps=10, warmup=0).rate(0) == 0.5


def test_a_run_is_measured_in_minutes_or_steps():
    assert Schedule(0.1, minutes=2).done(step=10**6, seconds=30) == 0.25
    assert Schedule(0.1, steps=20).done(step=5, seconds=10**6) == 0.25
    assert Schedule(0.1, steps=20).done(step=50, seconds=0) == 1


@pytest.mark.parametrize("wrong", [{}, {"minutes": 1, "steps": 1}, {"minutes": 0}, {"steps": 1, "warmup": 1}])
def test_what_cannot_be(wrong):
    with pytest.raises(ConfigError):
        Schedule(0.1, **wrong)


def test_a_rate_out_of_range():
    with pytest.raises(ConfigError, match="learning rate"):
        Schedule(3.0, steps=1)
