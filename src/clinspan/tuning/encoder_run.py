"""One run from gold documents to a token classifier with its card: trains, checkpoints, validates, keeps the best."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError

from clinspan.classifier import folder as classifier_folder
from clinspan.classifier.folder import KIND, WEIGHTS_FILE
from clinspan.classifier.scheme import ASKED, AttributeHead, attribute_heads, heads
from clinspan.errors import InputError, OutputError
from clinspan.evaluation.score import Score, score
from clinspan.llms.encoder import DescribedEncoder, EncoderLLM
from clinspan.tuning import epochs
from clinspan.tuning.base import EncoderBase, fast_in_bfloat16
from clinspan.tuning.encoder_rows import HeadLoss, Rows, collate, cut, described_rows, rows
from clinspan.tuning.gold import Gold
from clinspan.tuning.run import (
    CHECKPOINT,
    LIMITS,
    LOG_FILE,
    Card,
    EncoderRunSettings,
    Log,
    check_same,
    data_row,
    put,
)

RUN_FILE = "run.json"
_STATE = "trainer_state.json"
_LOG_EVERY = 50
_LIMIT = "It reads a sentence at a time, without the rest of the note, a dictionary or instructions."


@dataclass(frozen=True, slots=True)
class At:
    """Where a run stands.

    Attributes:
        step, steps: optimizer steps done, and in the whole run.
        passes: over the windows, done so far.
        seconds: of training, over all resumed runs.
    """

    step: int
    steps: int
    passes: float
    seconds: float
    loss: float


class EncoderRun:
    """A run in its output folder.

    Args:
        corpora: what is learned from, held-out documents already taken out (`gold.without`).
        held: what is validated on after each pass, each with its own labels; the best pass by mean F1 is kept, the last
            one where there is none.
        name: of the classifier; the output folder's when None.

    Raises:
        InputError: when there is nothing to train on, or no checkpoint to go on from.
        ModelError: when the checkpoint is of another run.
    """

    def __init__(
        self,
        base: EncoderBase,
        corpora: Sequence[Gold],
        *,
        output: Path,
        settings: EncoderRunSettings,
        held: Sequence[Gold] = (),
        resume: bool = False,
        name: str | None = None,
    ):
        self.base, self.corpora, self.output, self.settings, self.held = base, corpora, output, settings, held
        self.name = name or output.name
        asked = heads([(ASKED,)] if settings.described else (gold.labels.names for gold in corpora))
        assessed = () if settings.described else (head for gold in corpora for head in _assessed(gold))
        told = attribute_heads(assessed, asked[-1].end)
        self.classifier = base.classifier(asked, told, seed=settings.seed)
        self.classifier.model.get_input_embeddings().weight.requires_grad = not settings.keep_words
        self.data = self._rows()
        self.log = Log(output)
        self.loss = HeadLoss((*asked, *told))
        self.bfloat16 = fast_in_bfloat16() if settings.bfloat16 is None else settings.bfloat16
        self._stopping = False
        self._listener: Callable[[At], None] = lambda _: None
        self._checkpoint = self._resume() if resume else None
        if not resume:
            shutil.rmtree(output / CHECKPOINT, ignore_errors=True)
            put(output / RUN_FILE, json.dumps(self._identity, indent=1))
        self.log.restart()
        self._before = max((row["seconds"] for row in self.log.rows), default=0.0)
        self._trainer = self._made_trainer()
        self.chief = bool(self._trainer.is_world_process_zero())

    def _rows(self) -> Rows:
        settings = self.settings
        options = {"max_tokens": settings.max_tokens, "seed": settings.seed, "sentences": settings.sentences}
        if settings.described:
            return described_rows(self.corpora, self.classifier, **options)
        return rows(self.corpora, self.classifier, keep_empty=settings.keep_empty, **options)

    def _made_trainer(self) -> Any:
        """Transformers' Trainer with a linear schedule; it writes a checkpoint when a callback asks for one."""
        settings, model = self.settings, self.classifier.model
        steps = settings.passes * -(-len(self.data.rows) // settings.batch)
        arguments = transformers.TrainingArguments(
            output_dir=str(self.output / CHECKPOINT),
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
            save_strategy="no",
            save_total_limit=1,
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            use_cpu=model.device.type == "cpu",
        )
        callback = transformers.TrainerCallback()
        callback.on_train_begin = self._began
        callback.on_step_end = self._stepped
        callback.on_epoch_end = self._passed
        trainer = transformers.Trainer(
            model=model,
            args=arguments,
            data_collator=partial(collate, pad=self.classifier.tokenizer.pad_token_id or 0),
            train_dataset=list(self.data.rows),
            compute_loss_func=self.loss,
            callbacks=[callback],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        return trainer

    @property
    def _identity(self) -> dict[str, Any]:
        """What a run that goes on must share with the one that was broken off."""
        return {
            "base": self.base.sha256 or self.base.name,
            "data": [gold.sha256 for gold in self.corpora],
            "label_sets": [list(head.labels) for head in self.classifier.heads],
            "attributes": [head.name for head in self.classifier.attributes],
            "rows": len(self.data.rows),
            "settings": {k: v for k, v in asdict(self.settings).items() if k not in ("checkpoint_minutes", "patience")},
        }

    def _resume(self) -> Path:
        checkpoint, step = last_checkpoint(self.output / CHECKPOINT)
        log = self.output / LOG_FILE
        try:
            known = json.loads((self.output / RUN_FILE).read_text(encoding="utf-8"))
            written = log.read_text(encoding="utf-8") if log.exists() else ""
            self.log.rows.extend(row for row in map(json.loads, written.splitlines()) if row["step"] <= step)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"is not the folder of a whole run: {error}", where=str(self.output)) from error
        check_same(dict.fromkeys(self._identity) | known, self._identity, checkpoint)
        return checkpoint

    def train(self, listener: Callable[[At], None] = lambda _: None) -> None:
        """Trains to the end, then writes the classifier and its card; `listener` is told after every step.

        Raises:
            ModelError: when the loss is no longer a number; the checkpoint is from before that.
            OutputError: when the disk is full or closed; what was written before is whole.
        """
        self._listener = listener
        checkpoint = self.output / CHECKPOINT
        try:
            self._trainer.train(resume_from_checkpoint=str(self._checkpoint) if self._checkpoint else None)
        except (OSError, SafetensorError) as error:
            raise OutputError(f"the checkpoint cannot be written: {error}", where=str(checkpoint)) from error
        except RuntimeError as error:
            # torch reports a full disk by the name of its own writer.
            if "PytorchStreamWriter" not in str(error):
                raise
            raise OutputError(f"the checkpoint cannot be written: {error}", where=str(checkpoint)) from error
        if self.chief:
            self._finish(self._at())

    def stop(self) -> None:
        """Ends training after the step that is under way; the classifier is still written."""
        self._stopping = True

    def _at(self) -> At:
        state = self._trainer.state
        seconds = self._before + time.monotonic() - self._started
        return At(state.global_step, state.max_steps, state.epoch or 0.0, seconds, self.loss.mean)

    def _began(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the library's
        self._started = self._saved = time.monotonic()

    def _stepped(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the library's
        at = self._at()
        self._listener(at)
        if at.step % _LOG_EVERY == 0 and self.chief:
            self.log.add(step=at.step, loss=at.loss, seconds=at.seconds)
        if self._stopping or time.monotonic() - self._saved > 60 * self.settings.checkpoint_minutes:
            control.should_save = True
            self._saved = time.monotonic()
        if self._stopping:
            control.should_training_stop = True

    def _passed(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the library's
        if self._stopping:
            return
        if self.chief and self.held:
            self._validate(self._at())
            control.should_training_stop |= self.log.hopeless(self.settings.patience)
        control.should_save = True
        self._saved = time.monotonic()

    def _validate(self, at: At) -> None:
        """Scores the classifier as it is, and keeps it where it is the best so far."""
        figures = [found.micro.f1 for found in self.scores()]
        mean = sum(figures) / len(figures)
        best = max(self.log.scores, default=-1.0)
        self.log.add(step=at.step, f1=mean, each=figures, loss=at.loss, seconds=at.seconds)
        if mean > best:
            self._keep()

    def scores(self) -> list[Score]:
        """The strict scores of the classifier as it is on the held-out documents, by the path that tags."""
        training = self.classifier.model.training
        self.classifier.model.eval()
        windows = cut(self.settings.max_tokens, self.settings.sentences)
        found = []
        for gold in self.held:
            described = self.settings.described
            llm = DescribedEncoder(self.classifier, gold.labels) if described else EncoderLLM(self.classifier)
            mine = epochs.tag(llm, epochs.Held(gold, windows))
            found.append(score(gold.documents, mine, labels=gold.labels.names))
        self.classifier.model.train(training)
        return found

    def _keep(self) -> None:
        """Puts the weights as they are into the output folder; what was there stays until they are whole."""
        staging = self.output / ".staging"
        try:
            shutil.rmtree(staging, ignore_errors=True)
            self.classifier.model.save_pretrained(staging)
            self.classifier.tokenizer.save_pretrained(staging)
            for file in staging.iterdir():
                file.replace(self.output / file.name)
            staging.rmdir()
        except (OSError, SafetensorError) as error:
            raise OutputError(f"the classifier cannot be written: {error}", where=str(self.output)) from error

    def _finish(self, at: At) -> None:
        if not self.held:
            self._keep()
        elif at.step > max((row["step"] for row in self.log.rows if "f1" in row), default=-1):
            self._validate(at)
        self._write_card(at, ())
        if self.held:
            _, self.classifier = classifier_folder.load_torch(self.output)
            self._write_card(at, self.scores())

    def _write_card(self, at: At, scores: Sequence[Score]) -> None:
        data = [data_row(gold, "train") for gold in self.corpora]
        data += [data_row(gold, "development") for gold in self.held]
        Card(
            name=self.name,
            base={"name": self.base.name, "sha256": self.base.sha256},
            label_sets=[list(head.labels) for head in self.classifier.heads],
            data=data,
            settings=asdict(self.settings) | {"bfloat16": self.bfloat16},
            progress={
                "windows": len(self.data.rows),
                "mentions that tags cannot mark": self.data.lost,
                "windows too long": self.data.too_long,
                "steps": at.step,
                "passes": round(at.passes, 2),
                "minutes": round(at.seconds / 60, 1),
                "loss": round(at.loss, 4),
            },
            about={
                "kind": KIND,
                "described": self.settings.described,
                "scheme": "BIOES",
                "parameters": self.classifier.parameters,
                "attributes": [
                    {"name": head.name, "values": list(head.values), "labels": list(head.labels)}
                    for head in self.classifier.attributes
                ],
            },
            scores=[
                {"corpus": gold.name, "split": "development", **epochs.report(found)}
                for gold, found in zip(self.held, scores, strict=False)
            ],
            limits=(*LIMITS[:2], _LIMIT, *LIMITS[2:]),
        ).write(self.output, part="weights", file=WEIGHTS_FILE)


def _assessed(gold: Gold) -> Iterator[AttributeHead]:
    """The attributes of the corpus's labels that its annotators gave a value to."""
    for label in gold.labels.labels:
        given = {name for doc in gold.documents for e in doc.entities if e.label == label.name for name in e.attributes}
        for attribute in label.attributes:
            if attribute.name in given:
                yield AttributeHead(attribute.name, attribute.value_names, (label.name,), 0)


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
