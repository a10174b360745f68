import hashlib
import json

import pytest

from clinspan.errors import InputError, ModelError
from clinspan.llms.base import Traits
from clinspan.models import adapters

BASE = b"weights"


@pytest.fixture
def folder(tmp_path):
    content = b"an adapter"
    card = {
        "name": "mine",
        "adapter": {"sha256": hashlib.sha256(content).hexdigest()},
        "base": {"name": "small", "sha256": hashlib.sha256(BASE).hexdigest()},
        "label_sets": [["disease"], ["chemical", "disease"]],
        "format": "tanl",
        "prompt_style": "brief",
        "facts": False,
    }
    (tmp_path / "adapter.gguf").write_bytes(content)
    (tmp_path / "card.json").write_text(json.dumps(card))
    return tmp_path


@pytest.mark.parametrize(
    ("names", "covered"),
    [
        (["disease"], True),
        (["disease", "chemical"], True),
        (["chemical"], False),
        (["disease", "gene"], False),
        ([], False),
    ],
)
def test_which_labels_an_adapter_covers(folder, names, covered):
    assert adapters.read(folder).covers(names) is covered


def test_a_folder_or_its_file_is_named(folder):
    assert adapters.read(folder) == adapters.read(folder / "adapter.gguf")


def test_an_adapter_brings_what_its_scores_mean_for_each_set_of_labels(folder):
    assert adapters.read(folder).calibrations() == {}
    (folder / "calibration").mkdir()
    (folder / "calibration" / "chemical+disease.toml").write_text("open_bias = 1")
    traits = Traits(calibrations=adapters.read(folder).calibrations())
    assert traits.calibration(["disease", "chemical"]) == "open_bias = 1"
    assert traits.calibration(["disease"]) is None


def test_an_adapter_file_without_a_card(folder, tmp_path):
    assert adapters.beside(folder / "adapter.gguf") == adapters.read(folder)
    assert adapters.beside(tmp_path / "elsewhere" / "adapter.gguf") is None


def test_another_base_is_refused(folder, tmp_path):
    base = tmp_path / "base.gguf"
    base.write_bytes(BASE)
    adapters.read(folder).check_base(base)
    base.write_bytes(b"others")
    with pytest.raises(ModelError, match=r"'mine' was trained on another base than base\.gguf.*expected small"):
        adapters.read(folder).check_base(base)


def test_a_damaged_or_missing_file_is_noticed(folder):
    adapters.read(folder).check_file()
    (folder / "adapter.gguf").write_bytes(b"an adaptor")
    with pytest.raises(ModelError, match="checksum"):
        adapters.read(folder).check_file()
    (folder / "adapter.gguf").unlink()
    with pytest.raises(ModelError, match="missing"):
        adapters.read(folder).check_file()


@pytest.mark.parametrize("content", ["{", "[]", '{"name": "a"}'])
def test_a_card_that_is_none(folder, content):
    (folder / "card.json").write_text(content)
    with pytest.raises(InputError, match="not an adapter's card"):
        adapters.read(folder)


def test_a_folder_without_a_card(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        adapters.read(tmp_path)


def test_every_shipped_adapter_is_whole_small_and_found_by_its_labels():
    for adapter in adapters.shipped():
        adapter.check_file()
        assert adapter.path.stat().st_size <= 12_000_000
        for names in adapter.label_sets:
            assert adapters.for_labels(names) is not None
            assert adapters.for_labels(names, base_sha256="0" * 64) is None


def test_labels_that_no_adapter_knows():
    assert adapters.for_labels(["weather"]) is None
