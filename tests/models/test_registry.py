import pickle

import pytest
from models_tiny import CONTENT, tiny, tiny_registry

from clinspan.errors import ModelError
from clinspan.models.registry import HubSource, WheelSource, entries, find, path_of, read_registry


def test_every_entry_can_be_fetched_and_says_what_it_is():
    assert "smollm2-135m-instruct" in entries()
    for model in entries().values():
        assert model.about.endswith(".")
        assert model.licence
        for file in model.files:
            assert file.sources
            assert file.bytes > 0
            for source in file.sources:
                # A version or a commit: never whatever is newest today.
                if isinstance(source, WheelSource):
                    assert "==" in source.package
                elif isinstance(source, HubSource):
                    assert len(source.revision) == 40


def test_find_offers_the_nearest_name():
    with pytest.raises(ModelError, match="Did you mean 'smollm2-135m-instruct'"):
        find("smollm2-135m-instrukt")


def test_path_of_a_model_that_is_not_pulled_says_the_command():
    with pytest.raises(ModelError, match="clinspan models pull smollm2-135m-instruct") as caught:
        path_of("smollm2-135m-instruct")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_path_of_names_each_file(cache):
    model = find("all-minilm-l6-v2")
    model.folder.mkdir(parents=True)
    for file in model.files:
        with (model.folder / file.name).open("wb") as sparse:
            sparse.truncate(file.bytes)
    assert path_of("all-minilm-l6-v2") == cache / "models" / "all-minilm-l6-v2" / "model.onnx"
    assert path_of("all-minilm-l6-v2", "tokenizer.json").name == "tokenizer.json"
    assert [file.name for file in model.damaged()] == ["model.onnx", "tokenizer.json"]
    with pytest.raises(ModelError, match=r"Did you mean 'tokenizer.json'"):
        path_of("all-minilm-l6-v2", "tokeniser.json")


def test_a_file_cut_short_is_missing_and_one_changed_is_damaged():
    model = tiny()
    model.folder.mkdir(parents=True)
    path = model.folder / "tiny.gguf"
    path.write_bytes(CONTENT[:-1])
    assert model.missing() == list(model.files)
    path.write_bytes(CONTENT[:-1] + b"x")
    assert model.missing() == []
    assert model.damaged() == list(model.files)
    path.write_bytes(CONTENT)
    assert model.damaged() == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[tiny", "not TOML"),
        (tiny_registry().replace('licence = "Apache-2.0"', ""), "'licence' is missing"),
        (tiny_registry().replace('"llm"', '"lm"'), "unknown kind 'lm'"),
        (tiny_registry().replace('sha256 = "', 'sha256 = "Z'), "64 lower-case hexadecimal digits"),
        (tiny_registry().replace('"tiny.gguf"', '"../tiny.gguf"'), "cannot be a model file's name"),
    ],
)
def test_a_registry_that_is_wrong_is_refused(text, fault):
    with pytest.raises(ModelError, match=fault):
        read_registry(text, where="tiny.toml")
