"""Checkpoints: an adapter, its optimizer's state and a run's progress, replaced as a whole or not at all."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from clinspan.errors import InputError, ModelError, OutputError
from clinspan.tuning.lora import Progress, Trainer

_WEIGHTS, _OPTIMIZER, _STATE = "weights.safetensors", "optimizer.safetensors", "state.json"


def save(trainer: Trainer, folder: Path, *, run: dict[str, Any]) -> None:
    """Writes the checkpoint `folder`; what was there stays until the new one is whole.

    Masters are kept in fp32 and the optimizer's moments in bf16, which halves the file and costs nothing measurable.

    Args:
        trainer: the run.
        folder: the checkpoint's own folder.
        run: what a resumed run must share with this one (base, settings, data).

    Raises:
        OutputError: when it cannot be written, on a full disk say; the last checkpoint is then untouched.
    """
    new, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        save_file({name: m.detach() for name, m in trainer.masters.items()}, new / _WEIGHTS)
        save_file(_moments(trainer), new / _OPTIMIZER)
        state = {"progress": asdict(trainer.progress), "run": run}
        (new / _STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(new, ignore_errors=True)
        raise OutputError(f"the checkpoint cannot be written: {error}", where=str(folder)) from error


def _moments(trainer: Trainer) -> dict[str, torch.Tensor]:
    moments: dict[str, torch.Tensor] = {}
    for name, master in trainer.masters.items():
        state = trainer.optimizer.state.get(master, {})
        for moment in ("exp_avg", "exp_avg_sq"):
            if moment in state:
                moments[f"{moment}/{name}"] = state[moment].to(torch.bfloat16)
    return moments


def load(trainer: Trainer, folder: Path, *, run: dict[str, Any]) -> None:
    """Puts a checkpoint's weights, optimizer state and progress into `trainer`.

    Raises:
        InputError: when there is none or it is damaged.
        ModelError: when it was made for another base or adapter shape.
    """
    if not folder.exists() and folder.with_name(folder.name + ".old").exists():
        folder = folder.with_name(folder.name + ".old")
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        weights, moments = load_file(folder / _WEIGHTS), load_file(folder / _OPTIMIZER)
        progress = Progress(**state["progress"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"is not a whole checkpoint: {error}", where=str(folder)) from error
    for key, value in state["run"].items():
        if key in run and run[key] != value:
            raise ModelError(
                f"the checkpoint has {key} {value!r}, and this run {run[key]!r}",
                where=str(folder),
                fix="Resume with the same settings, or start anew in another folder.",
            )
    shapes = {name: tuple(w.shape) for name, w in weights.items()}
    if shapes != {name: tuple(m.shape) for name, m in trainer.masters.items()}:
        raise ModelError("the checkpoint's adapter is of another shape than the model's", where=str(folder))
    with torch.no_grad():
        for name, master in trainer.masters.items():
            master.copy_(weights[name])
            if f"exp_avg/{name}" in moments:
                trainer.optimizer.state[master] = {
                    "step": torch.tensor(float(progress.step)),
                    "exp_avg": moments[f"exp_avg/{name}"].float(),
                    "exp_avg_sq": moments[f"exp_avg_sq/{name}"].float(),
                }
    trainer.progress = progress
    trainer.publish()
