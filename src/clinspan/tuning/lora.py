"""Trains a LoRA adapter with transformers and peft, on the decoder's choices or on whole answers.

Weights and adapter are held in bf16 where the processor is fast in it; the optimizer keeps fp32 masters of the adapter.

Several processes may train one adapter: each takes its share of every batch, and gradients are added up. That is so
where they were started together (`torchrun`): one for each GPU, or one for each core of a busy machine, where a single
process with several threads waits at every operation for the slowest of them.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from clinspan.errors import InputError, ModelError, OutputError
from clinspan.tuning.gold import PairTokens, batches
from clinspan.tuning.run import LoraSettings, LossKind, Schedule, check_same


def join_processes() -> int:
    """Joins the group that the launcher describes in the environment; the process's rank, 0 when it is alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # The others wait while process 0 validates.
    dist.init_process_group(backend, timeout=timedelta(hours=2))
    return process_number()


def process_number() -> int:
    """This process's number in the group, 0 when it is alone; process 0 writes and reports."""
    return int(dist.get_rank()) if dist.is_initialized() else 0


def leave_processes() -> None:
    """Leaves the group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def agree(*values: float) -> tuple[float, ...]:
    """The largest of each value over all processes, so that all decide alike."""
    if not dist.is_initialized():
        return values
    device = "cuda" if torch.cuda.is_available() else "cpu"
    together = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(together, dist.ReduceOp.MAX)
    return tuple(together.tolist())


def share(members: Sequence[PairTokens]) -> list[PairTokens]:
    """This process's part of a batch: every n-th by length, so that all have nearly the same work."""
    if not dist.is_initialized():
        return list(members)
    ordered = sorted(members, key=lambda m: len(m.ids))
    return ordered[dist.get_rank() :: dist.get_world_size()]


def add_up(weights: Sequence[torch.Tensor], total: float) -> float:
    """Adds the weights' gradients over all processes, in place, and gives the sum of `total`."""
    if not dist.is_initialized():
        return total
    grads = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
    flat = torch.cat([*(grad.reshape(-1) for grad in grads), grads[0].new_tensor([total])])
    dist.all_reduce(flat)
    at = 0
    for weight, grad in zip(weights, grads, strict=True):
        weight.grad = flat[at : at + grad.numel()].view_as(grad)
        at += grad.numel()
    return float(flat[-1])


PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(slots=True)
class TrainingProgress:
    """Where a run stands; saved with every checkpoint.

    Attributes:
        batch: optimizer steps done in this epoch.
        seconds: of training, over all resumed runs.
        loss: running mean of the last steps' loss.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    loss: float = float("nan")
    tokens: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def attach(base: Any, settings: LoraSettings) -> PeftModel:
    """The base with a fresh adapter on all projections; only the adapter is trained."""
    torch.manual_seed(settings.seed)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules=list(PROJECTIONS),
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(base, config, autocast_adapter_dtype=False)
    model.config.use_cache = False
    return model


class Trainer:
    """One run: the model, the optimizer over fp32 masters, and how far it is."""

    def __init__(self, model: PeftModel, settings: LoraSettings, schedule: Schedule):
        self.model = model
        self.settings = settings
        self.schedule = schedule
        self.progress = TrainingProgress()
        self.stopping = False
        """Set to end the run after the step that is under way."""
        self.weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.masters = {name: p.detach().float().clone().requires_grad_() for name, p in self.weights.items()}
        self.optimizer = torch.optim.AdamW(
            list(self.masters.values()), lr=schedule.peak, betas=(0.9, 0.99), weight_decay=settings.weight_decay
        )

    def train(self, epoch: Callable[[int], Sequence[PairTokens]]) -> Iterator[TrainingProgress]:
        """Trains until the schedule ends, giving the progress after every step; `epoch(n)` gives the n-th pass's pairs.

        Raises:
            ModelError: when the loss is not a finite number; the weights are then those before the step.
        """
        progress, settings = self.progress, self.settings
        started = time.monotonic() - progress.seconds
        while True:
            pairs = epoch(progress.epoch)
            order = batches([len(p.ids) for p in pairs], settings.batch, seed=settings.seed + progress.epoch)
            while progress.batch < len(order):
                seconds = time.monotonic() - started
                seconds, stop = agree(seconds, float(self.stopping))
                done = self.schedule.done(step=progress.step, seconds=seconds)
                if done >= 1 or stop:
                    return
                members = [pairs[i] for i in order[progress.batch]]
                loss = self._step(members, self.schedule.rate(done))
                progress.step += 1
                progress.batch += 1
                progress.seconds = seconds
                progress.tokens += sum(len(p.ids) for p in members)
                progress.loss = loss if progress.loss != progress.loss else 0.98 * progress.loss + 0.02 * loss
                yield progress
            progress.epoch += 1
            progress.batch = 0

    def _step(self, members: Sequence[PairTokens], rate: float) -> float:
        parts = _parts(share(members), self.settings.tokens)
        count = sum(len(p.decisions) if self.settings.loss == "choices" else len(p.ids) - p.prompt for p in members)
        total = 0.0
        for part in parts:
            loss = batch_loss(self.model, part, self.settings.loss) / max(count, 1)
            loss.backward()
            total += loss.item()
            for name, weight in self.weights.items():
                master = self.masters[name]
                if weight.grad is not None:
                    grad = weight.grad.float()
                    master.grad = grad if master.grad is None else master.grad + grad
                    weight.grad = None
        total = add_up(list(self.masters.values()), total)
        norm = torch.nn.utils.clip_grad_norm_(self.masters.values(), self.settings.clip)
        if not (torch.isfinite(norm) and total == total):
            self.optimizer.zero_grad()
            raise ModelError(
                f"the loss is {total} at step {self.progress.step + 1}: training has diverged",
                fix="The last checkpoint is from before that. Go on from it with a lower --learning-rate.",
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.publish()
        return total

    def arrays(self) -> dict[str, Any]:
        """The adapter's matrices as fp32 arrays of numpy, by peft's names."""
        return {name: master.detach().cpu().numpy() for name, master in self.masters.items()}

    def put(self, arrays: Mapping[str, Any]) -> None:
        """Replaces the adapter's matrices by those of another of the same shape, `arrays` being by module and side.

        Raises:
            ModelError: when it lacks one, or one has another shape.
        """
        with torch.no_grad():
            for name, master in self.masters.items():
                given = arrays.get(name.replace(".default.", "."))
                if given is None or tuple(given.shape) != tuple(master.shape):
                    raise ModelError(
                        f"the adapter to start from has no {name!r} of shape {tuple(master.shape)}",
                        expected="an adapter of the same base, rank and projections",
                    )
                master.copy_(torch.from_numpy(given))
        self.publish()

    def save_peft(self, folder: Path) -> None:
        """Writes the adapter as peft keeps it, for transformers and vLLM.

        Raises:
            OutputError: when it cannot be written.
        """
        try:
            self.model.save_pretrained(str(folder))
        except (OSError, SafetensorError) as error:
            raise OutputError(f"the adapter cannot be written: {error}", where=str(folder)) from error

    def publish(self) -> None:
        """Copies the masters into the model's own weights."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(self.masters[name])


def _parts(members: Sequence[PairTokens], limit: int) -> Iterator[list[PairTokens]]:
    """The members in groups whose padded size stays within `limit` tokens."""
    part: list[PairTokens] = []
    widest = 0
    for member in members:
        wider = max(widest, len(member.ids))
        if part and wider * (len(part) + 1) > limit:
            yield part
            part, wider = [], len(member.ids)
        part.append(member)
        widest = wider
    if part:
        yield part


def batch_loss(model: PeftModel, members: Sequence[PairTokens], kind: LossKind) -> torch.Tensor:
    """The summed loss over the members' choices, or over their answers' tokens. Shape ()."""
    width = max(len(m.ids) for m in members)
    # Padding lies to the right, where causal attention never looks from a real token: no mask is needed.
    device = next(model.parameters()).device
    ids = torch.tensor([[*m.ids, *[0] * (width - len(m.ids))] for m in members], device=device)
    network = model.get_base_model()
    if getattr(network.config, "final_logit_softcapping", None) or getattr(network.config, "logits_scaling", None):
        raise ModelError(
            f"the architecture {network.config.model_type!r} changes its logits, which clinspan does not support"
        )
    hidden = network.base_model(input_ids=ids, use_cache=False).last_hidden_state
    head = network.get_output_embeddings().weight
    if kind == "answer":
        rows = [(i, at, m.ids[at + 1]) for i, m in enumerate(members) for at in range(m.prompt - 1, len(m.ids) - 1)]
        where = torch.tensor(rows, device=device)
        logits = hidden[where[:, 0], where[:, 1]] @ head.T
        return torch.nn.functional.cross_entropy(logits.float(), where[:, 2], reduction="sum")
    return choice_losses(hidden, head, members).sum()


def choice_losses(hidden: torch.Tensor, head: torch.Tensor, members: Sequence[PairTokens]) -> torch.Tensor:
    """The loss of each decision of the members in order, of shape (decisions,).

    Args:
        hidden: the network's last states, (members, tokens, width).
        head: the output embedding, (vocabulary, width).
    """
    made = [(i, d) for i, m in enumerate(members) for d in m.decisions]
    if not made:
        return hidden.sum(dtype=torch.float32).reshape(1) * 0
    most = max(len(d.others) for _, d in made)
    device = hidden.device
    tokens = torch.tensor([[d.right, *d.others, *[-1] * (most - len(d.others))] for _, d in made], device=device)
    places = torch.tensor([(i, d.at) for i, d in made], device=device)
    states = hidden[places[:, 0], places[:, 1]]
    logits = torch.einsum("nw,naw->na", states, head[tokens.clamp(min=0)]).float()
    logits = logits.masked_fill(tokens < 0, float("-inf"))
    return torch.nn.functional.cross_entropy(logits, torch.zeros_like(places[:, 0]), reduction="none")


_WEIGHTS, _OPTIMIZER, _STATE = "weights.safetensors", "optimizer.safetensors", "state.json"


def save_checkpoint(trainer: Trainer, folder: Path, *, run: dict[str, Any], small: bool = False) -> None:
    """Writes the checkpoint `folder`; what was there stays until the new one is whole.

    Masters are kept in fp32 and the optimizer's moments in bf16, which halves the file and costs nothing measurable.

    Args:
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


def load_checkpoint(trainer: Trainer, folder: Path, *, run: dict[str, Any]) -> None:
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
        progress = TrainingProgress(**state["progress"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"is not a whole checkpoint: {error}", where=str(folder)) from error
    check_same(state["run"], run, folder)
    shapes = {name: tuple(w.shape) for name, w in weights.items()}
    if shapes != {name: tuple(m.shape) for name, m in trainer.masters.items()}:
        raise ModelError("the checkpoint's adapter is has another shape than the model's", where=str(folder))
    with torch.no_grad():
        for name, master in trainer.masters.items():
            master.copy_(weights[name])
            if state_of := _state(moments, name):
                trainer.optimizer.state[master] = {"step": torch.tensor(float(progress.step)), **state_of}
    trainer.progress = progress
    trainer.publish()
