import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.classifier.scheme import Head, Segment, head_for, heads, names_of
from clinspan.errors import ConfigError

DISEASE = Head(("disease",))
BOTH = Head(("chemical", "disease"), 5)


@pytest.mark.parametrize(
    ("segments", "tags"),
    [
        ([], "O O O O"),
        ([Segment(1, 2, "disease")], "O S-disease O O"),
        ([Segment(0, 2, "disease")], "B-disease E-disease O O"),
        ([Segment(0, 4, "disease")], "B-disease I-disease I-disease E-disease"),
        ([Segment(0, 1, "disease"), Segment(1, 4, "disease")], "S-disease B-disease I-disease E-disease"),
    ],
)
def test_the_tags_of_mentions(segments, tags):
    assert " ".join(DISEASE.tags[i] for i in DISEASE.encode(segments, 4)) == tags


def test_a_head_starts_where_the_one_before_it_ends():
    assert heads([["disease"], ["chemical", "disease"]]) == (DISEASE, BOTH)
    assert heads([["chemical", "disease"], ["disease", "chemical"]]) == (Head(("chemical", "disease")),)
    assert [BOTH.first, BOTH.end] == [5, 14]
    assert BOTH.encode([Segment(0, 1, "disease")], 2) == [13, 5]


@pytest.mark.parametrize(
    ("segments", "fault"),
    [
        ([Segment(0, 2, "disease"), Segment(1, 3, "disease")], "overlap"),
        ([Segment(3, 5, "disease")], "not among 4"),
        ([Segment(2, 2, "disease")], "not among 4"),
        ([Segment(0, 1, "gene")], "'gene' has no tags; expected disease"),
    ],
)
def test_what_tags_cannot_say_is_refused(segments, fault):
    with pytest.raises(ConfigError, match=fault):
        DISEASE.encode(segments, 4)


@pytest.mark.parametrize(
    ("asked", "head"),
    [(["disease"], DISEASE), (["disease", "chemical"], BOTH), (["chemical"], BOTH)],
)
def test_the_head_that_was_tuned_for_just_these_labels_answers(asked, head):
    assert head_for((DISEASE, BOTH), asked) == head


def test_labels_that_no_head_has_together_are_refused():
    with pytest.raises(ConfigError, match="not tuned for gene together; expected disease or chemical, disease"):
        head_for((DISEASE, BOTH), ["gene"])


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True), min_size=1, max_size=4))
def test_every_output_has_a_name_of_its_own(sets):
    made = heads(sets)
    names = names_of(made)
    assert len(names) == len(set(names)) == made[-1].end
