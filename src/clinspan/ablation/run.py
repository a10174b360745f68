"""Measures the cells of a plan, so that a run which is stopped anywhere can be gone on with."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby
from random import Random

from clinspan.ablation.folder import AblationFolder, Asked, CellFile, Measured, measured
from clinspan.ablation.parts import Asking, Metered, Parts
from clinspan.ablation.plan import AUTO, Cell, Grid, Plan
from clinspan.ablation.plan_file import Corpus, Examples
from clinspan.calibrate import choose_opening
from clinspan.document import Document, WindowState
from clinspan.errors import ClinspanError, ConfigError, OutputError, PrivacyError
from clinspan.examples.pool import Pool
from clinspan.examples.selection import Strategy
from clinspan.examples.store import PART_OF
from clinspan.labels import LabelSet
from clinspan.llms import spec
from clinspan.llms.base import SeesLogits
from clinspan.runs.ledger import Budget, Ledger
from clinspan.tagging.summary import Progress, Times
from clinspan.tagging.tagger import Tagger

ROUND = 50
"""Documents that every cell is given before any is given more: a run that is stopped has figures to compare."""

Done = Callable[[Document], None]


@dataclass(slots=True)
class _State:
    """A cell under way."""

    tagger: Tagger
    metered: Metered | None


@dataclass(slots=True, kw_only=True)
class Ablation:
    """One go at a plan.

    Attributes:
        plan, grid, labels, corpus, examples: what is to be measured.
        asking: through which they ask.
        progress, done: told of each window that was read and each document that was measured.
        failed: why a cell was given up, by its name.
    """

    plan: Plan
    grid: Grid
    labels: LabelSet
    corpus: Corpus
    examples: Examples | None
    parts: Parts
    asking: Asking
    ledger: Ledger
    folder: AblationFolder
    budget: Budget
    progress: Progress | None = None
    done: Done | None = None
    failed: dict[str, str] = field(default_factory=dict)
    _states: dict[str, _State] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def run(self) -> None:
        """Measures what is not measured yet; what a cell's parts or settings make impossible fails that cell alone.

        Raises:
            PrivacyError: before anything is asked, when an address is outside this machine and that is not allowed.
            OutputError: when something cannot be kept.
        """
        self._check_addresses()
        try:
            for _, cells in groupby(sorted(self.grid.cells, key=self._llm_number), key=self._llm_number):
                if not self.budget.exhausted:
                    self._measure_all(tuple(cells))
        finally:
            self.folder.write_index(self.grid, self.corpus, self.failed)

    def known(self) -> list[tuple[Cell, dict[str, Measured]]]:
        """Each cell with what was measured, by document."""
        return [(cell, self.folder.read(cell)) for cell in self.grid.cells]

    def pending(self) -> int:
        """Documents by cells that are still to be measured."""
        return sum(not _is_done(known.get(d.id)) for _, known in self.known() for d in self.corpus.documents)

    def _llm_number(self, cell: Cell) -> int:
        return list(dict.fromkeys(cell.settings["llm"] for cell in self.grid.cells)).index(cell.settings["llm"])

    def _check_addresses(self) -> None:
        for cell in self.grid.cells:
            if spec.takes(self.plan.llm(str(cell.settings["llm"])).spec, "allow_remote"):
                try:
                    self.parts.llm(cell)
                except PrivacyError:
                    raise
                except ClinspanError as error:
                    self.failed[cell.name] = str(error)

    def _measure_all(self, cells: Sequence[Cell]) -> None:
        """The cells of one LLM, some documents at a time."""
        with ExitStack() as stack:
            files = {cell.name: stack.enter_context(self.folder.file(cell)) for cell in cells}
            for start in range(0, len(self.corpus.documents), ROUND):
                documents = self.corpus.documents[start : start + ROUND]
                for cell in cells:
                    file = files[cell.name]
                    left = [document for document in documents if not _is_done(file.known.get(document.id))]
                    if left and cell.name not in self.failed and not self.budget.exhausted:
                        self._measure(cell, left, file, cells)

    def _measure(self, cell: Cell, documents: Sequence[Document], file: CellFile, beside: Sequence[Cell]) -> None:
        try:
            state = self._states.get(cell.name) or self._begun(cell, beside)
            for one, found in self._tagged(state, documents):
                # What was not asked for want of budget is asked when there is more of it.
                if self.budget.exhausted and WindowState.OVER_BUDGET in one.states:
                    continue
                file.add(one)
                self.ledger.finish(self._number(cell, one.id), found)
                if self.done is not None:
                    self.done(found)
        except OutputError:
            raise
        except ClinspanError as error:
            self.failed[cell.name] = str(error)

    def _tagged(self, state: _State, documents: Sequence[Document]) -> Iterator[tuple[Measured, Document]]:
        times: dict[str, Times] = {}
        bare = (replace(document, entities=(), windows=()) for document in documents)
        found = state.tagger.tag_many(bare, progress=self.progress, timed=times.__setitem__)
        before = time.perf_counter()
        for gold, tagged in zip(documents, found, strict=True):
            now = time.perf_counter()
            one = measured(
                gold,
                tagged,
                self.labels.names,
                model=state.metered.name if state.metered is not None else "",
                asked=state.metered.take(gold.id) if state.metered is not None else Asked(),
                times=times.pop(gold.id),
                clock=now - before,
            )
            before = now
            yield one, tagged

    def _begun(self, cell: Cell, beside: Sequence[Cell]) -> _State:
        bias = self._bias(cell, beside) if cell.settings.get("open-bias") == AUTO else None
        tagger = self.parts.tagger(cell, bias)
        metered = None
        if tagger.model is not None:
            metered = self.asking.of(tagger.model)
            tagger = tagger.with_model(metered)
        self._states[cell.name] = _State(tagger, metered)
        return self._states[cell.name]

    def _bias(self, cell: Cell, beside: Sequence[Cell]) -> float:
        """One for all cells of the cell's LLM whose prompts show examples, and one for the others; chosen once.

        Examples make a model open far more readily, so that one bias for both would suit neither.
        """
        name, shown = str(cell.settings["llm"]), shows_examples(self.parts.tagger(cell))
        known = self.folder.opening(name, examples=shown)
        if known is None:
            llm = self.parts.llm(cell)
            if not isinstance(llm, SeesLogits):
                raise ConfigError(
                    f'open-bias "{AUTO}" asks a model for its logits', expected="embedded or llamacpp:PATH"
                )
            if self.examples is None:
                raise ConfigError(f'open-bias "{AUTO}" is chosen on sentences of the pool', fix="Name a [pool].")
            taggers = [self.parts.tagger(one) for one in representatives(beside)]
            taggers = [tagger for tagger in taggers if shows_examples(tagger) is shown]
            sentences = marked(self.examples.pool, self.labels, self.plan.opening, seed=self.plan.seed)
            known = choose_opening(llm, taggers, sentences)
            self.folder.keep_opening(name, known, examples=shown)
        return known.bias

    def _number(self, cell: Cell, id: str) -> int:
        """A number for a document in a cell that more documents leave as it is."""
        if not self._numbers:
            self._numbers.update((document.id, number) for number, document in enumerate(self.corpus.documents))
        return self._numbers[id] * len(self.grid.cells) + self.grid.cells.index(cell)


def _is_done(one: Measured | None) -> bool:
    # What was not read is read again: the ledger has the answers, but for those that are to be asked again.
    return one is not None and one.complete


def shows_examples(tagger: Tagger) -> bool:
    """Whether its prompts show examples."""
    settings = tagger.settings.examples
    own = settings.strategy is not Strategy.FIXED or bool(tagger.labels.examples)
    return settings.strategy is not Strategy.NONE and settings.k != 0 and own


def representatives(cells: Sequence[Cell]) -> list[Cell]:
    """The cells that a bias is chosen with: of those that differ in `k` alone the one with the middle `k`."""
    alike: dict[frozenset[tuple[str, object]], list[Cell]] = {}
    for cell in cells:
        if cell.settings.get("open-bias") == AUTO:
            rest = frozenset((key, value) for key, value in cell.settings.items() if key != "k")
            alike.setdefault(rest, []).append(cell)
    return [sorted(some, key=lambda c: float(c.settings.get("k", 0)))[len(some) // 2] for some in alike.values()]


def marked(pool: Pool, labels: LabelSet, count: int, *, seed: int) -> list[Document]:
    """Examples of a pool with mentions, drawn by lot, as documents that their own examples are kept away from."""
    numbers = list(range(len(pool)))
    Random(seed).shuffle(numbers)
    found: list[Document] = []
    for number in numbers:
        example = pool[number]
        entities = tuple(entity for entity in example.entities if entity.label in labels)
        if entities:
            id = f"{example.document}:{example.start}"
            found.append(Document(id, example.text, entities, metadata={PART_OF: example.document}))
        if len(found) == count:
            break
    return found
