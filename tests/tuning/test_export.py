import pytest

from clinspan.errors import InputError, ModelError
from clinspan.tuning.export import Shape, from_gguf, rotary_rows, to_gguf

SHAPE = Shape("llama", 2, 4, 2)


def test_rows_of_a_head_are_interleaved():
    assert rotary_rows(8, 2) == [0, 2, 1, 3, 4, 6, 5, 7]
    assert rotary_rows(6, 1) == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize(("rows", "heads"), [(6, 2), (8, 0), (5, 1)])
def test_rows_that_are_no_heads(rows, heads):
    with pytest.raises(ValueError, match="heads"):
        rotary_rows(rows, heads)


def test_rows_are_those_of_the_reference_layout():
    np = pytest.importorskip("numpy")
    rows = np.arange(9 * 64)
    reference = rows.reshape(9, 2, 32).swapaxes(1, 2).reshape(-1)
    assert rotary_rows(9 * 64, 9) == reference.tolist()


def adapter():
    np = pytest.importorskip("numpy")
    random = np.random.default_rng(1)
    made = {}
    for module, rows in (("self_attn.q_proj", 32), ("self_attn.k_proj", 16), ("mlp.down_proj", 32)):
        for layer in range(2):
            name = f"base_model.model.model.layers.{layer}.{module}"
            made[f"{name}.lora_A.weight"] = random.normal(size=(4, 32)).astype(np.float16).astype(np.float32)
            made[f"{name}.lora_B.weight"] = random.normal(size=(rows, 4)).astype(np.float16).astype(np.float32)
    return made


def test_an_adapter_comes_back_as_it_was_written(tmp_path):
    pytest.importorskip("gguf", reason="needs the extra 'train'")
    to_gguf(adapter(), tmp_path / "a.gguf", shape=SHAPE, alpha=8, name="a")
    back = from_gguf(tmp_path / "a.gguf", shape=SHAPE, alpha=8)
    assert back.keys() == adapter().keys()
    assert all((back[name] == array).all() for name, array in adapter().items())
    halved = from_gguf(tmp_path / "a.gguf", shape=SHAPE, alpha=16)
    for name, array in adapter().items():
        assert (halved[name] == (array / 2 if "lora_B" in name else array)).all()


def test_query_rows_are_moved_in_the_file(tmp_path):
    gguf = pytest.importorskip("gguf", reason="needs the extra 'train'")
    to_gguf(adapter(), tmp_path / "a.gguf", shape=SHAPE, alpha=8, name="a")
    reader = gguf.GGUFReader(tmp_path / "a.gguf")
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    ours = adapter()["base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight"]
    assert (tensors["blk.1.attn_q.weight.lora_b"] == ours[rotary_rows(32, 4)]).all()
    assert (tensors["blk.1.ffn_down.weight.lora_b"] == list(adapter().values())[-1]).all()
    assert reader.get_field("adapter.lora.alpha").contents() == 8
    assert reader.get_field("general.type").contents() == "adapter"


def test_architectures_and_matrices_without_a_place(tmp_path):
    pytest.importorskip("gguf", reason="needs the extra 'train'")
    with pytest.raises(ModelError, match="no GGUF layout"):
        to_gguf(adapter(), tmp_path / "a.gguf", shape=Shape("mamba", 2, 4, 2), alpha=8, name="a")
    odd = {"base_model.model.model.layers.0.conv.lora_A.weight": next(iter(adapter().values()))}
    with pytest.raises(ModelError, match="no place"):
        to_gguf(odd, tmp_path / "a.gguf", shape=SHAPE, alpha=8, name="a")
    assert list(tmp_path.glob("*.gguf")) == []


def test_a_file_that_is_no_adapter(tmp_path):
    pytest.importorskip("gguf", reason="needs the extra 'train'")
    (tmp_path / "a.gguf").write_bytes(b"nothing of the kind" * 9)
    with pytest.raises(InputError, match="not a GGUF"):
        from_gguf(tmp_path / "a.gguf", shape=SHAPE, alpha=8)
