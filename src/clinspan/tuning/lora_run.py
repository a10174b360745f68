"""One run from gold documents to an adapter with its card: trains, checkpoints, validates, keeps the best."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from clinspan.dictionary.store import Dictionary
from clinspan.errors import ConfigError
from clinspan.evaluation.score import Score, intervals
from clinspan.formats.base import Format
from clinspan.llms.embedded import DEFAULT_MODEL
from clinspan.llms.llama import most_threads
from clinspan.models import adapters
from clinspan.models.adapters import ADAPTER_FILE, Adapter
from clinspan.models.registry import path_of
from clinspan.tuning import epochs, export
from clinspan.tuning.base import Base, load_base
from clinspan.tuning.epochs import PROMPT, Epochs, Facts, FactsOf, label_sets
from clinspan.tuning.gold import Gold, PairTokens
from clinspan.tuning.lora import (
    Trainer,
    TrainingProgress,
    attach,
    join_processes,
    leave_processes,
    load_checkpoint,
    process_number,
    save_checkpoint,
)
from clinspan.tuning.run import CHECKPOINT, LIMITS, Card, Log, RunSettings, check_output, data_row

PEFT_FOLDER = "peft"
_LIMIT = "It was trained for copy-constrained decoding and the brief prompt; free generation may drift from the text."


class Run:
    """A run in its output folder; made once, `train` goes on from its checkpoint if told to.

    Args:
        corpora: what is learned from, held-out documents already taken out (`gold.without`).
        held: what validation scores on; with a GGUF base and TANL only.
        facts: gives the dictionary's facts for a window.
        name: of the adapter; the output folder's when None.
    """

    def __init__(
        self,
        base: Base,
        corpora: Sequence[Gold],
        *,
        form: Format,
        output: Path,
        settings: RunSettings,
        held: epochs.Held | None = None,
        gguf: Path | None = None,
        facts: FactsOf | None = None,
        name: str | None = None,
    ):
        if held is not None and (gguf is None or form.name != "tanl"):
            raise ConfigError("validation decodes with the embedded runtime: it needs a GGUF base and the format tanl")
        if settings.lora.loss == "choices" and form.name != "tanl":
            raise ConfigError("the loss over choices is for the format tanl", fix="Use --loss answer.")
        self.base, self.corpora, self.form, self.output, self.settings = base, corpora, form, output, settings
        self.held, self.gguf, self.name = held, gguf, name or output.name
        limits = replace(settings.epochs, max_tokens=min(settings.epochs.max_tokens, base.context))
        self.epochs = Epochs(corpora, form=form, tokenizer=base.tokenizer, settings=limits, facts=facts)
        first = self.epochs(0)
        self.windows, self.too_long = len(first.pairs), first.too_long
        self.steps = -(-self.windows // settings.lora.batch)
        """Of a pass."""
        self.trainer = Trainer(attach(base.model, settings.lora), settings.lora, settings.schedule(self.steps))
        self.chief = process_number() == 0
        self._kept: Score | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint must share with the run that goes on from it."""
        lora = self.settings.lora
        return {
            "base": self.base.sha256,
            "rank": lora.rank,
            "alpha": lora.alpha,
            "format": self.form.name,
            "attributes": self.settings.epochs.attributes,
            "data": [gold.sha256 for gold in self.corpora],
            "documents": [len(gold.documents) for gold in self.corpora],
        }

    def resume(self) -> None:
        """Goes on from the folder's checkpoint.

        Raises:
            InputError: when there is none or it is damaged.
            ModelError: when it was made from another base, other data or another shape of adapter.
        """
        load_checkpoint(self.trainer, self.output / CHECKPOINT, run=self.identity)

    def start_from(self, adapter: Path) -> None:
        """Begins with the weights of an adapter for the same base instead of fresh ones."""
        self.trainer.put(export.from_gguf(adapter, shape=self.base.shape, alpha=self.settings.lora.alpha))

    def train(self) -> Iterator[TrainingProgress]:
        """Trains to the schedule's end, giving the progress after every step; then writes the adapter and its card.

        Raises:
            ModelError: when the loss is no longer a number; the checkpoint is from before that.
            OutputError: when the disk is full or closed; what was written before is whole.
        """
        trainer, progress = self.trainer, self.trainer.progress
        saved = validated = logged = time.monotonic()
        before = self.passes
        for progress in trainer.train(self._pairs):
            yield progress
            begun, before = before, self.passes
            now = time.monotonic()
            if not self.chief:
                continue
            if now - logged > 30:
                logged = now
                self.log.add(step=progress.step, loss=progress.loss, seconds=progress.seconds)
            if now - saved > 60 * self.settings.checkpoint_minutes:
                self._save()
                saved = time.monotonic()
            if self.held is not None and self.gguf is not None and self._due(begun, now - validated):
                self._validate(self.held, self.gguf)
                validated = time.monotonic()
        if self.chief:
            # What a run that was cut short goes on from is kept whole.
            self._save(small=not trainer.stopping)
            self._finish()
        leave_processes()

    def stop(self) -> None:
        """Ends training after the step that is under way; the adapter is still written."""
        self.trainer.stopping = True

    @property
    def log(self) -> Log:
        """Loss and scores over time; a checkpoint holds them too."""
        return Log(self.output, self.trainer.progress.history)

    @property
    def passes(self) -> float:
        """Over the documents, so far."""
        return self.trainer.progress.epoch + self.trainer.progress.batch / self.steps

    def _due(self, begun: float, seconds: float) -> bool:
        """Whether a validation is due after a step that began at `begun` passes, `seconds` after the last one."""
        if self.settings.validate_at:
            return any(begun < at <= self.passes for at in self.settings.validate_at)
        return seconds > 60 * self.settings.validate_minutes

    def _pairs(self, number: int) -> Sequence[PairTokens]:
        return self.epochs(number).pairs

    def _save(self, *, small: bool = False) -> None:
        save_checkpoint(self.trainer, self.output / CHECKPOINT, run=self.identity, small=small)

    def _export(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / ADAPTER_FILE
        export.to_gguf(
            self.trainer.arrays(), path, shape=self.base.shape, alpha=self.settings.lora.alpha, name=self.name
        )
        return path

    def _validate(self, held: epochs.Held, gguf: Path) -> None:
        """Scores the adapter as it is, and keeps it when it is the best so far."""
        path = self._export(self.output / "candidate")
        # The other processes of this run wait meanwhile, so their cores are free.
        found = epochs.strict_score(gguf, path, held, threads=most_threads())
        best = max(self.log.scores, default=-1.0)
        micro, between = found.micro, intervals(found)[0].f1
        at = {"step": self.trainer.progress.step, "passes": round(self.passes, 3)}
        self.log.add(**at, f1=micro.f1, p=micro.precision, r=micro.recall, low=between.low, high=between.high)
        if micro.f1 > best:
            self._kept = found
            path.replace(self.output / ADAPTER_FILE)
            self.trainer.save_peft(self.output / PEFT_FOLDER)
        if self.log.hopeless(self.settings.patience):
            self.stop()

    def _finish(self) -> None:
        if self.held is None or self.gguf is None:
            self._export(self.output)
            self.trainer.save_peft(self.output / PEFT_FOLDER)
            self.write_card([])
            return
        self._validate(self.held, self.gguf)
        # A resumed run may have kept its best adapter before it was stopped.
        kept = self._kept or epochs.strict_score(self.gguf, self.output / ADAPTER_FILE, self.held)
        self.write_card([{"corpus": self.held.gold.name, "split": "development", **epochs.report(kept)}])

    def write_card(self, scores: Sequence[dict[str, Any]]) -> None:
        """Writes the card with these scores."""
        progress = self.trainer.progress
        data = [data_row(gold, "train") for gold in self.corpora]
        data += [data_row(self.held.gold, "development")] if self.held is not None else []
        Card(
            name=self.name,
            base={"name": self.base.name, "sha256": self.base.sha256},
            label_sets=label_sets(self.corpora, alone=self.settings.epochs.alone > 0),
            data=data,
            settings=asdict(self.settings),
            progress={
                "steps": progress.step,
                "passes": round(self.passes, 2),
                "minutes": round(progress.seconds / 60, 1),
                "tokens": progress.tokens,
                "loss": round(progress.loss, 4),
            },
            about={
                "format": self.form.name,
                "prompt_style": PROMPT.style,
                "facts": self.settings.epochs.facts > 0,
                "attributes": self.settings.epochs.attributes,
            },
            scores=scores,
            limits=(_LIMIT, *LIMITS),
        ).write(self.output, part="adapter", file=ADAPTER_FILE)


def open_run(
    base: str,
    corpora: Sequence[Gold],
    *,
    form: Format,
    output: Path,
    settings: RunSettings,
    held: epochs.Held | None = None,
    start_from: Path | None = None,
    resume: bool = False,
    force: bool = False,
    name: str | None = None,
    dictionary: Dictionary | None = None,
    four_bit: bool = False,
) -> Run:
    """Loads a base and makes a run ready to train.

    Args:
        base: `embedded` for the embedded model, a GGUF file, a Hugging Face folder, or `hf:NAME`.
        corpora: see `Run`, like `form`, `output`, `settings`, `held` and `name`.
        output: made if need be; must be empty unless the run is resumed or forced.
        start_from: an adapter of the same base to begin with, its folder or file.
        dictionary: what its proposals are is told in a share of the prompts (`EpochSettings.facts`) and in validation.

    Raises:
        ClinspanError: when a part of it cannot be had, or they do not fit together.
    """
    check_output(output, checkpoints=(CHECKPOINT, f"{CHECKPOINT}.old"), resume=resume, force=force)
    start: Adapter | None = None if start_from is None else adapters.read(start_from)
    if base == "embedded":
        where: str | Path = path_of(DEFAULT_MODEL)
    else:
        where = base if base.startswith("hf:") else Path(base)
    gguf = where if isinstance(where, Path) and where.is_file() else None
    if start is not None:
        if gguf is None:
            raise ConfigError("an adapter to start from needs its base as a GGUF file")
        start.check_base(gguf)
        start.check_file()
    join_processes()
    loaded = load_base(where, name=DEFAULT_MODEL if base == "embedded" else None, four_bit=four_bit)
    facts = Facts(dictionary, lambda text: len(loaded.tokenizer.piece(text))) if dictionary is not None else None
    if held is not None:
        held = replace(held, facts=facts, attributes=settings.epochs.attributes)
    run = Run(
        loaded, corpora, form=form, output=output, settings=settings, held=held, gguf=gguf, facts=facts, name=name
    )
    if resume:
        run.resume()
    elif start is not None:
        run.start_from(start.path)
    return run
