"""Rows to train a token classifier on: windows with a target for each head, in batches, and their loss."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import torch

from clinspan.classifier.model import TorchClassifier, after
from clinspan.classifier.scheme import ASKED, AttributeHead, Head, Unit, head_for, segments
from clinspan.document import Document, Entity
from clinspan.errors import InputError, ModelError
from clinspan.labels import Label
from clinspan.llms.encoder import LONGEST_DESCRIPTION, MOST_OTHERS, beside
from clinspan.text.windows import WindowSettings, windows
from clinspan.tuning.gold import Gold

IGNORED = -100
"""The target of tokens that say nothing: special ones, all but the first of a unit, and those of heads for which the
text was not annotated."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """What is trained on.

    Attributes:
        rows: `input_ids` of each window, n numbers, and `labels`, n lists with one target for each head.
        windows: how many windows the documents have, with those left out.
        mentions: of the documents, that tags can mark.
        lost: mentions that they cannot: those that a window's edge cuts, and the shorter of two that overlap.
    """

    rows: tuple[Row, ...]
    windows: int
    mentions: int
    lost: int
    too_long: int


def cut(max_tokens: int, sentences: int = 1) -> WindowSettings:
    """Windows without overlap, limited in tokens and sentences."""
    return WindowSettings(max_tokens=max_tokens, max_sentences=sentences, overlap_sentences=0)


def rows(
    corpora: Sequence[Gold],
    classifier: TorchClassifier,
    *,
    max_tokens: int,
    keep_empty: float,
    seed: int,
    sentences: int = 1,
) -> Rows:
    """The rows of all corpora, each with targets for the head of the labels it was annotated for.

    A text that several corpora annotate, each with labels of its own, is one row with targets for each of their heads.

    Args:
        sentences: a document is cut into windows of at most so many sentences, the number drawn for each document.

    Raises:
        InputError: when nothing is left to train on.
    """
    random = Random(seed)
    made: list[Row] = []
    count = mentions = marked = too_long = 0
    texts: dict[str, dict[int, Document]] = {}
    for gold in corpora:
        head = classifier.heads.index(head_for(classifier.heads, gold.labels.names))
        mentions += gold.mentions
        for doc in gold.documents:
            texts.setdefault(doc.text, {})[head] = doc
    for text, annotated in texts.items():
        settings = cut(max_tokens, random.randint(1, sentences))
        # Parts of a sentence that is too long for one window overlap, and may share a mention.
        places: set[tuple[int, int, int, str]] = set()
        for window in windows(text, settings, count=classifier.count_tokens):
            count += 1
            ids, units = classifier.encode(window.span.of(text))
            if len(ids) > classifier.context:
                too_long += 1
                continue
            targets = [[IGNORED] * (len(classifier.heads) + len(classifier.attributes)) for _ in ids]
            found: set[tuple[int, int, int, str]] = set()
            for head, doc in annotated.items():
                inside = [e.shift(-window.span.start) for e in doc.entities if window.span.contains(e.span)]
                for first, end, label in _mark(targets, units, classifier, head, inside):
                    found.add((head, first + window.span.start, end + window.span.start, label))
            places |= found
            if found or random.random() < keep_empty:
                made.append({"input_ids": ids, "labels": targets})
        marked += len(places)
    if not marked:
        raise InputError("no window with a mention is left to train on", fix="Give annotated documents.")
    return Rows(tuple(made), count, marked, max(0, mentions - marked), too_long)


def described_rows(
    corpora: Sequence[Gold], classifier: TorchClassifier, *, max_tokens: int, seed: int, sentences: int = 1
) -> Rows:
    """The rows of all corpora for an encoder that reads descriptions: a window once for each label, after what is told.

    What is told of a label varies: name, definition and guideline, some of them, with a few of its mentions or without,
    and mostly with the names of other labels.
    """
    random = Random(seed)
    made: list[Row] = []
    count = mentions = marked = too_long = 0
    (head,) = classifier.heads
    for gold in corpora:
        mentions += gold.mentions
        shown = {name: _surfaces(gold, name) for name in gold.labels.names}
        for doc in gold.documents:
            settings = cut(max_tokens, random.randint(1, sentences))
            for window in windows(doc.text, settings, count=classifier.count_tokens):
                count += 1
                encoded = classifier.encode(window.span.of(doc.text))
                inside = [e.shift(-window.span.start) for e in doc.entities if window.span.contains(e.span)]
                for label in gold.labels.labels:
                    others = [name for name in gold.labels.names if name != label.name]
                    told = classifier.tokens(_told(label, shown[label.name], others, random))[:LONGEST_DESCRIPTION]
                    ids, units = after(told, encoded)
                    if len(ids) > classifier.context:
                        too_long += 1
                        continue
                    found = segments(units, [replace(e, label=ASKED) for e in inside if e.label == label.name])
                    targets = [[IGNORED] for _ in ids]
                    for unit, output in zip(units, head.encode(found, len(units)), strict=True):
                        if unit.token is not None:
                            targets[unit.token][0] = output
                    marked += len(found)
                    made.append({"input_ids": ids, "labels": targets})
    if not marked:
        raise InputError("no window with a mention is left to train on", fix="Give annotated documents.")
    return Rows(tuple(made), count, marked, max(0, mentions - marked), too_long)


def _surfaces(gold: Gold, name: str) -> list[str]:
    return sorted({e.text for doc in gold.documents for e in doc.entities if e.label == name})


def _told(label: Label, shown: Sequence[str], others: Sequence[str], random: Random) -> str:
    parts = [f"{label.name}: {label.definition}"]
    if label.guideline and random.random() < 0.7:
        parts.append(" ".join(label.guideline.split()))
    if shown and random.random() < 0.3:
        parts.append(f"For example: {', '.join(random.sample(shown, min(len(shown), 6)))}.")
    beside_it = random.sample(others, min(len(others), MOST_OTHERS)) if random.random() < 0.7 else ()
    return beside(" ".join(parts), beside_it)


def _mark(
    targets: list[list[int]], units: Sequence[Unit], classifier: TorchClassifier, head: int, entities: Sequence[Entity]
) -> list[tuple[int, int, str]]:
    """Writes the targets of one head and of its entities' attributes; gives where the marked mentions stand."""
    found = segments(units, entities)
    for unit, output in zip(units, classifier.heads[head].encode(found, len(units)), strict=True):
        if unit.token is not None:
            targets[unit.token][head] = output
    places = []
    for segment in found:
        covered = units[segment.first : segment.end]
        places.append((covered[0].span.start, covered[-1].span.end, segment.label))
        said = next(e for e in entities if e.label == segment.label and e.span.overlaps(covered[0].span))
        for number, attribute in enumerate(classifier.attributes, len(classifier.heads)):
            value = said.attributes.get(attribute.name)
            if value in attribute.values and segment.label in attribute.labels:
                for unit in covered:
                    if unit.token is not None:
                        targets[unit.token][number] = attribute.first + attribute.values.index(value)
    return places


def collate(batch: Sequence[Row], *, pad: int) -> dict[str, Any]:
    """A batch as tensors, each row filled up to the longest: ids and mask (rows, n), labels (rows, n, heads)."""
    longest = max(len(row["input_ids"]) for row in batch)
    nothing = [IGNORED] * len(batch[0]["labels"][0])

    def filled(key: str, value: Any) -> Any:
        return torch.tensor([row[key] + [value] * (longest - len(row[key])) for row in batch])

    mask = torch.tensor([[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in batch])
    return {"input_ids": filled("input_ids", pad), "attention_mask": mask, "labels": filled("labels", nothing)}


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
