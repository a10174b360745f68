"""The policy by itself, told the time."""

import heapq
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.errors import ConfigError
from clinspan.llms.limits import Breaker, LimitSettings, Pace, backoff, retry_after

LIMITS = LimitSettings(dead_after=3, dead_wait=5.0, outage=60.0)


TIMEOUT = 120.0


def rounds(pace, latency, number, now=0.0):
    """As many requests as are allowed at once, `number` times over; gives the limit after each round.

    As the gate does, each that is answered is replaced at once by as many as there is room for.
    """
    seen = []
    for _ in range(number):
        at_once = pace.active = int(pace.limit)
        for _ in range(at_once):
            pace.answered(now, now + latency(at_once))
            pace.active = int(pace.limit)
        now += latency(at_once)
        seen.append(int(pace.limit))
    return seen


def through(pace, *, slots, seconds, requests=600):
    """Requests through a server that takes `slots` at once and lets the others wait: (time in all, longest, most)."""
    free, under_way = [0.0] * slots, []
    now, left, longest, most = 0.0, requests, 0.0, 0
    while left or under_way:
        while left and pace.room:
            left, pace.active = left - 1, pace.active + 1
            end = max(now, heapq.heappop(free)) + seconds
            heapq.heappush(free, end)
            heapq.heappush(under_way, (end, now))
        most = max(most, pace.active)
        now, started = heapq.heappop(under_way)
        longest = max(longest, now - started)
        pace.answered(started, now)
        pace.active -= 1
    return now, longest, most


def test_a_server_that_answers_quickly_gets_all_that_was_allowed_at_once():
    assert rounds(Pace(4, 64, TIMEOUT), lambda active: 0.5, 2) == [64, 64]


def test_a_slow_one_gets_more_round_by_round():
    assert rounds(Pace(4, 64, TIMEOUT), lambda active: 15.0, 5) == [5, 10, 20, 40, 64]


def test_the_way_up_costs_less_than_two_answers_take():
    took, _, most = through(Pace(4, 64, TIMEOUT), slots=64, seconds=1.0, requests=2048)
    assert took < 2048 / 64 + 2
    assert most == 64


@pytest.mark.parametrize("slots", [1, 2, 4])
@pytest.mark.parametrize("seconds", [0.1, 1.0, 3.0, 10.0])
def test_a_server_with_few_slots_is_not_buried_under_what_it_cannot_answer_in_time(slots, seconds):
    """And is kept busy all the same."""
    took, longest, _ = through(Pace(4, 64, TIMEOUT), slots=slots, seconds=seconds)
    assert longest < TIMEOUT
    assert took == pytest.approx(600 * seconds / slots)


def test_a_leap_that_went_too_far_is_taken_back():
    """Four at once are as fast as one; beyond, each more makes all slower."""
    pace = Pace(4, 64, TIMEOUT)
    limits = rounds(pace, lambda active: max(1.0, active / 4), 30)
    assert limits[0] > 32
    assert all(16 <= limit <= 33 for limit in limits[2:])


def test_an_overload_halves_it_once_and_it_grows_one_a_round_from_there():
    pace = Pace(32, 64, TIMEOUT)
    pace.active = 32
    for _ in range(32):
        pace.overloaded(started=1.0, now=2.0)
    assert pace.limit == 16
    pace.overloaded(started=3.0, now=4.0)
    assert pace.limit == 8
    assert rounds(pace, lambda active: 0.5, 3, now=5.0) == [8, 9, 10]
    for now in range(10, 30, 2):
        pace.overloaded(started=float(now), now=now + 1.0)
    assert pace.limit == 1


def test_a_limit_that_is_not_reached_does_not_grow():
    pace = Pace(4, 64, TIMEOUT)
    pace.active = 1
    for _ in range(100):
        pace.answered(0.0, 0.5)
    assert pace.limit == 4


@given(st.lists(st.tuples(st.booleans(), st.floats(0.001, 100)), max_size=200), st.integers(1, 8), st.integers(1, 64))
def test_whatever_comes_it_stays_within_its_bounds(events, start, most):
    pace, now = Pace(start, most, TIMEOUT), 0.0
    for good, latency in events:
        pace.active = int(pace.limit)
        now += latency
        (pace.answered if good else pace.overloaded)(now - latency, now)
        assert 1 <= pace.limit <= most


def test_a_breaker_opens_after_faults_in_a_row_only():
    breaker = Breaker(LIMITS)
    for now in range(2):
        breaker.fault(now, "refused")
    breaker.well()
    for now in range(2):
        breaker.fault(now, "refused")
    assert breaker.ask(2.0).go
    breaker.fault(2.0, "refused")
    assert breaker.open
    assert (breaker.faults, breaker.last) == (3, "refused")


def opened(*, answered_before, hopeless=False):
    breaker = Breaker(LIMITS)
    if answered_before:
        breaker.well()
    for _ in range(3):
        breaker.fault(100.0, "refused", hopeless=hopeless)
    return breaker


def test_a_server_that_answered_before_is_waited_for_and_probed_by_one_request():
    breaker = opened(answered_before=True)
    assert breaker.ask(101.0).wait == pytest.approx(4.0)
    assert breaker.ask(105.0).go
    assert breaker.ask(105.0).wait  # the probe is under way
    breaker.fault(106.0, "refused")
    assert breaker.ask(107.0).wait == pytest.approx(4.0)
    assert breaker.ask(111.0).go
    breaker.well()
    assert breaker.ask(111.0).go
    assert not breaker.open


def test_it_is_not_waited_for_longer_than_an_outage():
    breaker = opened(answered_before=True)
    assert breaker.ask(161.0).go
    verdict = breaker.ask(161.0)
    assert (verdict.go, verdict.wait) == (False, None)


@pytest.mark.parametrize(("answered_before", "hopeless"), [(False, False), (True, True)])
def test_a_server_that_never_answered_or_bars_us_is_not_waited_for(answered_before, hopeless):
    breaker = opened(answered_before=answered_before, hopeless=hopeless)
    verdict = breaker.ask(101.0)
    assert (verdict.go, verdict.wait) == (False, None)
    assert breaker.ask(105.0).go  # but looked after


def test_a_probe_that_is_taken_back_leaves_room_for_another():
    breaker = opened(answered_before=True)
    assert breaker.ask(105.0).go
    breaker.undecided()
    assert breaker.ask(105.0).go


@pytest.mark.parametrize(
    ("repetition", "least", "most"), [(0, 0.25, 0.5), (1, 0.5, 1.0), (4, 4.0, 8.0), (99, 15.0, 30.0)]
)
def test_waits_double_up_to_a_bound_and_are_spread(repetition, least, most):
    chance = random.Random(7)
    waits = [backoff(repetition, LimitSettings(), chance) for _ in range(200)]
    assert all(least <= wait <= most for wait in waits)
    assert max(waits) - min(waits) > 0.8 * (most - least)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 13:00:30 +0100"}, 30.0),
        ({"retry-after": "Sunday, 22-Nov-26 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sun Nov 22 12:00:30 2026"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_every_way_to_say_how_long(headers, seconds):
    assert retry_after(headers, datetime(2026, 11, 22, 12, tzinfo=UTC)) == seconds


@given(st.text(max_size=40))
def test_no_header_is_more_than_not_understood(said):
    found = retry_after({"retry-after": said})
    assert found is None or found >= 0


@pytest.mark.parametrize("wrong", [{"start": 0}, {"dead_after": 0}, {"patience": -1}, {"outage": float("inf")}])
def test_figures_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LimitSettings(**wrong)
