"""What is trained on is what the embedded runtime reads and writes: the real model, through both libraries."""

from importlib.util import find_spec

import pytest

from clinspan.errors import InputError, ModelError
from clinspan.formats.tanl import Tanl
from clinspan.tuning.epochs import Epochs
from tuning.sample import DISEASE, document, gold

pytestmark = pytest.mark.model
NOTES = (
    "HISTORY:\n- {T-cell  leukaemia}, 12.5 mg/d of <|im_end|> [sic] | {AT}.",
    "Pt. w/ {naïve β-thalassaemia} — 37 °C; no {DM2}\tnor 🙂 {上皮癌}.",
)


@pytest.fixture(scope="module")
def runtime(smollm2):
    from clinspan.llms.llama import Llama

    with_model = Llama.load(smollm2, context=512, threads=1)
    yield with_model
    with_model.close()


@pytest.mark.parametrize("note", NOTES)
def test_prompt_and_answer_are_the_runtimes_tokens(base, runtime, note):
    from clinspan.llms.chat import chat_prompt

    doc = document("1", note)
    pair = Epochs([gold(doc)], form=Tanl(), tokenizer=base.tokenizer).pair(doc.text, doc.entities, DISEASE)
    assert base.tokenizer.chat(pair.messages) == chat_prompt(runtime, pair.messages).tokens
    for piece in pair.pieces:
        assert base.tokenizer.piece(piece) == runtime.tokenize(piece), piece


def test_an_exported_adapter_does_in_the_runtime_what_it_does_in_torch(base, smollm2, tmp_path, monkeypatch):
    import torch

    from clinspan.decoding.draft import Ask
    from clinspan.llms.llama import Llama
    from clinspan.tuning import export
    from clinspan.tuning.lora import Trainer, attach
    from clinspan.tuning.run import LoraSettings, Schedule

    settings = LoraSettings(rank=4, alpha=8)
    trainer = Trainer(attach(base.model, settings), settings, Schedule(1e-3, steps=1))
    torch.manual_seed(1)
    for name, master in trainer.masters.items():
        if "lora_B" in name and ("q_proj" in name or "k_proj" in name):
            master.data.normal_(std=0.3)
    trainer.publish()
    ids = base.tokenizer.tokenize("The patient was seen for ataxia-telangiectasia and later for gout.")
    some = tuple(range(0, 40000, 2000))
    with torch.no_grad():
        wanted = trainer.model(input_ids=torch.tensor([ids])).logits[0, :, list(some)]

    def distance(adapter):
        model = Llama.load(smollm2, context=128, threads=1, adapter=adapter)
        try:
            logits = model.evaluate(ids, [Ask(at, some) for at in range(len(ids))])
        finally:
            model.close()
        return (torch.tensor(logits) - wanted).abs().mean().item()

    def write(name):
        export.to_gguf(trainer.arrays(), tmp_path / name, shape=base.shape, alpha=8, name="test")
        return tmp_path / name

    right = distance(write("right.gguf"))
    monkeypatch.setattr(export, "rotary_rows", lambda rows, heads: list(range(rows)))
    # The runtime's weights and activations are quantised: what is left of a distance is that.
    assert right < 0.3 * distance(None)
    assert right < 0.3 * distance(write("rows_not_moved.gguf"))


def test_a_hub_name_that_cannot_be_had(tmp_path, monkeypatch):
    if find_spec("transformers") is None:
        pytest.skip("needs the extra 'train' (transformers is not installed)")
    from clinspan.tuning.base import load_base

    # Read when the library is imported, so that the environment says nothing any more.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises((ModelError, InputError), match="cannot be loaded"):
        load_base("hf:nobody/no-such-model")
