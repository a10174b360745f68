"""A tuned encoder as an LLM: it answers a request to copy with the copy that its tags mean, brackets put in."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from clinspan.classifier.folder import calibrations, load
from clinspan.classifier.model import TokenClassifier, mentions
from clinspan.classifier.scheme import head_for
from clinspan.errors import ConfigError, LLMError
from clinspan.formats.base import Format
from clinspan.formats.tanl import render
from clinspan.llms.base import Traits
from clinspan.messages import Completion, FoundSpan, Request

_AHEAD = 4
TUNED = Traits("encoder", "tuned")
"""An encoder that learned to read one sentence at a time."""


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How the encoder is run.

    Attributes:
        batch: windows that are read in one pass.
        threads: for evaluation; None leaves what torch takes by itself. It holds for the whole process.
    """

    batch: int = 16
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(f"a batch of {self.batch}", expected="1 or more")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"{self.threads} threads", expected="one or more")


class EncoderLLM:
    """Answers requests that have a copy constraint, and only these: a classifier writes nothing of its own.

    Of a request it reads the window and the labels alone; instructions, examples and facts are nothing to it.

    Args:
        classifier: what reads.
        settings: how it is run.
        name: names it in reports and cache keys.
        traits: see `LLM`.
    """

    constrains = True

    def __init__(
        self,
        classifier: TokenClassifier,
        settings: EncoderSettings = EncoderSettings(),
        *,
        name: str = "encoder",
        traits: Traits = TUNED,
    ) -> None:
        self.classifier, self.settings, self.name, self.traits = classifier, settings, name, traits
        self.context: int | None = classifier.context

    @classmethod
    def opened(cls, folder: str | Path, settings: EncoderSettings = EncoderSettings()) -> "EncoderLLM":
        """The encoder in a folder that `clinspan tune-encoder` made.

        Raises:
            ClinspanError: see `classifier.folder.load`.
        """
        card, classifier = load(Path(folder))
        if settings.threads is not None:
            import torch

            torch.set_num_threads(settings.threads)
        # One that learned to read several sentences together is shown several.
        profile = "read" if card.card.get("settings", {}).get("sentences", 1) > 1 else "tuned"
        traits = Traits("encoder", profile, calibrations(Path(folder)))
        return cls(classifier, settings, name=f"encoder:{card.name}:{card.sha256[:12]}", traits=traits)

    def check(self, labels: Sequence[str], form: Format) -> None:
        """See `Particular`."""
        head_for(self.classifier.heads, labels)
        if not form.repeats_text:
            raise ConfigError(f"an encoder does not answer in {form.name}", expected="tanl")

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` by the encoder's own tokenizer."""
        return self.classifier.count_tokens(text)

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        """One result for each request, in order; a failed one gives its error and the others go on.

        At most four batches are pulled ahead of the results given.

        Raises:
            ConfigError: when labels are asked for together that the encoder was not tuned for.
        """
        waiting = iter(requests)
        # Windows of like length are read together, so a few batches are looked at at once.
        while taken := list(islice(waiting, self.settings.batch * _AHEAD)):
            yield from self._answer(taken)

    def _answer(self, requests: Sequence[Request]) -> list[Completion | LLMError]:
        answers: dict[int, Completion | LLMError] = {}
        encoded = {}
        for number, request in enumerate(requests):
            if request.constraint is None:
                answers[number] = LLMError(
                    "an encoder answers only by copying the text", where=self.name, fix="Use the format tanl."
                )
                continue
            head = head_for(self.classifier.heads, request.constraint.labels)
            ids, units = self.classifier.encode(request.constraint.text)
            if len(ids) > self.classifier.context:
                answers[number] = LLMError(
                    f"the window of {len(ids)} tokens does not fit into the encoder's {self.classifier.context}",
                    where=self.name,
                    fix="Use shorter windows.",
                )
                continue
            encoded[number] = (request.constraint, head, ids, units)
        by_length = sorted(encoded, key=lambda number: len(encoded[number][2]))
        for at in range(0, len(by_length), self.settings.batch):
            batch = by_length[at : at + self.settings.batch]
            started = time.perf_counter()
            windows = [(ids, units) for _, _, ids, units in (encoded[number] for number in batch)]
            readings = self.classifier.read(windows, [encoded[number][1] for number in batch])
            for number, reading in zip(batch, readings, strict=True):
                constraint, head, ids, _ = encoded[number]
                found = mentions(reading, head, constraint, self.classifier.attributes)
                answers[number] = Completion(
                    render(constraint.text, found),
                    spans=tuple(FoundSpan(e.span, e.label, e.score, e.attributes) for e in found),
                    constrained=True,
                    prompt_tokens=len(ids),
                    seconds=(time.perf_counter() - started) / len(batch),
                )
        return [answers[number] for number in range(len(requests))]
