"""Rewritten weights answer as the original ones do, and adapters change them."""

import struct

import pytest

from clinspan.errors import ModelError
from clinspan.files import CACHE_VARIABLE
from clinspan.llms import weights
from clinspan.llms.embedded import EmbeddedLLM, EmbeddedSettings
from clinspan.llms.weights import requantised
from clinspan.messages import CopyConstraint, Message, Request

pytestmark = pytest.mark.model

TEXT = "He has had type 2 diabetes mellitus for eleven years, and denies chest pain."
REQUEST = Request(
    (Message("system", "Mark diseases as [ mention | disease ]."), Message("user", TEXT)),
    constraint=CopyConstraint(TEXT, ("disease",)),
)


@pytest.fixture
def cache(tmp_path, monkeypatch, smollm2):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def log_odds(path, **settings):
    with EmbeddedLLM(path, EmbeddedSettings(context=256, threads=1, **settings)) as llm:
        return llm.name, [boundary.log_odds for boundary in llm.open_log_odds(REQUEST)]


def test_rewritten_weights_answer_as_the_original_ones(smollm2, cache):
    name, original = log_odds(smollm2, as_shipped=True)
    faster_name, rewritten = log_odds(smollm2)
    assert (name.split(":")[2], faster_name.split(":")[2]) == ("Q4_1", "Q8_0")
    assert original != rewritten
    assert rewritten == pytest.approx(original, abs=1.5)
    (file,) = (cache / "requantised").iterdir()
    made = file.stat().st_mtime_ns
    assert requantised(smollm2, "b179c9523d0e" + "0" * 52) == file
    assert file.stat().st_mtime_ns == made


def test_models_too_large_or_wide_already_are_run_as_they_are(smollm2, cache, monkeypatch):
    wide = requantised(smollm2, "1" * 64)
    assert requantised(wide, "2" * 64) == wide
    monkeypatch.setattr(weights, "LARGEST", 1000)
    assert requantised(smollm2, "3" * 64) == smollm2


def test_a_cache_that_cannot_be_written_is_named(smollm2, cache):
    cache.mkdir()
    (cache / "requantised").write_text("in the way")
    with pytest.raises(ModelError, match="cannot be stored"):
        requantised(smollm2, "4" * 64)


def string(text):
    return struct.pack("<Q", len(text)) + text.encode()


def adapter_file(path, *, layer="blk.0.attn_q.weight", weight=0.0, width=576, rank=4):
    """A LoRA adapter in GGUF, written by its specification; its product adds `weight` squared to each entry."""
    fields = {"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora"}
    header = b"".join(string(key) + struct.pack("<I", 8) + string(value) for key, value in fields.items())
    header += string("adapter.lora.alpha") + struct.pack("<If", 6, float(rank))
    tensors = {f"{layer}.lora_a": (width, rank), f"{layer}.lora_b": (rank, width)}
    body, infos = b"", b""
    for name, shape in tensors.items():
        infos += string(name) + struct.pack("<IQQIQ", 2, *shape, 0, len(body))
        body += struct.pack(f"<{width * rank}f", *[weight] * (width * rank))
    data = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields) + 1) + header + infos
    path.write_bytes(data + b"\0" * (-len(data) % 32) + body)
    return path


def test_an_adapter_changes_the_model_by_its_scale(smollm2, tmp_path):
    name, plain = log_odds(smollm2, as_shipped=True)
    neutral = adapter_file(tmp_path / "neutral.gguf")
    strong = adapter_file(tmp_path / "strong.gguf", weight=0.2)
    neutral_name, neutral_odds = log_odds(smollm2, as_shipped=True, adapter=neutral)
    strong_name, strong_odds = log_odds(smollm2, as_shipped=True, adapter=strong)
    half_name, half_odds = log_odds(smollm2, as_shipped=True, adapter=strong, adapter_scale=0.5)
    assert neutral_odds == pytest.approx(plain, abs=1e-3)
    assert strong_odds != pytest.approx(plain, abs=0.1)
    assert half_odds != pytest.approx(strong_odds, abs=0.1)
    assert len({name, neutral_name, strong_name, half_name}) == 4
    assert strong_name.startswith(name + "+strong:")
    assert half_name == strong_name + "*0.5"


def test_an_adapter_of_another_model_is_refused(smollm2, tmp_path):
    other = adapter_file(tmp_path / "other.gguf", width=64)
    with pytest.raises(ModelError, match=r"other\.gguf: is not an adapter for this model"):
        log_odds(smollm2, as_shipped=True, adapter=other)
