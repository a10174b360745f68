"""What trainings of encoders share: batches of rows, and steps over them with Adam, in bf16 where that is fast."""

import math
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

from clinspan.tuning.base import fast_in_bfloat16

_Row = TypeVar("_Row", bound=tuple[Any, ...])


def batches(rows: Sequence[_Row], size: int, random: Random) -> list[Sequence[_Row]]:
    """Rows, which begin with their ids, with those of like length together; the batches in random order."""
    ordered = sorted(rows, key=lambda row: len(row[0]))
    found: list[Sequence[_Row]] = [ordered[at : at + size] for at in range(0, len(ordered), size)]
    random.shuffle(found)
    return found


class Training:
    """Steps that teach a classifier; its word vectors stay as they are, since they hold half of the weights.

    Args:
        classifier: as `EncoderBase.classifier` gives it.
        steps: how many there will be at most.
        kept: the share of the mean loss that a step leaves as it was.
    """

    def __init__(self, classifier: Any, *, learning_rate: float, weight_decay: float, steps: int, kept: float):
        import torch

        self.steps, self.step = steps, 0
        self._model = classifier.model.train()
        self._model.get_input_embeddings().weight.requires_grad = False
        self._taught = [weights for weights in self._model.parameters() if weights.requires_grad]
        self._optimizer = torch.optim.AdamW(self._taught, lr=learning_rate, weight_decay=weight_decay, fused=True)
        self._schedule: Any = None
        # A processor without instructions for it takes ten times as long in bf16.
        self._bfloat16 = fast_in_bfloat16()
        self._pad = classifier.tokenizer.pad_token_id
        self._started, self._mean, self._kept = time.monotonic(), math.nan, kept

    @property
    def minutes(self) -> float:
        """Since it was made."""
        return (time.monotonic() - self._started) / 60

    def pace(self, rate: Callable[[int], float]) -> None:
        """Sets what the learning rate is multiplied by, from the number of steps that were made."""
        import torch

        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, rate)

    def learn(self, rows: Sequence[Sequence[int]], loss_of: Callable[[Any, int], Any]) -> None:
        """Makes one step.

        Args:
            rows: the ids of a batch's rows, which are padded to the longest.
            loss_of: from the logits (rows, longest, outputs) and the longest length to the loss.
        """
        import torch

        longest = max(map(len, rows))
        ids = torch.tensor([[*row, *[self._pad] * (longest - len(row))] for row in rows])
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            logits = self._model(input_ids=ids, attention_mask=(ids != self._pad).long()).logits
        loss = loss_of(logits, longest)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._taught, 1.0)
        self._optimizer.step()
        self._schedule.step()
        self._optimizer.zero_grad()
        self.step += 1
        found = float(loss.detach())
        self._mean = found if math.isnan(self._mean) else self._kept * self._mean + (1 - self._kept) * found
        if self.step % 100 == 0:
            seconds = time.monotonic() - self._started
            print(f"step {self.step} of {self.steps}, loss {self._mean:.4f}, {seconds:.0f} s", flush=True)
