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


def save(trainer: Trainer, folder: Path, *, run: dict[str, Any], small: bool = False) -> None:
    """Writes the checkpoint `folder`; what was there stays until the new one is whole.

    Masters are kept in fp32 and the optimizer's moments in bf16, which halves the file and costs nothing measurable.

    Args:
        trainer: the run.
        folder: the checkpoint's own folder.
        run: what a resumed run must share with this one (base, settings, data).
        small: a third of the size, to be kept or sent after a run: weights in half precision and, of the optimizer's
            state, the second moments alone, as the means of their rows and columns (Adafactor, Shazeer and Stern 2018).

    Raises:
        OutputError: when it cannot be written, on a full disk say; the last checkpoint is then untouched.
    """
    new, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        kept = torch.float16 if small else torch.float32
        save_file({name: m.detach().to(kept) for name, m in trainer.masters.items()}, new / _WEIGHTS)
        save_file(_factors(trainer) if small else _moments(trainer), new / _OPTIMIZER)
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


def _factors(trainer: Trainer) -> dict[str, torch.Tensor]:
    factors: dict[str, torch.Tensor] = {}
    for name, master in trainer.masters.items():
        second = trainer.optimizer.state.get(master, {}).get("exp_avg_sq")
        if second is not None:
            factors[f"rows/{name}"] = second.mean(dim=1)
            factors[f"columns/{name}"] = second.mean(dim=0)
    return factors


def _state(saved: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    """One matrix's moments, from either kind of checkpoint; empty before the first step."""
    if f"exp_avg/{name}" in saved:
        return {"exp_avg": saved[f"exp_avg/{name}"].float(), "exp_avg_sq": saved[f"exp_avg_sq/{name}"].float()}
    if f"rows/{name}" in saved:
        rows, columns = saved[f"rows/{name}"], saved[f"columns/{name}"]
        # A matrix that never had a gradient has a mean of 0.
        second = torch.outer(rows, columns) / rows.mean().clamp(min=torch.finfo(torch.float32).tiny)
        return {"exp_avg": torch.zeros_like(second), "exp_avg_sq": second}
    return {}


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
            if state_of := _state(moments, name):
                trainer.optimizer.state[master] = {"step": torch.tensor(float(progress.step)), **state_of}
    trainer.progress = progress
    trainer.publish()
