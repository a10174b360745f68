"""Our label sets: every mark closes and has a label of its set, and faults are named."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from passages import SETS, SetError, own_set

FOLDERS = sorted(SETS.iterdir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_set_of_ours_is_sound(folder):
    group = own_set(folder)
    assert len(group.passages) >= 20
    assert sum(not passage.places for passage in group.passages) >= 2
    for label, wording in group.wordings.items():
        assert sum(len(passage.places.get(label, ())) for passage in group.passages) >= 7, label
        assert len(wording.definitions[0].split()) >= 6, label
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
