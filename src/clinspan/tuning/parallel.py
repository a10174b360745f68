"""Several processes that train one adapter: each takes its share of every batch, and gradients are added up.

Used when the processes were started together (`torchrun`): one for each GPU, or one for each core of a busy machine,
where a single process with several threads waits at every operation for the slowest of them.
"""

import os
from collections.abc import Sequence
from datetime import timedelta

import torch
import torch.distributed as dist

from clinspan.tuning.pairs import PairTokens


def join() -> int:
    """Joins the group that the launcher describes in the environment; the process's rank, 0 when it is alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # The others wait while process 0 validates.
    dist.init_process_group(backend, timeout=timedelta(hours=2))
    return rank()


def rank() -> int:
    """This process's number in the group, 0 when it is alone; process 0 writes and reports."""
    return int(dist.get_rank()) if dist.is_initialized() else 0


def leave() -> None:
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
