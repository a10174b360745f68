"""The loss of a classifier with several heads: each token is judged by every head that has a target for it."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from clinspan.classifier.scheme import AttributeHead, Head
from clinspan.errors import ModelError
from clinspan.tuning.encoder.rows import IGNORED


class HeadLoss:
    """Cross-entropy among the outputs of one head, summed over the heads; those without a target gain nothing.

    Args:
        heads: of the classifier, then those of its attributes, in the order of the targets.

    Attributes:
        mean: running mean of the last steps' loss.
    """

    def __init__(self, heads: Sequence[Head | AttributeHead]):
        self.mean = math.nan
        self._heads = tuple(heads)

    def __call__(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        """The loss of a batch, as transformers' Trainer asks for it; labels have the shape (rows, n, heads).

        Raises:
            ModelError: when it is no longer a number.
        """
        known = labels != IGNORED
        summed = outputs.logits.sum(dtype=torch.float32) * 0
        for number, head in enumerate(self._heads):
            asked = known[..., number]
            targets = labels[..., number][asked] - head.first
            logits = outputs.logits[asked][:, head.first : head.end].float()
            summed = summed + torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
        count = max(1, int(known.sum()))
        value = float(summed.detach()) / count
        if not math.isfinite(value):
            raise ModelError(
                "the loss is no longer a number",
                fix="Go on from the last checkpoint with a lower --learning-rate, in another folder.",
            )
        self.mean = value if math.isnan(self.mean) else 0.98 * self.mean + 0.02 * value
        return summed / (num_items_in_batch if num_items_in_batch is not None else count)
