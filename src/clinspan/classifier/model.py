"""A token classifier: an encoder with its tokenizer and what its outputs mean, read window by window.

And the mentions and values that follow from what it says of a window.

`TorchClassifier` runs in transformers and can be trained; `OnnxClassifier` runs what was exported from one, and needs
no torch.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinspan.classifier.scheme import (
    AttributeHead,
    Floats,
    Found,
    Head,
    Lattice,
    Unit,
    considered,
    decode,
    lattice,
    together,
    units,
)
from clinspan.document import Attributes, Entity, Span
from clinspan.errors import MissingExtra, ModelError
from clinspan.messages import CopyConstraint
from clinspan.models import OnnxModel
from clinspan.text.placeholders import without_placeholders


@dataclass(frozen=True, slots=True)
class WindowTags:
    """What the encoder says of one window: its units, and for each the log-probabilities of a head's tags.

    Attributes:
        values: for each attribute the log-probabilities of its values, a row for each unit.
    """

    units: tuple[Unit, ...]
    tags: Floats
    values: Mapping[str, Floats] = field(default_factory=dict)


def mentions(
    reading: WindowTags, head: Head, constraint: CopyConstraint, attributes: Sequence[AttributeHead] = ()
) -> list[Entity]:
    """The mentions of the constraint's labels, in text order, with their probabilities.

    The constraint's biases are added to the log-score of each mention they name, before all ways through the window are
    compared.
    """
    if not reading.units:
        return []
    entities = []
    for found in _decided(lattice(reading.tags), reading.units, head.labels, constraint):
        label = head.labels[found.label]
        if label in constraint.labels:
            said = _values(reading, range(found.first, found.end), label, attributes)
            entities.append(_entity(found, reading.units, label, constraint.text, said))
    return entities


def described_mentions(readings: Sequence[WindowTags], constraint: CopyConstraint) -> list[Entity]:
    """The mentions of labels that were each read by its description, in text order, with their probabilities.

    The readings are of one window, one for each of the constraint's labels in their order. Each says for itself what is
    inside and what is outside; the odds of its mentions against its own outside are compared, and the best set of
    mentions that do not overlap is taken.
    """
    found = readings[0].units
    if not found:
        return []
    scored = together([lattice(reading.tags) for reading in readings])
    return [
        _entity(one, found, constraint.labels[one.label], constraint.text, {})
        for one in _decided(scored, found, constraint.labels, constraint)
    ]


def _decided(scored: Lattice, found: Sequence[Unit], labels: Sequence[str], constraint: CopyConstraint) -> list[Found]:
    """The best mentions of a lattice, under the constraint's biases and candidates, and those to be considered too."""
    scored.mentions += constraint.open_bias
    scored.mentions += np.array([constraint.label_bias.get(label, 0.0) for label in labels])
    _use_candidates(scored, found, labels, constraint)
    _part_at_blank_lines(scored, found, constraint.text)
    best = decode(scored)
    if constraint.consider is None:
        return best
    return sorted({*best, *considered(scored, constraint.consider)}, key=lambda one: (one.first, -one.end, one.label))


def _entity(one: Found, found: Sequence[Unit], label: str, text: str, said: Mapping[str, tuple[str, float]]) -> Entity:
    span = Span(found[one.first].span.start, found[one.end - 1].span.end)
    values = Attributes({name: value for name, (value, _) in said.items()})
    scores = tuple((name, score) for name, (_, score) in said.items())
    return Entity(span, label, span.of(text), one.score, attributes=values, attribute_scores=scores)


def values_at(
    reading: WindowTags, spans: Sequence[tuple[Span, str]], attributes: Sequence[AttributeHead]
) -> list[dict[str, tuple[str, float]]]:
    """What the attributes' heads say of mentions that are given.

    Args:
        spans: in the window, each with its label.

    Returns:
        For each of them the value of each attribute that its label has, with its probability; nothing where the encoder
        has no unit there.
    """
    found: list[dict[str, tuple[str, float]]] = []
    for span, label in spans:
        covered = [i for i, unit in enumerate(reading.units) if unit.span.overlaps(span)]
        found.append(_values(reading, covered, label, attributes) if covered else {})
    return found


def _values(
    reading: WindowTags, covered: Sequence[int], label: str, attributes: Sequence[AttributeHead]
) -> dict[str, tuple[str, float]]:
    """The value that the units of a mention say together, and its probability, for each attribute of its label."""
    said = {}
    for attribute in attributes:
        if label in attribute.labels:
            # The mean of the units' log-probabilities: they speak of one mention, and are not independent.
            means = reading.values[attribute.name][list(covered)].mean(axis=0)
            shares = np.exp(means - np.logaddexp.reduce(means))
            best = int(shares.argmax())
            said[attribute.name] = (attribute.values[best], min(1.0, float(shares[best])))
    return said


def _part_at_blank_lines(scored: Lattice, units: Sequence[Unit], text: str) -> None:
    """Lets no mention run over a blank line: what stands above one and below it is never one phrase."""
    for number, (before, after) in enumerate(pairwise(units)):
        if text.count("\n", before.span.end, after.span.start) > 1:
            for first in range(max(0, number - scored.mentions.shape[1] + 2), number + 1):
                scored.mentions[first, number + 1 - first :] = -np.inf


def _use_candidates(scored: Lattice, units: Sequence[Unit], labels: Sequence[str], constraint: CopyConstraint) -> None:
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
                if label in labels:
                    allowed[first, last - first, labels.index(label)] = True
    scored.mentions[~allowed] = -np.inf
    scored.mentions += constraint.candidate_bias


Encoded = tuple[list[int], tuple[Unit, ...]]
"""A window as the classifier reads it: the ids of its tokens, and its units."""


def after(description: Sequence[int], window: Encoded) -> Encoded:
    """A window with a description before it, as an encoder that reads descriptions was taught.

    Args:
        description: its tokens, without special ones.
        window: encoded alone; its first token stands for the beginning, and its last one separates.
    """
    ids, found = window
    shift = len(description) + 1
    moved = tuple(unit if unit.token is None else Unit(unit.span, unit.token + shift) for unit in found)
    return [ids[0], *description, ids[-1], *ids[1:]], moved


_PADDED_POSITIONS = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "luke"})


class TokenClassifier(ABC):
    """Gives every unit of a text the log-probabilities of its tags.

    Args:
        heads: what the model's outputs mean.
        attributes: what those after the heads mean.
        context: tokens that fit into one window.
        outputs: how many the model has.

    Raises:
        ModelError: when the heads are not the model's.
    """

    def __init__(
        self, heads: tuple[Head, ...], attributes: tuple[AttributeHead, ...], *, context: int, outputs: int
    ) -> None:
        needed = attributes[-1].end if attributes else heads[-1].end
        if outputs != needed:
            raise ModelError(f"the model has {outputs} outputs, and its labels need {needed}")
        self.heads, self.attributes, self.context = heads, attributes, context

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, without those that every window has around it."""

    @abstractmethod
    def tokens(self, text: str) -> list[int]:
        """The ids of a text, without special tokens."""

    @abstractmethod
    def token_id(self, token: str) -> int:
        """The id of a token of the vocabulary.

        Raises:
            ModelError: when the vocabulary lacks it.
        """

    def encode(self, text: str) -> Encoded:
        """The ids of a window, whole, and its units; placeholders of removed names are blanks to it."""
        return self._encoded(without_placeholders(text))

    @abstractmethod
    def _encoded(self, text: str) -> Encoded:
        """The ids of a text and its units."""

    @abstractmethod
    def outputs(self, windows: Sequence[list[int]]) -> Sequence[NDArray[np.float32]]:
        """For each window its outputs, of shape (tokens or more, outputs)."""

    def read(self, windows: Sequence[Encoded], heads: Sequence[Head]) -> list[WindowTags]:
        """Reads encoded windows together, each with its head."""
        return [
            WindowTags(
                found,
                _log_probabilities(rows[:, head.first : head.end], found),
                {a.name: _log_probabilities(rows[:, a.first : a.end], found) for a in self.attributes},
            )
            for rows, (_, found), head in zip(self.outputs([ids for ids, _ in windows]), windows, heads, strict=True)
        ]


class TorchClassifier(TokenClassifier):
    """A model of transformers for token classification, with its fast tokenizer.

    Raises:
        ModelError: when the tokenizer gives no offsets, or the heads are not the model's.
    """

    def __init__(
        self, model: Any, tokenizer: Any, heads: tuple[Head, ...], attributes: tuple[AttributeHead, ...] = ()
    ) -> None:
        if not tokenizer.is_fast:
            raise ModelError("the tokenizer gives no offsets", expected="one with a tokenizer.json")
        known = getattr(model.config, "max_position_embeddings", None) or 512
        # Some encoders keep the first positions for padding.
        pad = getattr(model.config, "pad_token_id", None) or 0
        context = known - (pad + 1 if model.config.model_type in _PADDED_POSITIONS else 0)
        super().__init__(heads, attributes, context=context, outputs=model.config.num_labels)
        self.model, self.tokenizer = model, tokenizer

    @property
    def parameters(self) -> int:
        """How many weights the model has."""
        return sum(int(weights.numel()) for weights in self.model.parameters())

    def count_tokens(self, text: str) -> int:
        """See `TokenClassifier`."""
        return len(self.tokens(text))

    def tokens(self, text: str) -> list[int]:
        """See `TokenClassifier`."""
        return list(self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"])

    def token_id(self, token: str) -> int:
        """See `TokenClassifier`."""
        return _known(token, self.tokenizer.get_vocab().get(token))

    def _encoded(self, text: str) -> Encoded:
        encoded = self.tokenizer(text, return_offsets_mapping=True, truncation=False, verbose=False)
        return list(encoded["input_ids"]), units(text, encoded["offset_mapping"])

    def outputs(self, windows: Sequence[list[int]]) -> Sequence[NDArray[np.float32]]:
        """See `TokenClassifier`."""
        try:
            import torch
        except ModuleNotFoundError as error:
            raise MissingExtra("torch", "train", purpose="reading with an encoder") from error
        ids, mask = (torch.tensor(rows, device=self.model.device) for rows in _padded(windows, self._pad))
        with torch.inference_mode():
            found: NDArray[np.float32] = self.model(input_ids=ids, attention_mask=mask).logits.float().cpu().numpy()
        return list(found)

    @property
    def _pad(self) -> int:
        return self.tokenizer.pad_token_id or 0


class OnnxClassifier(TokenClassifier):
    """A model that was exported as ONNX (`clinspan tune-encoder --onnx`), with its `tokenizer.json`.

    Args:
        weights: the ONNX file.
        tokenizer: the tokenizer's file.
        words: tensors of the graph that its file lacks, by their names: word vectors that several models share.

    Raises:
        MissingExtra: when the packages of the extra `encoders` are not installed.
        ModelError: when a file is not what it should be, or the heads are not the model's.
    """

    def __init__(
        self,
        weights: Path,
        tokenizer: Path,
        heads: tuple[Head, ...],
        attributes: tuple[AttributeHead, ...] = (),
        *,
        words: Mapping[str, NDArray[Any]] | None = None,
        context: int = 512,
        threads: int | None = None,
    ) -> None:
        opened = OnnxModel.opened(
            weights,
            tokenizer,
            purpose="an encoder as ONNX",
            words=words,
            wanted=("CUDAExecutionProvider", "CPUExecutionProvider"),
        )
        self._opened, self._session, self._tokenizer = opened, opened.session, opened.tokenizer
        self._tokenizer.no_truncation()
        self._threads = threads or os.cpu_count() or 1
        self._alone = opened.session.get_providers()[0] == "CPUExecutionProvider"
        super().__init__(heads, attributes, context=context, outputs=self._session.get_outputs()[0].shape[-1])

    def count_tokens(self, text: str) -> int:
        """See `TokenClassifier`."""
        return len(self.tokens(text))

    def tokens(self, text: str) -> list[int]:
        """See `TokenClassifier`."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def token_id(self, token: str) -> int:
        """See `TokenClassifier`."""
        return _known(token, self._tokenizer.token_to_id(token))

    def _encoded(self, text: str) -> Encoded:
        encoded = self._tokenizer.encode(text)
        return list(encoded.ids), units(text, encoded.offsets)

    def outputs(self, windows: Sequence[list[int]]) -> Sequence[NDArray[np.float32]]:
        """See `TokenClassifier`."""
        # With 8-bit weights a row depends a little on what is read with it. On processors each is as fast alone, and an
        # answer then depends neither on other windows nor on the number of threads.
        share = 1 if self._alone else len(windows)
        parts = [windows[at : at + share] for at in range(0, len(windows), share)]
        with ThreadPoolExecutor(min(self._threads, len(parts))) as threads:
            return [row for rows in threads.map(self._run, parts) for row in rows]

    def _run(self, windows: Sequence[list[int]]) -> NDArray[np.float32]:
        ids, mask = (np.array(rows, dtype=np.int64) for rows in _padded(windows, 0))
        (found,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return np.asarray(found, dtype=np.float32)


def _known(token: str, number: int | None) -> int:
    if number is None:
        raise ModelError(f"the vocabulary has no token {token}")
    return number


def _padded(windows: Sequence[list[int]], pad: int) -> tuple[list[list[int]], list[list[int]]]:
    """Ids and mask of the windows, each filled up to the longest."""
    longest = max(len(ids) for ids in windows)
    rows = [ids + [pad] * (longest - len(ids)) for ids in windows]
    return rows, [[1] * len(ids) + [0] * (longest - len(ids)) for ids in windows]


def _log_probabilities(logits: NDArray[Any], found: Sequence[Unit]) -> NDArray[np.float64]:
    """A row for each unit; all tags are equally likely where the encoder has no token for it."""
    rows = np.zeros((len(found), logits.shape[1]), dtype=np.float64)
    for i, unit in enumerate(found):
        if unit.token is not None:
            rows[i] = logits[unit.token]
    highest = rows.max(axis=1, keepdims=True) if len(rows) else rows
    shifted = rows - highest
    normalised: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised
