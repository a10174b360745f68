"""What a user asked for, from which a tagger is made: here, or in another process that gets it sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from clinspan.dictionary.facts import FactsMode
from clinspan.document import Document
from clinspan.examples.build import temporary
from clinspan.examples.example import documents_of
from clinspan.examples.pool import Pool
from clinspan.labels import LabelSet
from clinspan.llms.spec import KINDS
from clinspan.messages import CandidateMode
from clinspan.tagging import open as parts
from clinspan.tagging.settings import ExampleChoice, FactSettings, TagSettings
from clinspan.tagging.tagger import Tagger

_PATHS = frozenset({"PATH", "FOLDER", "FILE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the user chose to differ from what suits the LLM; None leaves it."""

    ask: Literal["always", "candidates"] | None = None
    candidates: CandidateMode | None = None
    candidate_bias: float | None = None
    open_bias: float | None = None
    facts: FactsMode | None = None
    facts_budget: int | None = None
    facts_from: Literal["scan", "propose", "both"] | None = None
    window_tokens: int | None = None
    examples: ExampleChoice = field(default_factory=ExampleChoice)

    def over(self, settings: TagSettings) -> TagSettings:
        """The settings with the choice put in.

        Raises:
            ConfigError: when a value is none that the setting can have.
        """
        windows = settings.windows
        if self.window_tokens is not None:
            windows = replace(windows, max_tokens=self.window_tokens)
        facts = FactSettings(
            mode=self.facts or settings.facts.mode,
            budget=settings.facts.budget if self.facts_budget is None else self.facts_budget,
            source=self.facts_from or settings.facts.source,
        )
        return replace(
            self.examples.over(settings),
            windows=windows,
            facts=facts,
            ask=self.ask or settings.ask,
            candidates=self.candidates or settings.candidates,
            candidate_bias=settings.candidate_bias if self.candidate_bias is None else self.candidate_bias,
            open_bias=settings.open_bias if self.open_bias is None else self.open_bias,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggerRecipe:
    """Makes the same tagger wherever its files are at the same paths. Small, and can be pickled.

    Attributes:
        llm: the LLM's spec.
        labels: what is asked for.
        options: the LLM's settings, see `llms.spec`.
        adapter: a folder made by `clinspan tune`, or `none`; None for the one that comes with clinspan.
        form: the format's name.
        dictionary: `open`, `none`, or a folder.
        calibration: a file, `none`, or None for what came with the adapter.
        pool: annotated documents.
        examples: the folder of a pool of them; in its place, or theirs.
        teach: whether they teach the dictionary which of its terms are meant; see `Tagger`. Prompts show them where the
            choice says so.
        choice: over the settings that suit the LLM.
    """

    llm: str
    labels: LabelSet
    options: Mapping[str, object] = field(default_factory=dict)
    adapter: str | None = None
    form: str = "tanl"
    dictionary: str = "open"
    calibration: str | None = None
    pool: tuple[Document, ...] = ()
    examples: Path | None = None
    teach: bool = True
    choice: Choice = field(default_factory=Choice)

    def make(self) -> Tagger:
        """The tagger, with its model and dictionary open.

        Raises:
            ClinspanError: when a part cannot be had, see `Tagger`.
        """
        shown, taught = self._examples()
        tagger = Tagger(
            parts.llm(self.llm, self.labels, parts.form(self.form), adapter=self.adapter, **self.options),
            labels=self.labels,
            form=self.form,
            dictionary=self.dictionary,
            calibration=self.calibration,
            pool=taught,
            examples=shown,
        )
        tagger.settings = self.choice.over(tagger.settings)
        return tagger

    def _examples(self) -> tuple[Pool | None, Iterable[Document]]:
        """What prompts show, and what the dictionary learns from."""
        draws = self.choice.examples.draws
        if self.examples is not None:
            pool = Pool.open(self.examples)
            return (pool if draws else None), (documents_of(pool) if self.teach else ())
        shown = temporary(self.pool, labels=self.labels.names) if draws and self.pool else None
        return shown, (self.pool if self.teach else ())

    def anchored(self) -> Self:
        """The same with absolute paths, for a process that works in another folder."""
        llm = self.llm
        kind, _, argument = llm.partition(":")
        # What follows `hf:` may be a folder of this machine or a name of the hub.
        local = kind in KINDS and KINDS[kind].argument in _PATHS
        if argument and (local or (kind == "hf" and Path(argument).is_dir())):
            llm = f"{kind}:{Path(argument).absolute()}"
        return replace(
            self,
            llm=llm,
            adapter=_anchored(self.adapter),
            dictionary=_anchored(self.dictionary, "open") or self.dictionary,
            calibration=_anchored(self.calibration),
            examples=self.examples.absolute() if self.examples is not None else None,
        )


def _anchored(path: str | None, *names: str) -> str | None:
    return path if path in (None, "none", *names) else str(Path(str(path)).absolute())
