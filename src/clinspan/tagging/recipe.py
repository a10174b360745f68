"""What a user asked for, from which a tagger is made: here, or in another process that gets it sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from clinspan.document import Document
from clinspan.examples import notes
from clinspan.examples.build import temporary
from clinspan.examples.pool import Pool
from clinspan.examples.selection import Strategy
from clinspan.examples.store import documents_of
from clinspan.labels import LabelSet
from clinspan.llms.spec import kinds
from clinspan.tagging.tagger import Tagger

_PATHS = frozenset({"PATH", "FOLDER", "FILE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggerRecipe:
    """Makes the same tagger wherever its files are at the same paths. Small, and can be pickled.

    Attributes:
        llm: the LLM's spec.
        labels: what is asked for.
        options: settings of the LLM and of tagging, by the names that Python has; see `Tagger.open`.
        adapter: a folder made by `clinspan tune`, or `none`; None for the one that comes with clinspan.
        format: the format's name.
        dictionary: `open`, `none`, or a folder.
        calibration: a file, `none`, or None for what came with the adapter.
        encoder: a folder made by `clinspan tune-encoder`; None for none.
        fused: a file that `clinspan fuse` wrote, `none`, or None for what comes with clinspan.
        explain: whether documents keep why a fused model decided so.
        effort: `fast`, `balanced` or `full`; see `Tagger.open`.
        pool: annotated documents.
        examples: the folder of a pool of them, or `notes`; in its place, or theirs.
        teach: whether they teach the dictionary which of its terms are meant; see `Tagger`. Prompts show them where the
            settings say so.
    """

    llm: str
    labels: LabelSet
    options: Mapping[str, Any] = field(default_factory=dict)
    adapter: str | None = None
    format: str = "tanl"
    dictionary: str = "open"
    calibration: str | None = None
    encoder: Path | None = None
    fused: str | None = None
    explain: bool = False
    effort: str | None = None
    pool: tuple[Document, ...] = ()
    examples: Path | None = None
    teach: bool = True

    def make(self) -> Tagger:
        """The tagger, with its model and dictionary open.

        Raises:
            ClinspanError: when a part cannot be had, see `Tagger`.
        """
        shown, taught = self._examples()
        return Tagger.open(
            self.llm,
            labels=self.labels,
            format=self.format,
            dictionary=self.dictionary,
            adapter=self.adapter,
            encoder=self.encoder,
            fused=self.fused,
            explain=self.explain,
            effort=self.effort,
            calibration=self.calibration,
            examples=shown,
            taught=taught,
            **self.options,
        )

    def _examples(self) -> tuple[Pool | None, Iterable[Document]]:
        """What prompts show, and what the dictionary learns from."""
        strategy = Strategy(self.options.get("select") or Strategy.FIXED)
        draws = strategy.draws_on_pool
        if self.examples is not None:
            named = notes.is_named(self.examples)
            pool = notes.pool(self.labels.names) if named else Pool.open(self.examples)
            if named and self.options.get("select") is None:
                # The tagger knows whether its model is to be shown examples.
                return pool, (documents_of(pool) if self.teach else ())
            return (pool if draws else None), (documents_of(pool) if self.teach else ())
        shown = temporary(self.pool, labels=self.labels.names) if draws and self.pool else None
        return shown, (self.pool if self.teach else ())

    def anchored(self) -> Self:
        """The same with absolute paths, for a process that works in another folder."""
        llm = self.llm
        kind, _, argument = llm.partition(":")
        # What follows `hf:` may be a folder of this machine or a name of the hub.
        local = kind in kinds() and kinds()[kind].argument in _PATHS
        if argument and (local or (kind == "hf" and Path(argument).is_dir())):
            llm = f"{kind}:{Path(argument).absolute()}"
        return replace(
            self,
            llm=llm,
            adapter=_anchored(self.adapter),
            dictionary=_anchored(self.dictionary, "open") or self.dictionary,
            calibration=_anchored(self.calibration),
            fused=_anchored(self.fused),
            encoder=self.encoder.absolute() if self.encoder is not None else None,
            examples=self.examples if notes.is_named(self.examples) else self.examples and self.examples.absolute(),
        )


def _anchored(path: str | None, *names: str) -> str | None:
    return path if path in (None, "none", *names) else str(Path(str(path)).absolute())
