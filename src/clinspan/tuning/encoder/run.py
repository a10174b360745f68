"""One run from gold documents to a token classifier with its card: trains, checkpoints, validates, keeps the best."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from clinspan.classifier import folder as classifier_folder
from clinspan.classifier.scheme import AttributeHead, attribute_heads, heads
from clinspan.errors import InputError, ModelError, OutputError
from clinspan.evaluation.score import Score, score
from clinspan.llms.encoder import EncoderLLM
from clinspan.tuning import card as adapter_card
from clinspan.tuning import validate
from clinspan.tuning.corpora import Gold
from clinspan.tuning.encoder import card
from clinspan.tuning.encoder.base import EncoderBase
from clinspan.tuning.encoder.rows import cut, rows
from clinspan.tuning.encoder.settings import EncoderRunSettings
from clinspan.tuning.encoder.train import At, EncoderTrainer, Hooks, last_checkpoint
from clinspan.tuning.output import CHECKPOINT

LOG_FILE = "log.jsonl"
RUN_FILE = "run.json"
_LOG_EVERY = 50


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
        self.log: list[dict[str, Any]] = []
        self._hooks = Hooks(self._stepped, self._passed)
        self._listener: Callable[[At], None] = lambda _: None
        self._checkpoint = self._resume() if resume else None
        if not resume:
            shutil.rmtree(output / CHECKPOINT, ignore_errors=True)
            self._write(LOG_FILE, "")
            self._write(RUN_FILE, json.dumps(self._identity, indent=1))
        before = max((row["seconds"] for row in self.log), default=0.0)
        self.trainer = EncoderTrainer(
            self.classifier,
            self.data.rows,
            settings,
            folder=output / CHECKPOINT,
            hooks=self._hooks,
            seconds=before,
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
        try:
            known = json.loads((self.output / RUN_FILE).read_text(encoding="utf-8"))
            written = (self.output / LOG_FILE).read_text(encoding="utf-8") if (self.output / LOG_FILE).exists() else ""
            self.log = [row for row in map(json.loads, written.splitlines()) if row["step"] <= step]
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"is not the folder of a whole run: {error}", where=str(self.output)) from error
        for key, value in self._identity.items():
            if known.get(key) != value:
                raise ModelError(
                    f"the checkpoint has {key} {known.get(key)!r}, and this run {value!r}",
                    where=str(checkpoint),
                    fix="Resume with the same settings, or start anew in another folder.",
                )
        self._write(LOG_FILE, "".join(json.dumps(row) + "\n" for row in self.log))
        return checkpoint

    def train(self, listener: Callable[[At], None] = lambda _: None) -> None:
        """Trains to the end, then writes the classifier and its card.

        Args:
            listener: is told after every step.

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
            self._add({"step": at.step, "loss": at.loss, "seconds": at.seconds})

    def _passed(self, at: At) -> bool:
        scored = self._validate(at) if self.held else []
        patience = self.settings.patience
        return bool(patience and len(scored) > patience and max(scored[-patience:]) < max(scored))

    def _validate(self, at: At) -> list[float]:
        """Scores the classifier as it is, keeps it where it is the best so far, and gives all passes' mean F1."""
        before = self._scored()
        figures = [found.micro.f1 for found in self.scores()]
        mean = sum(figures) / len(figures)
        self._add({"step": at.step, "f1": mean, "each": figures, "loss": at.loss, "seconds": at.seconds})
        if not before or mean > max(before):
            self._keep()
        return [*before, mean]

    def _scored(self) -> list[float]:
        return [row["f1"] for row in self.log if "f1" in row]

    def scores(self) -> list[Score]:
        """The strict scores of the classifier as it is on the held-out documents, by the path that tags."""
        training = self.classifier.model.training
        self.classifier.model.eval()
        llm = EncoderLLM(self.classifier)
        windows = cut(self.settings.max_tokens, self.settings.sentences)
        tagged = [validate.tag(llm, validate.Held(gold, windows)) for gold in self.held]
        found = [
            score(gold.documents, mine, labels=gold.labels.names) for gold, mine in zip(self.held, tagged, strict=True)
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
        elif not self._scored() or at.step > max(row["step"] for row in self.log if "f1" in row):
            self._validate(at)
        self._write_card(at, ())
        if self.held:
            _, best = classifier_folder.load(self.output)
            self.classifier = best
            self._write_card(at, self.scores())

    def _write_card(self, at: At, scores: Sequence[Score]) -> None:
        data = [adapter_card.data_row(gold, "train") for gold in self.corpora]
        data += [adapter_card.data_row(gold, "development") for gold in self.held]
        made = card.EncoderCard(
            name=self.name,
            base={"name": self.base.name, "sha256": self.base.sha256},
            label_sets=[list(head.labels) for head in self.classifier.heads],
            attributes=[
                {"name": head.name, "values": list(head.values), "labels": list(head.labels)}
                for head in self.classifier.attributes
            ],
            parameters=self.classifier.parameters,
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
            scores=[
                {"corpus": gold.name, "split": "development", **validate.report(found)}
                for gold, found in zip(self.held, scores, strict=False)
            ],
        )
        card.write(made, self.output)

    def _add(self, row: dict[str, Any]) -> None:
        self.log.append(row)
        try:
            with (self.output / LOG_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise OutputError(f"the log cannot be written: {error.strerror}", where=str(self.output)) from error

    def _write(self, name: str, content: str) -> None:
        try:
            (self.output / name).write_text(content, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{name} cannot be written: {error.strerror}", where=str(self.output)) from error


def _assessed(gold: Gold) -> Iterator[AttributeHead]:
    """The attributes of the corpus's labels that its annotators gave a value to."""
    for label in gold.labels.labels:
        for attribute in label.attributes:
            if any(
                attribute.name in e.attributes for doc in gold.documents for e in doc.entities if e.label == label.name
            ):
                yield AttributeHead(attribute.name, attribute.value_names, (label.name,), 0)
