"""Word vectors that several exported encoders share."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clinspan.classifier.folder import load
from clinspan.errors import ModelError
from clinspan.tuning.export import encoder_to_onnx
from clinspan.tuning.run import CHECKPOINTS, EncoderRunSettings, check_output
from tuning.sample import document, gold

TEXT = "No (ataxia) but gout-like arthritis."
TOOL = Path(__file__).parents[2] / "tools" / "share_words.py"


def exported(base, folder, *, keep, seed):
    from clinspan.tuning.base import find_base
    from clinspan.tuning.encoder_run import EncoderRun

    settings = EncoderRunSettings(learning_rate=0.01, passes=2, bfloat16=False, keep_words=keep, seed=seed)
    tuned = folder / f"tuned-{seed}"
    check_output(tuned, checkpoints=CHECKPOINTS, resume=False, force=False)
    data = [gold(document("a", "The patient had {gout} and {colon cancer}."))]
    EncoderRun(find_base(str(base)), data, output=tuned, settings=settings).train()
    encoder_to_onnx(tuned, folder / f"encoder-{seed}")
    return folder / f"encoder-{seed}"


def read(folder):
    _, classifier = load(folder)
    return classifier.read([classifier.encode(TEXT)], classifier.heads)[0].tags


def shared(*folders):
    return told("share", *folders)


def told(*asked):
    command = [sys.executable, str(TOOL), *map(str, asked)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_encoders_that_kept_their_words_share_them_and_read_as_before(tiny_encoder, tmp_path):
    pytest.importorskip("onnx", reason="needs the extra 'train'")
    first, second = (exported(tiny_encoder, tmp_path, keep=True, seed=seed) for seed in (1, 2))
    before = [read(folder) for folder in (first, second)]
    sizes = [(folder / "model.onnx").stat().st_size for folder in (first, second)]
    assert shared(first, second).returncode == 0
    (words,) = tmp_path.glob("words-*.bin")
    for folder, tags, size in zip((first, second), before, sizes, strict=True):
        assert (read(folder) == tags).all()
        assert (folder / "model.onnx").stat().st_size < size - words.stat().st_size / 2
        assert not (folder / "tokenizer.json").exists()
        assert words.name in (folder / "README.md").read_text(encoding="utf-8")

    (tokenizer,) = tmp_path.glob("tokenizer-*.json")
    kept = tokenizer.read_bytes()
    tokenizer.write_bytes(kept + b" ")
    with pytest.raises(ModelError, match="not the tokenizer that the card describes"):
        load(second)
    tokenizer.write_bytes(kept)
    words.write_bytes(words.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelError, match="not the word vectors"):
        load(first)
    words.unlink()
    with pytest.raises(ModelError, match="is missing: its word vectors"):
        load(first)


def test_one_that_shares_its_words_can_be_tuned_further(tiny_encoder, tmp_path, monkeypatch):
    pytest.importorskip("onnx", reason="needs the extra 'train'")
    from clinspan.tuning import base

    monkeypatch.setattr(base, "cache_folder", lambda: tmp_path / "cache")
    folder = exported(tiny_encoder, tmp_path, keep=True, seed=1)
    whole = base.thawed(folder)
    kept = (whole / "model.safetensors").read_bytes()
    shutil.rmtree(tmp_path / "cache")
    assert shared(folder).returncode == 0
    assert (base.thawed(folder) / "model.safetensors").read_bytes() == kept


def test_a_base_learns_with_the_words_of_another(tiny_encoder, tmp_path):
    pytest.importorskip("onnx", reason="needs the extra 'train'")
    numpy = pytest.importorskip("safetensors.numpy", reason="needs the extra 'train'")
    other = shutil.copytree(tiny_encoder, tmp_path / "other")
    weights = numpy.load_file(other / "model.safetensors")
    (name,) = (key for key in weights if key.endswith("word_embeddings.weight"))
    weights[name] += 1
    numpy.save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    assert told("lend", other, tiny_encoder, tmp_path / "base").returncode == 0
    made = numpy.load_file(tmp_path / "base" / "model.safetensors")
    before = numpy.load_file(tiny_encoder / "model.safetensors")
    assert [key for key in made if (made[key] != before[key]).any()] == [name]
    assert (made[name] == weights[name]).all()

    vocabulary = json.loads((other / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary["model"]["vocab"]["unheard"] = len(vocabulary["model"]["vocab"])
    (other / "tokenizer.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    refused = told("lend", other, tiny_encoder, tmp_path / "again")
    assert refused.returncode == 1
    assert "not the same vocabulary" in refused.stderr


def test_encoders_whose_words_were_tuned_apart_are_left_alone(tiny_encoder, tmp_path):
    pytest.importorskip("onnx", reason="needs the extra 'train'")
    folders = [exported(tiny_encoder, tmp_path, keep=False, seed=seed) for seed in (1, 2)]
    done = shared(*folders)
    assert (done.returncode, done.stderr) == (1, "these encoders have no word vectors in common\n")
    assert "words" not in json.loads((folders[0] / "card.json").read_text(encoding="utf-8"))


def test_the_stronger_base_is_what_its_authors_published(tmp_path, monkeypatch):
    """`hello world` has the vector that fastembed's tests expect of bge-small-en-v1.5, but for the 8-bit rounding."""
    torch, transformers = (
        pytest.importorskip(name, reason="needs the extra 'train'") for name in ("torch", "transformers")
    )
    pytest.importorskip("onnx", reason="needs the extra 'train'")
    from clinspan.tuning import base

    try:
        source = base.find_base(base.STRONGER).source
    except ModelError as missing:
        pytest.skip(str(missing))
    encoder = transformers.AutoModel.from_pretrained(source, add_pooling_layer=False).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    with torch.no_grad():
        vector = encoder(**tokenizer("hello world", return_tensors="pt")).last_hidden_state[0, 0]
    published = [0.01522374, -0.02271799, 0.00860278, -0.07424029, 0.00386434]
    assert torch.nn.functional.normalize(vector, dim=0)[:5].tolist() == pytest.approx(published, abs=0.006)


def test_a_base_without_its_configuration_cannot_be_tuned():
    from clinspan.tuning.base import find_base

    with pytest.raises(ModelError, match="cannot be tuned as an encoder"):
        find_base("all-minilm-l6-v2")
