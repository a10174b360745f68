"""Mentions like others, and those that stand in a text."""

import pytest
from select_pool import example, mentions

from clinspan.examples.pool import MentionIndex

INDEX = MentionIndex(
    mentions(
        [
            example("a", "<d:breast cancer>"),
            example("b", "<d:ovarian cancer> and <d:Breast cancers>"),
            example("c", "<d:cancer of the lung>, <d:gout>"),
            example("d", "<d:acute renal failure>"),
        ]
    )
)


def test_an_equal_normal_form_is_most_alike_then_shared_words_by_their_rarity() -> None:
    hits = INDEX.alike("Breast-cancer")
    assert [hit.index for hit in hits] == [0, 1, 2]
    assert [hit.likeness for hit in hits[:2]] == [1.0, 1.0]
    assert 0.1 <= hits[2].likeness < 1
    assert [hit.index for hit in INDEX.alike("chronic renal failure")] == [3]
    assert INDEX.alike("asthma") == INDEX.alike("...") == []


def test_of_two_mentions_of_an_example_the_more_alike_counts() -> None:
    (hit,) = [hit for hit in INDEX.alike("ovarian cancer") if hit.index == 1]
    assert (hit.likeness, hit.mention) == (1.0, "ovarian cancer")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Gout, then Cancers of the Lung.", ["Gout", "Cancers of the Lung"]),
        ("A cancer of the breast.", []),
        ("Her breast cancer, her BREAST CANCER", ["breast cancer", "BREAST CANCER"]),
        ("", []),
    ],
)
def test_the_pools_mentions_are_found_in_a_text(text, found) -> None:
    assert INDEX.standing_in(text) == found
