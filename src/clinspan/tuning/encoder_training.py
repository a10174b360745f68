"""Trains a token classifier: rows of windows with a target for each head, their loss, and transformers' Trainer."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from clinspan.classifier.model import TokenClassifier
from clinspan.classifier.scheme import AttributeHead, Head, head_for
from clinspan.classifier.units import Unit, segments
from clinspan.document import Document, Entity
from clinspan.errors import InputError, ModelError, OutputError
from clinspan.text.windows import WindowSettings, windows
from clinspan.tuning.base import fast_in_bfloat16
from clinspan.tuning.corpora import Gold
from clinspan.tuning.settings import EncoderRunSettings

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
        too_long: windows that do not fit into the encoder.
    """

    rows: tuple[Row, ...]
    windows: int
    mentions: int
    lost: int
    too_long: int


def cut(max_tokens: int, sentences: int = 1) -> WindowSettings:
    """Windows of at most so many tokens and sentences, without overlap."""
    return WindowSettings(max_tokens=max_tokens, max_sentences=sentences, overlap_sentences=0)


def rows(
    corpora: Sequence[Gold],
    classifier: TokenClassifier,
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


def _mark(
    targets: list[list[int]], units: Sequence[Unit], classifier: TokenClassifier, head: int, entities: Sequence[Entity]
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


_STATE = "trainer_state.json"


@dataclass(frozen=True, slots=True)
class At:
    """Where a run stands.

    Attributes:
        step, steps: optimizer steps done, and in the whole run.
        passes: over the windows, done so far.
        seconds: of training, over all resumed runs.
        loss: running mean of the last steps'.
    """

    step: int
    steps: int
    passes: float
    seconds: float
    loss: float


@dataclass(slots=True)
class Hooks:
    """What a run does besides training.

    Attributes:
        stepped: is told after every step.
        passed: after every pass; True ends training.
        stopping: set by a signal: training ends after the step under way, with a checkpoint.
    """

    stepped: Callable[[At], None]
    passed: Callable[[At], bool]
    stopping: bool = False


class EncoderTrainer:
    """Trains a classifier's weights with a linear schedule, and writes checkpoints that training can go on from.

    Args:
        classifier: what is trained, in place.
        training: the rows.
        settings: see there.
        folder: of the checkpoints.
        hooks: see there.
        seconds: of training before this process.
    """

    def __init__(
        self,
        classifier: TokenClassifier,
        training: Sequence[Row],
        settings: EncoderRunSettings,
        *,
        folder: Path,
        hooks: Hooks,
        seconds: float = 0.0,
    ):
        self.loss = HeadLoss((*classifier.heads, *classifier.attributes))
        self._settings, self._folder, self._hooks, self._before = settings, folder, hooks, seconds
        self.bfloat16 = fast_in_bfloat16() if settings.bfloat16 is None else settings.bfloat16
        steps = settings.passes * -(-len(training) // settings.batch)
        arguments = transformers.TrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=settings.batch,
            num_train_epochs=settings.passes,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.clip,
            lr_scheduler_type="linear",
            warmup_steps=max(1, steps // 10),
            train_sampling_strategy="group_by_length",
            bf16=self.bfloat16,
            seed=settings.seed,
            save_strategy="no",  # the callback below decides
            save_total_limit=1,
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            use_cpu=classifier.model.device.type == "cpu",
        )
        callback = transformers.TrainerCallback()
        callback.on_train_begin = self._began
        callback.on_step_end = self._stepped
        callback.on_epoch_end = self._passed
        self._trainer = transformers.Trainer(
            model=classifier.model,
            args=arguments,
            data_collator=partial(collate, pad=classifier.tokenizer.pad_token_id or 0),
            train_dataset=list(training),
            compute_loss_func=self.loss,
            callbacks=[callback],
        )
        self._trainer.remove_callback(transformers.PrinterCallback)

    @property
    def chief(self) -> bool:
        """True in the one process that writes."""
        return bool(self._trainer.is_world_process_zero())

    def at(self) -> At:
        """Where training stands."""
        state = self._trainer.state
        seconds = self._before + time.monotonic() - self._started
        return At(state.global_step, state.max_steps, state.epoch or 0.0, seconds, self.loss.mean)

    def train(self, *, resume: Path | None) -> At:
        """Trains to the end, or until stopped.

        Args:
            resume: the checkpoint to go on from.

        Raises:
            ModelError: when the loss is no longer a number.
            InputError: when the checkpoint is damaged.
            OutputError: when a checkpoint cannot be written.
        """
        self._started = self._saved = time.monotonic()
        try:
            self._trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        except (OSError, SafetensorError) as error:
            raise OutputError(f"the checkpoint cannot be written: {error}", where=str(self._folder)) from error
        except RuntimeError as error:
            # torch reports a full disk by the name of its own writer.
            if "PytorchStreamWriter" not in str(error):
                raise
            raise OutputError(f"the checkpoint cannot be written: {error}", where=str(self._folder)) from error
        return self.at()

    def _began(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the library's
        self._started = self._saved = time.monotonic()

    def _stepped(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the library's
        at = self.at()
        self._hooks.stepped(at)
        due = time.monotonic() - self._saved > 60 * self._settings.checkpoint_minutes
        if self._hooks.stopping or due:
            control.should_save = True
            self._saved = time.monotonic()
        if self._hooks.stopping:
            control.should_training_stop = True

    def _passed(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the library's
        if self._hooks.stopping:
            return
        if self.chief and self._hooks.passed(self.at()):
            control.should_training_stop = True
        control.should_save = True
        self._saved = time.monotonic()


def last_checkpoint(folder: Path) -> tuple[Path, int]:
    """The newest whole checkpoint in `folder`, and the step it was made after.

    The library writes a checkpoint's state last, so one without it was cut off in writing.

    Raises:
        InputError: when there is none.
    """
    found = []
    for path in folder.glob(f"checkpoint-*/{_STATE}"):
        try:
            found.append((int(json.loads(path.read_text(encoding="utf-8"))["global_step"]), path.parent))
        except (ValueError, KeyError):
            continue
    if not found:
        raise InputError("has no checkpoint to resume from", where=str(folder.parent), fix="Leave out --resume.")
    step, path = max(found)
    return path, step
