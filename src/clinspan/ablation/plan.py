"""A plan: gold documents, a pool, LLMs, settings that are fixed and settings that vary."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from clinspan.ablation.settings import Settings, Value

Unit = Literal["document", "sentence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Annotated documents, or for examples the folder of a pool.

    Attributes:
        path: a file or folder.
        format: as for `clinspan tag --from`; None: as recognised.
        names: new names for labels.
        ignored: labels whose entities are left out.
        lenient: a wrong annotation is left out; else it is an error.
    """

    path: Path
    format: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    lenient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LLMPlan:
    """An LLM that the plan names.

    Attributes:
        spec: as for `clinspan tag --llm`.
        adapter: as for `clinspan tag --adapter`.
        options: the LLM's settings, see `llms.spec`.
    """

    spec: str
    adapter: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured.

    Attributes:
        title: heads the report.
        seed: of the subset, of the sentences that a bias is chosen on, and of the bootstrap.
        gold: what is tagged and scored.
        labels: a label set.
        unit: what is tagged as a document.
        limit: so many of them, drawn by the seed; None for all.
        pool: of examples; None for none.
        teach: whether the pool teaches the dictionary which of its terms are meant.
        opening: sentences with mentions that `open-bias = "auto"` is chosen on.
        llms: those that have a section, by name; a cell may also give a spec.
        fixed: settings of all cells.
        axes: the values of each setting that varies.
        text: of the file.
    """

    title: str
    seed: int
    gold: Source
    labels: str
    unit: Unit = "document"
    limit: int | None = None
    pool: Source | None = None
    teach: bool = False
    opening: int = 12
    llms: Mapping[str, LLMPlan] = field(default_factory=dict)
    fixed: Settings = field(default_factory=dict)
    axes: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    text: str = ""

    @property
    def checksum(self) -> str:
        """Of the file: SHA-256, 12 digits."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()[:12]

    def llm(self, name: str) -> LLMPlan:
        """The LLM of a cell."""
        return self.llms.get(name) or LLMPlan(spec=name)
