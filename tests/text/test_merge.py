import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import Entity, Span
from clinspan.text.windows import WindowEntities, merge

TEXT = "acute renal failure and chest pain at night"


def entity(start, end, label="P"):
    return Entity(Span(start, end), label, TEXT[start:end])


def window(span, core, *entities, read=True):
    return WindowEntities(Span(*span), Span(*core), tuple(entity(*found) for found in entities), read)


def spans(*windows):
    return [(found.start, found.end, found.label) for found in merge(windows)]


def test_an_entity_named_by_two_windows_is_reported_once():
    assert spans(window((0, 34), (0, 24), (24, 34)), window((20, 43), (24, 43), (24, 34))) == [(24, 34, "P")]


def test_the_window_that_owns_the_place_decides_a_tie():
    first, second = window((0, 34), (0, 24), (30, 34)), window((20, 43), (24, 43), (24, 34))
    assert spans(first, second) == [(24, 34, "P")]
    assert spans(window((0, 34), (0, 24), (24, 34)), window((20, 43), (24, 43))) == []


def test_agreement_of_two_outvotes_the_owner():
    owner = window((0, 43), (24, 43))
    assert spans(window((0, 40), (0, 10), (24, 34)), window((5, 43), (10, 24), (24, 34)), owner) == [(24, 34, "P")]


def test_a_window_that_was_not_read_has_no_vote():
    assert spans(window((0, 34), (0, 24), (24, 34)), window((20, 43), (24, 43), read=False)) == [(24, 34, "P")]


def test_what_only_one_window_was_shown_whole_is_kept():
    assert spans(window((0, 34), (0, 24), (24, 34)), window((26, 43), (26, 43))) == [(24, 34, "P")]


def test_nested_entities_of_one_window_are_kept():
    assert spans(window((0, 43), (0, 43), (0, 19), (6, 11, "A"))) == [(0, 19, "P"), (6, 11, "A")]


def test_two_windows_that_disagree_on_a_boundary_give_one_entity():
    # Neither window was shown both spans whole, so neither votes against the other: the longer one stays.
    assert spans(window((0, 19), (0, 12), (0, 19)), window((6, 43), (12, 43), (6, 24))) == [(0, 19, "P")]


@pytest.mark.parametrize("windows", [(), (WindowEntities(Span(0, 5), Span(0, 5)),)])
def test_nothing_gives_nothing(windows):
    assert merge(windows) == ()


@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.lists(st.tuples(st.integers(0, 14), st.integers(1, 5)), max_size=6)), max_size=5
    )
)
def test_nothing_is_reported_twice(given_windows):
    windows = []
    for index, (_, found) in enumerate(given_windows):
        span = Span(index * 8, index * 8 + 20)
        entities = {Span(span.start + at, min(span.start + at + length, span.end)) for at, length in found}
        entities = tuple(Entity(one, "P", "x" * len(one)) for one in sorted(entities))
        windows.append(WindowEntities(span, Span(index * 8, index * 8 + 8), entities))
    merged = merge(windows)
    assert len({(one.span, one.label) for one in merged}) == len(merged)
    assert merged == tuple(sorted(merged, key=lambda one: (one.start, -one.end)))
    if len(windows) == 1:
        assert set(merged) == set(windows[0].entities)
