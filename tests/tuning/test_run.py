import json
import math
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from clinspan.errors import ConfigError, InputError, ModelError, OutputError
from clinspan.evaluation.score import score
from clinspan.formats import by_name
from clinspan.models import adapters
from clinspan.tuning.epochs import EpochSettings
from clinspan.tuning.run import LoraSettings, RunSettings
from tuning.sample import BOTH, document, gold

SETTINGS = RunSettings(
    lora=LoraSettings(rank=4, alpha=8, batch=4),
    epochs=EpochSettings(notes=0, keep_empty=1),
    learning_rate=0.02,
    passes=8,
)


@pytest.fixture
def opened(tiny_llama, corpus, tmp_path):
    """Makes runs of the tiny model, in folders of `tmp_path`."""
    from clinspan.tuning.lora_run import open_run

    def make(folder="out", *, data=corpus, form="tanl", settings=SETTINGS, **options):
        return open_run(
            str(tiny_llama), [data], form=by_name(form), output=tmp_path / folder, settings=settings, **options
        )

    return make


def weights(run):
    return {name: array.copy() for name, array in run.trainer.arrays().items()}


def steps(run, number):
    taken = run.train()
    return [next(taken).loss for _ in range(number)]


@pytest.mark.parametrize(("loss", "left"), [("choices", 0.8), ("answer", 0.97)])
def test_a_run_learns_and_leaves_an_adapter_with_its_card(opened, loss, left):
    run = opened(settings=replace(SETTINGS, lora=replace(SETTINGS.lora, loss=loss)))
    from clinspan.tuning.lora import batch_loss

    pairs = run.epochs(0).pairs
    before = batch_loss(run.trainer.model, pairs, loss).item()
    assert len(list(run.train())) == 8 * math.ceil(run.windows / 4)
    assert batch_loss(run.trainer.model, pairs, loss).item() < left * before
    adapter = adapters.read(run.output)
    adapter.check_file()
    assert adapter.base_sha256 == run.base.sha256
    assert adapter.covers(["disease"])
    assert not adapter.covers(["disease", "chemical"])
    assert adapter.card["data"][0]["mentions"] == 8
    assert 6 < adapter.card["progress"]["passes"] < 10
    assert "| gold | train | disease | 4 | 0 | 8 |" in (run.output / "README.md").read_text()
    assert (run.output / "peft" / "adapter_model.safetensors").is_file()


def test_a_resumed_run_ends_where_an_unbroken_one_does(opened):
    whole = opened("whole")
    list(whole.train())
    broken = opened("broken")
    for progress in broken.train():
        if progress.step == 9:
            broken.stop()
    assert progress.step == 9
    again = opened("broken", resume=True)
    assert again.trainer.progress.step == 9
    list(again.train())
    assert again.trainer.progress.step == whole.trainer.progress.step
    for name, array in weights(whole).items():
        # Only the optimizer's moments were rounded on the way.
        assert abs(array - weights(again)[name]).max() < 0.02, name


def test_a_run_that_is_over_leaves_a_small_checkpoint_to_go_on_from(opened):
    short = opened(settings=replace(SETTINGS, passes=4))
    list(short.train())
    done = short.trainer.progress.step
    folder = short.output / "checkpoint"
    longer = opened(resume=True)
    assert longer.trainer.progress.step == done
    for name, array in weights(longer).items():
        assert abs(array - weights(short)[name]).max() < 1e-3, name
    for master in longer.trainer.masters.values():
        twin = next(m for n, m in short.trainer.masters.items() if longer.trainer.masters[n] is master)
        kept = longer.trainer.optimizer.state[master]["exp_avg_sq"]
        whole = short.trainer.optimizer.state[twin]["exp_avg_sq"]
        assert kept.sum().item() == pytest.approx(whole.sum().item(), rel=1e-3)
    small = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    list(longer.train())
    assert longer.trainer.progress.step == 2 * done
    broken = opened("broken")
    for progress in broken.train():
        if progress.step == 9:
            broken.stop()
    whole_size = sum(f.stat().st_size for f in (broken.output / "checkpoint").glob("*.safetensors"))
    assert small < 0.6 * whole_size


def test_a_run_can_begin_with_an_adapter(opened):
    first = opened("first")
    list(first.train())
    second = opened("second", settings=replace(SETTINGS, passes=1))
    second.start_from(first.output / "adapter.gguf")
    for name, array in weights(second).items():
        assert abs(array - weights(first)[name]).max() < 1e-3, name
    with pytest.raises(ConfigError, match="GGUF"):
        opened("third", start_from=first.output)


def test_a_loss_that_is_no_number_stops_and_leaves_the_checkpoint(opened):
    run = opened()
    for progress in run.train():
        if progress.step == 3:
            run.stop()
    before = (run.output / "checkpoint" / "weights.safetensors").read_bytes()
    again = opened(resume=True)
    for master in again.trainer.masters.values():
        master.data.fill_(float("nan"))
    again.trainer.publish()
    with pytest.raises(ModelError, match=r"diverged.*lower --learning-rate"):
        list(again.train())
    assert (run.output / "checkpoint" / "weights.safetensors").read_bytes() == before


def test_a_full_disk_leaves_the_last_checkpoint(opened, monkeypatch):
    from clinspan.tuning import lora

    run = opened()
    steps(run, 3)
    lora.save_checkpoint(run.trainer, run.output / "checkpoint", run=run.identity)
    steps(run, 2)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lora, "save_file", full)
        with pytest.raises(OutputError, match="No space left"):
            lora.save_checkpoint(run.trainer, run.output / "checkpoint", run=run.identity)
    again = opened(resume=True)
    assert again.trainer.progress.step == 3
    assert [path.name for path in run.output.iterdir()] == ["checkpoint"]


def test_a_checkpoint_of_another_run_is_refused(opened):
    for progress in (run := opened()).train():
        if progress.step == 2:
            run.stop()
    with pytest.raises(ModelError, match="rank 4"):
        opened(resume=True, settings=replace(SETTINGS, lora=replace(SETTINGS.lora, rank=8)))
    other = gold(document("1", "{chemical:lithium} for {mania}."), labels=BOTH)
    with pytest.raises(ModelError, match="data"):
        opened(resume=True, data=replace(other, sha256="1" * 64))
    (run.output / "checkpoint" / "state.json").write_text("{")
    with pytest.raises(InputError, match="not a whole checkpoint"):
        opened(resume=True)


def test_the_last_whole_checkpoint_is_found_where_a_new_one_was_being_put_in_place(opened):
    for progress in (run := opened()).train():
        if progress.step == 2:
            run.stop()
    (run.output / "checkpoint").rename(run.output / "checkpoint.old")
    assert opened(resume=True).trainer.progress.step == 2


def test_the_best_adapter_is_kept_and_patience_ends_the_run(opened, corpus, monkeypatch):
    from clinspan.tuning import epochs

    reached = iter([1, 3, 2, 2, 0])
    seen = []

    def scored(base, adapter, held, **_):
        seen.append(adapter.read_bytes())
        right = next(reached)
        found = [replace(doc, entities=doc.entities if i < right else ()) for i, doc in enumerate(corpus.documents)]
        return score(corpus.documents, found, labels=corpus.labels.names)

    monkeypatch.setattr(epochs, "strict_score", scored)
    run = opened(settings=replace(SETTINGS, validate_minutes=1e-9, patience=2))
    run.held, run.gguf = epochs.Held(corpus), Path("base.gguf")
    list(run.train())
    # Two validations without a gain end it, and the last step is scored like the others.
    assert run.trainer.progress.step == 4
    assert len(seen) == 5
    assert (run.output / "adapter.gguf").read_bytes() == seen[1]
    (kept,) = adapters.read(run.output).card["scores"]
    assert kept["strict"]["all"]["recall"] == 0.75


def test_validation_after_so_many_passes(opened, corpus, monkeypatch):
    from clinspan.tuning import epochs

    monkeypatch.setattr(epochs, "strict_score", lambda *_, **__: score(corpus.documents, corpus.documents))
    run = opened(settings=replace(SETTINGS, passes=3, validate_at=(0.5, 2), validate_minutes=1e-9))
    run.held, run.gguf = epochs.Held(corpus), Path("base.gguf")
    list(run.train())
    rows = [json.loads(line) for line in (run.output / "log.jsonl").read_text().splitlines()]
    validated = [row["passes"] for row in rows if "f1" in row]
    steps = -(-run.windows // run.settings.lora.batch)
    # The first step that reaches each, and the end; the clock, which is always due here, is not asked.
    assert validated == [round(-(-steps // 2) / steps, 3), 2.0, 3.0]
    assert run.passes == 3


def test_validation_before_the_start_is_refused():
    with pytest.raises(ConfigError, match="after -1 passes"):
        replace(SETTINGS, validate_at=(-1.0,))


def test_an_output_folder_is_not_overwritten(opened, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    with pytest.raises(OutputError, match="not empty"):
        opened()
    with pytest.raises(InputError, match="no checkpoint"):
        opened(resume=True)
    assert opened(force=True).windows


def test_every_window_too_long_for_the_context(opened):
    with pytest.raises(InputError, match="no window is left"):
        opened(settings=replace(SETTINGS, epochs=replace(SETTINGS.epochs, max_tokens=12)))


def test_an_adapter_is_tuned_over_a_base_in_four_bits(tiny_llama, corpus, tmp_path):
    if find_spec("bitsandbytes") is None:
        pytest.skip("needs the extra 'qlora' (bitsandbytes is not installed)")
    import shutil

    from transformers import AutoConfig, AutoModelForCausalLM

    from clinspan.tuning.lora import batch_loss
    from clinspan.tuning.lora_run import open_run

    # Four-bit weights are kept in blocks of 64, which the tiny model's matrices are too small for.
    base = tmp_path / "base"
    shutil.copytree(tiny_llama, base)
    wide = AutoConfig.from_pretrained(base, hidden_size=64, intermediate_size=128)
    wide.head_dim = wide.hidden_size // wide.num_attention_heads
    AutoModelForCausalLM.from_config(wide).save_pretrained(base)
    run = open_run(str(base), [corpus], form=by_name("tanl"), output=tmp_path / "out", settings=SETTINGS, four_bit=True)
    kinds = {type(module).__name__ for module in run.base.model.modules()}
    assert "Linear4bit" in kinds
    before = batch_loss(run.trainer.model, run.epochs(0).pairs, "choices").item()
    list(run.train())
    assert batch_loss(run.trainer.model, run.epochs(0).pairs, "choices").item() < before
    adapters.read(run.output).check_file()


def test_a_gguf_base_is_not_held_in_four_bits(smollm2, tmp_path):
    if find_spec("transformers") is None:
        pytest.skip("needs the extra 'train' (transformers is not installed)")
    from clinspan.tuning.base import load_base

    with pytest.raises(ConfigError, match="four bits"):
        load_base(smollm2, four_bit=True)


def test_a_base_that_is_not_there(tiny_llama, tmp_path):
    from clinspan.tuning.base import load_base

    with pytest.raises(InputError, match="neither a GGUF file nor a folder"):
        load_base(tmp_path / "none")
    with pytest.raises(InputError, match=r"config\.json"):
        load_base(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_base(tmp_path)


def test_padding_and_parts_do_not_change_the_loss(opened):
    import torch

    from clinspan.tuning.lora import batch_loss

    run = opened()
    pairs = run.epochs(0).pairs[:6]
    assert len({len(pair.ids) for pair in pairs}) > 1
    for kind in ("choices", "answer"):
        together = batch_loss(run.trainer.model, pairs, kind)
        apart = sum(batch_loss(run.trainer.model, [pair], kind) for pair in pairs)
        assert torch.isclose(together, apart, rtol=0.02), kind


def test_the_loss_over_choices_is_that_of_a_softmax_over_them(opened):
    import torch

    from clinspan.tuning.gold import Decision, PairTokens
    from clinspan.tuning.lora import choice_losses

    hidden = torch.randn(1, 3, 4)
    head = torch.randn(9, 4)
    tokens = PairTokens((1, 2, 3), 1, (Decision(0, 2, (5,)), Decision(2, 7, (1, 8))))
    losses = choice_losses(hidden, head, [tokens])
    logits = hidden[0] @ head.T
    assert torch.allclose(losses[0], -torch.log_softmax(logits[0, [2, 5]], 0)[0])
    assert torch.allclose(losses[1], -torch.log_softmax(logits[2, [7, 1, 8]], 0)[0])


def test_settings_that_cannot_be():
    for wrong in ({"minutes": 1.0}, {"passes": None}, {"patience": -1}, {"checkpoint_minutes": 0}):
        with pytest.raises(ConfigError):
            RunSettings(**{"passes": 1.0, **wrong})
    with pytest.raises(ConfigError):
        LoraSettings(rank=0)


def test_the_log_is_json_lines(opened):
    run = opened()
    steps(run, 1)
    run.log.add(step=1, loss=0.5)
    lines = Path(run.output / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"step": 1, "loss": 0.5}]
