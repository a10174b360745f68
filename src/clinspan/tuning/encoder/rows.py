"""Training rows: windows as the tagger cuts them, and the tag that is right for the token of each unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch

from clinspan.classifier.model import TokenClassifier
from clinspan.classifier.scheme import Head, head_for
from clinspan.classifier.units import segments
from clinspan.document import Document
from clinspan.errors import InputError
from clinspan.text.windows import WindowSettings, windows
from clinspan.tuning.corpora import Gold

IGNORED = -100
"""The target of tokens that say nothing: special ones, and all but the first of a unit."""

Row = dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Rows:
    """What is trained on.

    Attributes:
        rows: `input_ids` and `labels` of each window, of one length within a row.
        windows: how many windows the documents have, with those left out.
        mentions: of the documents, that tags can mark.
        lost: mentions that they cannot: those that a window's edge cuts, and the shorter of two that overlap.
        too_long: windows that do not fit into the encoder.
    """

    rows: tuple[Row, ...]
    windows: int
    mentions: int
    lost: int
    too_long: int


def cut(max_tokens: int) -> WindowSettings:
    """One sentence a window."""
    return WindowSettings(max_tokens=max_tokens, max_sentences=1, overlap_sentences=0)


def rows(
    corpora: Sequence[Gold], classifier: TokenClassifier, *, max_tokens: int, keep_empty: float, seed: int
) -> Rows:
    """The rows of all corpora, each with the head for the labels it was annotated for.

    Raises:
        InputError: when nothing is left to train on.
    """
    random = Random(seed)
    made: list[Row] = []
    count = mentions = marked = too_long = 0
    for gold in corpora:
        head = head_for(classifier.heads, gold.labels.names)
        mentions += gold.mentions
        for doc in gold.documents:
            # Parts of a sentence that is too long for one window overlap, and may share a mention.
            places: set[tuple[int, int, str]] = set()
            for row, found in _rows(doc, head, classifier, max_tokens):
                count += 1
                if len(row["input_ids"]) > classifier.context:
                    too_long += 1
                    continue
                places |= found
                if found or random.random() < keep_empty:
                    made.append(row)
            marked += len(places)
    if not marked:
        raise InputError("no window with a mention is left to train on", fix="Give annotated documents.")
    return Rows(tuple(made), count, marked, max(0, mentions - marked), too_long)


def _rows(
    doc: Document, head: Head, classifier: TokenClassifier, max_tokens: int
) -> list[tuple[Row, set[tuple[int, int, str]]]]:
    """Each window's row, and where in the document the mentions stand that it marks."""
    made = []
    for window in windows(doc.text, cut(max_tokens), count=classifier.count_tokens):
        start = window.span.start
        ids, units = classifier.encode(window.span.of(doc.text))
        found = segments(units, [e.shift(-start) for e in doc.entities if window.span.contains(e.span)])
        labels = [IGNORED] * len(ids)
        for unit, output in zip(units, head.encode(found, len(units)), strict=True):
            if unit.token is not None:
                labels[unit.token] = output
        places = {(units[s.first].span.start + start, units[s.end - 1].span.end + start, s.label) for s in found}
        made.append(({"input_ids": ids, "labels": labels}, places))
    return made


def collate(batch: Sequence[Row], *, pad: int) -> dict[str, Any]:
    """A batch as tensors, each row filled up to the longest."""
    longest = max(len(row["input_ids"]) for row in batch)

    def filled(key: str, value: int) -> Any:
        return torch.tensor([row[key] + [value] * (longest - len(row[key])) for row in batch])

    mask = torch.tensor([[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in batch])
    return {"input_ids": filled("input_ids", pad), "attention_mask": mask, "labels": filled("labels", IGNORED)}
