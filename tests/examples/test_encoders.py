"""Encoders: MiniLM as it is pulled, folders in Hugging Face's layout, and what their folders say of themselves."""

import json
import shutil
from importlib.util import find_spec

import numpy as np
import pytest

from clinspan.errors import ConfigError, InputError, MissingExtra, ModelError
from clinspan.examples.embed import batches, open_encoder, recipe_of
from clinspan.models.registry import path_of

TEXTS = [
    "The patient has a heart attack.",
    "Myocardial infarction was diagnosed.",
    "She walked the dog in the rain.",
    "Gout.",
]


@pytest.fixture(scope="session")
def minilm():
    """The folder of the pulled encoder, or skips the test and says how to get it."""
    for package in ("onnxruntime", "tokenizers"):
        if find_spec(package) is None:
            pytest.skip("needs the extra 'encoders'")
    try:
        path_of("all-minilm-l6-v2", "tokenizer.json")
        return path_of("all-minilm-l6-v2").parent
    except ModelError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """A folder with a BERT of two layers and random weights."""
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            pytest.skip(f"needs the extra 'train' ({package} is not installed)")
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bert") / "tiny-bert"
    folder.mkdir()
    words = sorted({word.lower().strip(".") for text in TEXTS for word in text.split()})
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *words]))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=64, hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=16,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def state(folder, pooling):
    """A folder's own word on its pooling, as sentence-transformers writes it."""
    (folder / "1_Pooling").mkdir(exist_ok=True)
    modes = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
    about = {f"pooling_mode_{mode}": name == pooling for name, mode in modes.items()}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(about))
    return folder


@pytest.mark.model
def test_minilm_puts_what_means_the_same_together(minilm):
    encoder = open_encoder("minilm")
    vectors = encoder.encode(TEXTS)
    assert (encoder.name, encoder.pooling, encoder.dimension) == ("minilm", "mean", 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    alike = vectors @ vectors.T
    assert alike[0, 1] > 0.5 > 0.2 > alike[0, 2]
    assert encoder.encode([]).shape == (0, 384)


@pytest.mark.model
def test_a_vector_does_not_hang_on_its_batch(minilm):
    encoder = open_encoder("minilm")
    together = encoder.encode([*TEXTS, "word " * 600])
    alone = np.concatenate([encoder.encode([text]) for text in [*TEXTS, "word " * 600]])
    assert np.allclose(together, alone, atol=1e-5)


@pytest.mark.model
def test_a_folder_with_an_onnx_file_is_an_encoder(minilm, tmp_path):
    (tmp_path / "onnx").mkdir()
    shutil.copy(minilm / "model.onnx", tmp_path / "onnx")
    shutil.copy(minilm / "tokenizer.json", tmp_path)
    with pytest.raises(ConfigError, match="--pooling mean, cls or pooler"):
        open_encoder(str(tmp_path))
    vectors = open_encoder(str(tmp_path), pooling="mean").encode(TEXTS)
    assert np.allclose(vectors, open_encoder("minilm").encode(TEXTS), atol=1e-6)
    first = open_encoder(str(tmp_path), pooling="cls")
    assert not np.allclose(first.encode(TEXTS), vectors, atol=0.1)
    assert first.identity != open_encoder(str(tmp_path), pooling="mean").identity
    with pytest.raises(ConfigError, match="outputs last_hidden_state"):
        open_encoder(str(tmp_path), pooling="pooler")
    (tmp_path / "onnx" / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="not an ONNX model"):
        open_encoder(str(tmp_path), pooling="mean")


def test_minilm_has_one_pooling(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="trained with the pooling 'mean'"):
        open_encoder("minilm", pooling="cls")
    monkeypatch.setenv("CLINSPAN_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="clinspan models pull all-minilm-l6-v2"):
        open_encoder("minilm")


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_the_poolings_are_what_transformers_gives_for_one_text(tiny_bert, pooling):
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(tiny_bert), AutoModel.from_pretrained(tiny_bert).eval()
    expected = []
    for text in TEXTS:
        with torch.inference_mode():
            output = model(**tokenizer(text, return_tensors="pt"))
        states = output.last_hidden_state[0]
        row = {"mean": states.mean(0), "cls": states[0], "pooler": output.pooler_output[0]}[pooling]
        expected.append((row / row.norm()).numpy())
    encoder = open_encoder(str(tiny_bert), pooling=pooling)
    assert encoder.dimension == 24
    assert encoder.encode(TEXTS) == pytest.approx(np.stack(expected), abs=1e-5)
    assert encoder.encode(["gout " * 100]).shape == (1, 24)


def test_a_pooling_layer_without_weights_is_an_error(tiny_bert, tmp_path):
    from transformers import AutoTokenizer, BertModel

    folder = tmp_path / "bare"
    BertModel.from_pretrained(tiny_bert, add_pooling_layer=False).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    with pytest.raises(ConfigError, match="no pooling layer of its own"):
        open_encoder(str(folder), pooling="pooler")
    assert open_encoder(str(folder), pooling="mean").encode(TEXTS).shape == (4, 24)


def test_the_folders_own_pooling_is_used(tmp_path):
    assert recipe_of(state(tmp_path, "cls"), None).pooling == "cls"
    assert recipe_of(tmp_path, "cls").pooling == "cls"
    with pytest.raises(ConfigError, match=r"--pooling mean, but .* 'cls'.*1_Pooling|1_Pooling.*--pooling mean"):
        recipe_of(tmp_path, "mean")


def test_a_pooling_that_is_not_supported_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="pooling_mode_max_tokens"):
        recipe_of(state(tmp_path, "max"), None)
    with pytest.raises(ConfigError, match="no pooling 'max'"):
        recipe_of(tmp_path, "max")
    (tmp_path / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Dense"}]))
    with pytest.raises(ConfigError, match="layer 'Dense'"):
        recipe_of(state(tmp_path, "mean"), None)


@pytest.mark.parametrize(
    ("file", "content", "longest"),
    [
        ("sentence_bert_config.json", {"max_seq_length": 128}, 128),
        ("config.json", {"max_position_embeddings": 514}, 512),
        ("config.json", {"max_position_embeddings": 256}, 256),
        ("other.json", {}, 512),
    ],
)
def test_longer_texts_are_cut_where_the_encoder_ends(tmp_path, file, content, longest):
    (tmp_path / file).write_text(json.dumps(content))
    assert recipe_of(state(tmp_path, "mean"), None).max_tokens == longest


def test_a_folder_that_is_none_is_an_error(tmp_path):
    with pytest.raises(InputError, match="is not the folder of an encoder"):
        open_encoder(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="holds no weights"):
        open_encoder(str(state(tmp_path, "mean")))


def test_missing_packages_are_named(tmp_path, monkeypatch):
    (state(tmp_path, "mean") / "model.onnx").touch()
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"'\.\[encoders\]'"):
        open_encoder(str(tmp_path))
    (tmp_path / "model.onnx").unlink()
    (tmp_path / "model.safetensors").touch()
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"'\.\[train\]'"):
        open_encoder(str(tmp_path))


def test_batches_hold_every_text_once_and_stay_small():
    lengths = [5, 900, 1, 30, 30, 31, 7]
    found = list(batches(lengths, 64))
    assert sorted(index for batch in found for index in batch) == list(range(7))
    assert all(len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 64 for batch in found)
