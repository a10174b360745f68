"""The loss of a classifier with several heads: each token is judged by the head its right tag belongs to."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from clinspan.classifier.scheme import Head
from clinspan.errors import ModelError
from clinspan.tuning.encoder.rows import IGNORED


class HeadLoss:
    """Cross-entropy among the tags of one head; the outputs of the others neither gain nor lose.

    Args:
        heads: of the classifier.

    Attributes:
        mean: running mean of the last steps' loss.
    """

    def __init__(self, heads: Sequence[Head]):
        self.mean = math.nan
        self._outputs = heads[-1].end
        self._shut = torch.zeros(self._outputs, self._outputs, dtype=torch.bool)
        for head in heads:
            row = torch.ones(self._outputs, dtype=torch.bool)
            row[head.first : head.end] = False
            self._shut[head.first : head.end] = row

    def __call__(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        """The loss of a batch, as transformers' Trainer asks for it.

        Raises:
            ModelError: when it is no longer a number.
        """
        known = labels != IGNORED
        targets, logits = labels[known], outputs.logits[known].float()
        logits = logits.masked_fill(self._shut.to(logits.device)[targets], -math.inf)
        summed = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
        value = float(summed.detach()) / max(1, len(targets))
        if not math.isfinite(value):
            raise ModelError(
                "the loss is no longer a number",
                fix="Go on from the last checkpoint with a lower --learning-rate, in another folder.",
            )
        self.mean = value if math.isnan(self.mean) else 0.98 * self.mean + 0.02 * value
        return summed / (num_items_in_batch if num_items_in_batch is not None else max(1, len(targets)))
