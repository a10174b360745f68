"""Our label sets: every mark closes and has a label of its set, and faults are named."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from clinspan.errors import LLMError
from clinspan.labels import Label, LabelSet
from held_labels import compared, tagged, told_of
from passages import BLIND, SETS, SINGLE, Group, Passage, SetError, Wording, own_set, single

FOLDERS = sorted([*SETS.iterdir(), *BLIND.iterdir()])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_set_of_ours_is_sound(folder):
    group = own_set(folder)
    assert len(group.passages) >= 20
    assert sum(not passage.places for passage in group.passages) >= 2
    for label, wording in group.wordings.items():
        assert sum(len(passage.places.get(label, ())) for passage in group.passages) >= 7, label
        assert len(wording.definitions[0].split()) >= 3, label
    for passage in group.passages:
        places = sorted(place for found in passage.places.values() for place in found)
        assert all(one[1] <= other[0] for one, other in pairwise(places))


def test_there_are_at_least_sixty():
    assert len(FOLDERS) >= 60


@pytest.mark.parametrize("passage", ["He is on [[aspirin|statin]].", "On [[ aspirin|drug]].", "On [[aspirin|drug]"])
def test_a_wrong_mark_is_named_with_its_passage(tmp_path, passage):
    (tmp_path / "labels.toml").write_text('[[labels]]\nname = "drug"\ndefinition = "A drug."\n')
    (tmp_path / "passages.txt").write_text(f"# 01\n{passage}\n")
    with pytest.raises(SetError, match=r"passage 01"):
        own_set(tmp_path)


@pytest.mark.parametrize("path", sorted(SINGLE.glob("*.txt")), ids=lambda path: path.stem)
def test_passages_with_labels_of_their_own_are_sound(path):
    group = single(path)
    assert group.passages
    for label, (at,) in group.holding.items():
        assert all(start < end for start, end in group.passages[at].places.get(label, ()))


def test_a_mention_is_found_as_a_word_and_by_its_number(tmp_path):
    path = tmp_path / "some.txt"
    path.write_text(
        "# 1\nGout, then gout: gouty gout.\n--\n- a | One. | gout#2\n- b | All. | gout#*\n- c | None. | -\n"
    )
    group = single(path)
    assert group.passages[0].places == {"1:a": [(23, 27)], "1:b": [(11, 15), (23, 27)]}
    assert list(group.holding) == ["1:a", "1:b", "1:c"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("- a | One. | gout", "stands 2 times"),
        ("- a | One. | gout#3", "stands 2 times"),
        ("- a | One. | gout#0", "stands 2 times"),
        ("- a | One. | asthma", "'asthma' is not in the passage"),
        ("- a | gout#1", "expected '- name"),
        ("- a | One. | gout and; gout#1", "overlap"),
        ("- a | One. | -", "no label has a mention"),
    ],
)
def test_a_fault_of_a_passage_with_labels_of_its_own_is_named(tmp_path, line, said):
    path = tmp_path / "some.txt"
    path.write_text(f"# 7\nHas gout and gout.\n--\n{line}\n")
    with pytest.raises(SetError, match=r"some\.txt, passage 7: .*") as caught:
        single(path)
    assert said in str(caught.value)


def test_scores_of_several_sets_are_put_together_by_their_mentions():
    found = []
    for name, places, right in (("set:a", [(0, 4)], True), ("set:b", [(0, 4), (5, 9)], False)):
        labels = LabelSet("some", (Label("x", "What is meant."),))
        passage = Passage("gout gout", {"x": places})
        mine = {(start, end, "x") for start, end in places} if right else {(0, 4, "x"), (0, 9, "x")}
        found.append((Group(name, [passage], {}, 1.0), compared([(passage, mine)], labels)))
    first, second, both = told_of(found)
    assert first.startswith("set:a: strict 1.000 (1.000-1.000), relaxed 1.000; x 1.00")
    assert second.startswith("set:b: strict 0.500")
    # Two of three are right.
    assert both.startswith("our 2 label sets together: strict 0.667 (0.500-1.000)")


def test_a_passage_without_an_answer_counts_as_missed(monkeypatch):
    class Silent:
        def __init__(self, *given, **more): ...

        def complete(self, requests):
            return (LLMError("does not fit") for _ in requests)

    monkeypatch.setattr("held_labels.DescribedEncoder", Silent)
    told = {"x": Wording(("x",), ("What is meant.",), ("",))}
    group = Group("phee", [Passage("gout", {"x": [(0, 4)]})], told, 1.0)
    strict, _ = tagged(None, group, names=False, reworded=True)
    assert (strict.micro.gold, strict.micro.predicted) == (1, 0)
