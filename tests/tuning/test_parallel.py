"""Several processes that train one adapter, started as users start them."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

PUBTATOR = "{0}|t|On gout.\n{0}|a|Gout and lithium in case {0}.\n{0}\t3\t7\tgout\tDisease\tD1\n\n"
LAUNCHERS = {
    "torchrun": ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m"],
    "accelerate": [
        *("-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "-m"),
    ],
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_train_the_adapter_that_one_does(launcher, tiny_llama, tmp_path):
    if find_spec(launcher.replace("torchrun", "torch")) is None:
        pytest.skip(f"needs the extra 'train' ({launcher} is not installed)")
    from gguf import GGUFReader

    corpus = tmp_path / "gold.pubtator"
    corpus.write_text("".join(PUBTATOR.format(i) for i in range(6)))

    def tuned(name, *launch):
        out = tmp_path / name
        given = ["tune", "--examples", corpus, "--labels", "disease", "--base", tiny_llama, "--epochs", "3", "-o", out]
        command = [sys.executable, *launch, "clinspan", *map(str, given), "--batch", "4"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stderr.count("6 documents, 6 mentions") == 1
        arrays = {t.name: np.array(t.data) for t in GGUFReader(out / "adapter.gguf").tensors}
        return arrays, json.loads((out / "card.json").read_text())["progress"]

    alone, progress = tuned("alone", "-m")
    together, same = tuned("together", *LAUNCHERS[launcher])
    assert same["steps"] == progress["steps"]
    assert same["tokens"] == progress["tokens"]
    assert alone.keys() == together.keys()
    assert any(np.abs(array).max() > 1e-3 for name, array in alone.items() if name.endswith("lora_b"))
    for name, array in alone.items():
        assert np.abs(array - together[name]).max() < 2e-3, name
