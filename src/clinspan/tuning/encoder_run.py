"""One run from gold documents to a token classifier with its card: trains, checkpoints, validates, keeps the best."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from clinspan.classifier import folder as classifier_folder
from clinspan.classifier.folder import KIND, WEIGHTS_FILE
from clinspan.classifier.scheme import AttributeHead, attribute_heads, heads
from clinspan.errors import InputError, OutputError
from clinspan.evaluation.score import Score, score
from clinspan.llms.encoder import EncoderLLM
from clinspan.tuning import validate
from clinspan.tuning.base import EncoderBase
from clinspan.tuning.corpora import Gold
from clinspan.tuning.encoder_training import At, EncoderTrainer, Hooks, cut, last_checkpoint, rows
from clinspan.tuning.output import CHECKPOINT, LIMITS, LOG_FILE, Card, Log, check_same, data_row, put
from clinspan.tuning.settings import EncoderRunSettings

RUN_FILE = "run.json"
_LOG_EVERY = 50
_LIMIT = "It reads a sentence at a time, without the rest of the note, a dictionary or instructions."


class EncoderRun:
    """A run in its output folder.

    Args:
        base: what is tuned.
        corpora: what is learned from, held-out documents already taken out (`corpora.without`).
        output: the classifier's folder.
        settings: see there.
        held: what is validated on after each pass, each with its own labels; the best pass by mean F1 is kept, the last
            one where there is none.
        resume: go on from the folder's checkpoint.
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
        asked = heads(gold.labels.names for gold in corpora)
        told = attribute_heads((head for gold in corpora for head in _assessed(gold)), asked[-1].end)
        self.classifier = base.classifier(asked, told, seed=settings.seed)
        self.data = rows(
            corpora,
            self.classifier,
            max_tokens=settings.max_tokens,
            keep_empty=settings.keep_empty,
            seed=settings.seed,
            sentences=settings.sentences,
        )
        self.log = Log(output)
        self._hooks = Hooks(self._stepped, self._passed)
        self._listener: Callable[[At], None] = lambda _: None
        self._checkpoint = self._resume() if resume else None
        if not resume:
            shutil.rmtree(output / CHECKPOINT, ignore_errors=True)
            put(output / RUN_FILE, json.dumps(self._identity, indent=1))
        self.log.restart()
        self.trainer = EncoderTrainer(
            self.classifier,
            self.data.rows,
            settings,
            folder=output / CHECKPOINT,
            hooks=self._hooks,
            seconds=max((row["seconds"] for row in self.log.rows), default=0.0),
        )

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
        at = self.trainer.train(resume=self._checkpoint)
        if self.trainer.chief:
            self._finish(at)

    def stop(self) -> None:
        """Ends training after the step that is under way; the classifier is still written."""
        self._hooks.stopping = True

    def _stepped(self, at: At) -> None:
        self._listener(at)
        if at.step % _LOG_EVERY == 0 and self.trainer.chief:
            self.log.add(step=at.step, loss=at.loss, seconds=at.seconds)

    def _passed(self, at: At) -> bool:
        if not self.held:
            return False
        self._validate(at)
        return self.log.hopeless(self.settings.patience)

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
        llm = EncoderLLM(self.classifier)
        windows = cut(self.settings.max_tokens, self.settings.sentences)
        found = [
            score(gold.documents, validate.tag(llm, validate.Held(gold, windows)), labels=gold.labels.names)
            for gold in self.held
        ]
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
            _, self.classifier = classifier_folder.load(self.output)
            self._write_card(at, self.scores())

    def _write_card(self, at: At, scores: Sequence[Score]) -> None:
        data = [data_row(gold, "train") for gold in self.corpora]
        data += [data_row(gold, "development") for gold in self.held]
        Card(
            name=self.name,
            base={"name": self.base.name, "sha256": self.base.sha256},
            label_sets=[list(head.labels) for head in self.classifier.heads],
            data=data,
            settings=asdict(self.settings) | {"bfloat16": self.trainer.bfloat16},
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
                "scheme": "BIOES",
                "parameters": self.classifier.parameters,
                "attributes": [
                    {"name": head.name, "values": list(head.values), "labels": list(head.labels)}
                    for head in self.classifier.attributes
                ],
            },
            scores=[
                {"corpus": gold.name, "split": "development", **validate.report(found)}
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
