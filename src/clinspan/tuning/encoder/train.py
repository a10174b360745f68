"""Drives transformers' Trainer: what it does after a step and after a pass, and where it goes on."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from clinspan.classifier.model import TokenClassifier
from clinspan.errors import InputError, OutputError
from clinspan.tuning.encoder.loss import HeadLoss
from clinspan.tuning.encoder.rows import Row, collate
from clinspan.tuning.encoder.settings import EncoderRunSettings

_STATE = "trainer_state.json"


def _fast_in_bfloat16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


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
        self.bfloat16 = _fast_in_bfloat16() if settings.bfloat16 is None else settings.bfloat16
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
