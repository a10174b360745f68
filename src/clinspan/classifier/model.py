"""A token classifier: an encoder of transformers with its tokenizer, read window by window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clinspan.classifier.lattice import Floats, Found, Lattice, decode, lattice
from clinspan.classifier.scheme import AttributeHead, Head, Unit, units
from clinspan.document import Entity, Span
from clinspan.errors import MissingExtra, ModelError
from clinspan.messages import CopyConstraint


@dataclass(frozen=True, slots=True)
class Reading:
    """What the encoder says of one window: its units, and for each the log-probabilities of a head's tags.

    Attributes:
        values: for each attribute the log-probabilities of its values, a row for each unit.
    """

    units: tuple[Unit, ...]
    tags: Floats
    values: Mapping[str, Floats] = field(default_factory=dict)


def mentions(
    reading: Reading, head: Head, constraint: CopyConstraint, attributes: Sequence[AttributeHead] = ()
) -> list[Entity]:
    """The mentions of the constraint's labels, in text order, with their probabilities.

    The constraint's biases are added to the log-score of each mention they name, before all ways through the window are
    compared.
    """
    if not reading.units:
        return []
    scored = lattice(reading.tags)
    scored.mentions += constraint.open_bias
    scored.mentions += np.array([constraint.label_bias.get(label, 0.0) for label in head.labels])
    _use_candidates(scored, reading.units, head, constraint)
    entities = []
    for found in decode(scored):
        label = head.labels[found.label]
        if label in constraint.labels:
            span = Span(reading.units[found.first].span.start, reading.units[found.end - 1].span.end)
            said = {a.name: _value(reading, a, found) for a in attributes if label in a.labels}
            entities.append(Entity(span, label, span.of(constraint.text), found.score, attributes=said))
    return entities


def _value(reading: Reading, attribute: AttributeHead, found: Found) -> str:
    """The value that the units of a mention say together."""
    return attribute.values[int(reading.values[attribute.name][found.first : found.end].sum(axis=0).argmax())]


def _use_candidates(scored: Lattice, units: Sequence[Unit], head: Head, constraint: CopyConstraint) -> None:
    if constraint.candidate_mode == "off":
        return
    starts = {unit.span.start: i for i, unit in enumerate(units)}
    if constraint.candidate_mode == "prefer":
        for i in {starts[c.span.start] for c in constraint.candidates if c.span.start in starts}:
            scored.mentions[i] += constraint.candidate_bias
        return
    ends = {unit.span.end: i for i, unit in enumerate(units)}
    longest = scored.mentions.shape[1]
    allowed = np.zeros_like(scored.mentions, dtype=np.bool_)
    for candidate in constraint.candidates:
        first, last = starts.get(candidate.span.start), ends.get(candidate.span.end)
        if first is not None and last is not None and 0 <= last - first < longest:
            for label in candidate.labels:
                if label in head.labels:
                    allowed[first, last - first, head.labels.index(label)] = True
    scored.mentions[~allowed] = -np.inf
    scored.mentions += constraint.candidate_bias


class TokenClassifier:
    """Gives every unit of a text the log-probabilities of its tags.

    Args:
        model: transformers' model for token classification.
        tokenizer: its fast tokenizer.
        heads: what the model's outputs mean.
        attributes: what those after the heads mean.

    Raises:
        ModelError: when the tokenizer gives no offsets, or the heads are not the model's.
    """

    def __init__(self, model: Any, tokenizer: Any, heads: tuple[Head, ...], attributes: tuple[AttributeHead, ...] = ()):
        if not tokenizer.is_fast:
            raise ModelError("the tokenizer knows no offsets", expected="one with a tokenizer.json")
        needed = attributes[-1].end if attributes else heads[-1].end
        if model.config.num_labels != needed:
            raise ModelError(f"the model has {model.config.num_labels} outputs, and its labels need {needed}")
        self.model, self.tokenizer, self.heads, self.attributes = model, tokenizer, heads, attributes
        known = getattr(model.config, "max_position_embeddings", None) or 512
        # Some encoders keep the first positions for padding.
        pad = getattr(model.config, "pad_token_id", None) or 0
        self.context: int = known - (pad + 1 if model.config.model_type in _PADDED_POSITIONS else 0)

    @property
    def parameters(self) -> int:
        """How many weights the model has."""
        return sum(int(weights.numel()) for weights in self.model.parameters())

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, without those that every window has around it."""
        return len(self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"])

    def encode(self, text: str) -> tuple[list[int], tuple[Unit, ...]]:
        """The ids of a window, whole, and its units."""
        encoded = self.tokenizer(text, return_offsets_mapping=True, truncation=False, verbose=False)
        return list(encoded["input_ids"]), units(text, encoded["offset_mapping"])

    def read(self, windows: Sequence[tuple[list[int], tuple[Unit, ...]]], heads: Sequence[Head]) -> list[Reading]:
        """Reads encoded windows in one pass, each with its head."""
        try:
            import torch
        except ModuleNotFoundError as error:
            raise MissingExtra("torch", "train", purpose="reading with an encoder") from error
        longest = max(len(ids) for ids, _ in windows)
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row, _ in windows], device=self.model.device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row, _ in windows], device=ids.device)
        with torch.inference_mode():
            logits = self.model(input_ids=ids, attention_mask=mask).logits.float().cpu().numpy()
        return [
            Reading(
                found,
                _log_probabilities(rows[:, head.first : head.end], found),
                {a.name: _log_probabilities(rows[:, a.first : a.end], found) for a in self.attributes},
            )
            for rows, (_, found), head in zip(logits, windows, heads, strict=True)
        ]


_PADDED_POSITIONS = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "luke"})


def _log_probabilities(logits: np.ndarray[Any, Any], found: Sequence[Unit]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A row for each unit; all tags are equally likely where the encoder has no token for it."""
    rows = np.zeros((len(found), logits.shape[1]), dtype=np.float64)
    for i, unit in enumerate(found):
        if unit.token is not None:
            rows[i] = logits[unit.token]
    highest = rows.max(axis=1, keepdims=True) if len(rows) else rows
    shifted = rows - highest
    normalised: np.ndarray[Any, np.dtype[np.float64]] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised
