"""What asking an LLM about a window is expected to gain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import Entity, Span
from clinspan.fusion.heard import Gain, Moved, gathered, learned, window_of

EVENLY = tuple(1.0 - number / 100 for number in range(100))
PROBABILITY = st.floats(0.0, 1.0)


@given(PROBABILITY, st.floats(0.05, 0.95), st.floats(0.0, 0.5))
def test_a_candidate_gains_what_the_best_of_both_moves_is_worth_more(p, least, reach):
    (gain,) = Gain(reach, EVENLY).of_windows(np.array([p]), least, np.array([0]), 1)
    moved = sum(max(0.0, p + move - least) for move in (reach, -reach)) / 2
    assert gain == pytest.approx(moved - max(0.0, p - least), abs=1e-12)


def test_a_window_gains_the_sum_of_its_candidates():
    gains = Gain(0.2, EVENLY).of_windows(np.array([0.4, 0.5, 0.9, 0.3]), 0.4, np.array([0, 0, 1, 3]), 4)
    assert gains == pytest.approx([0.15, 0.0, 0.0, 0.05])


def test_so_many_windows_of_the_gold_as_the_share_says_reach_what_is_asked_for():
    rng = np.random.default_rng(3)
    before = rng.uniform(size=400)
    after = np.clip(before + rng.choice([-0.15, 0.15], size=400), 0, 1)
    documents = [
        Moved(before[at : at + 8], after[at : at + 8], np.arange(8) // 2, windows=5) for at in range(0, 400, 8)
    ]
    gain = learned(documents, 0.4)
    assert gain.reach == pytest.approx(0.3, abs=0.02)
    each = np.concatenate([gain.of_windows(one.before, 0.4, one.window, 5) for one in documents])
    for share in (0.04, 0.15, 0.5):
        assert np.mean(each >= gain.worth(share)) == pytest.approx(share, abs=1 / len(each))


def test_an_llm_that_changes_nothing_gains_nothing():
    told = np.array([0.3, 0.5])
    gain = learned([Moved(told, told, np.array([0, 1]), 2)], 0.4)
    assert (gain.reach, gain.worth(0.5)) == (0.0, 0.0)


def test_candidates_begin_in_windows_and_those_of_the_llm_alone_are_left_out():
    text = "gout and rash or cough"

    def entity(start: int, end: int) -> Entity:
        return Entity(Span(start, end), "disease", text[start:end], 0.5)

    quiet = gathered([("encoder", entity(0, 4)), ("encoder", entity(9, 13))], [])
    full = gathered([("encoder", entity(0, 4)), ("llm", entity(4, 8)), ("encoder", entity(9, 13))], [Span(0, 22)])
    moved = Moved.of((quiet, np.array([0.1, 0.2])), (full, np.array([0.3, 0.9, 0.4])), [0, 9, 17])
    assert moved.after.tolist() == [0.3, 0.4]
    assert moved.window.tolist() == [0, 1]
    assert window_of(full, [2, 9]).tolist() == [0, 0, 1]


@pytest.mark.parametrize(("reach", "reached"), [(1.5, EVENLY), (-0.1, EVENLY), (0.2, EVENLY[:99]), (0.2, EVENLY[::-1])])
def test_numbers_that_are_no_gains_are_refused(reach, reached):
    with pytest.raises(ValueError):
        Gain(reach, reached)
