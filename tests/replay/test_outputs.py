"""What clinspan finds is what it found when the recording was made: see tools/replay.py."""

from pathlib import Path

import pytest

import replay

RECORDING = Path(__file__).parent / "recording"


@pytest.mark.parametrize("way", replay.WAYS)
def test_outputs_are_those_recorded(way, tmp_path):
    if missing := replay.WAYS[way].missing():
        pytest.skip(f"{way} is not compared: {missing}")
    assert replay.differences(way, RECORDING, tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({}, False),
        ({"score": 0.91}, False),
        ({"score": 0.97}, True),
        ({"start": 4}, True),
        ({"concepts": ["D1"]}, True),
        (None, True),
    ],
)
def test_models_may_differ_in_scores_by_the_tolerance(changes, differs):
    entity = {"start": 3, "end": 7, "label": "disease", "score": 0.9, "concepts": []}
    now = [] if changes is None else [{**entity, **changes}]
    unsure = {"start": 10, "end": 12, "label": "disease", "score": 0.55, "concepts": []}
    told = replay.nearly({"id": "a", "entities": [entity, unsure]}, {"id": "a", "entities": now}, 0.03)
    assert bool(list(told)) is differs


def test_marks_are_stripped_from_notes(tmp_path):
    (tmp_path / "a.txt").write_text("# note: x, y\nHe has [[gout|problem|present]] and [[CT|test]].\n# note: z, y\nb\n")
    texts = replay.parts.texts(replay.SAMPLES, tmp_path)
    assert (texts["a-1"], texts["a-2"]) == ("He has gout and CT.\n", "b\n")
