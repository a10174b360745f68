"""Measures the cells of a plan, so that a run which is stopped anywhere can be gone on with.

What the cells share is opened once: dictionaries, the pool, LLMs that ask nothing twice.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby

from clinspan.ablation.folder import AblationFolder, Asked, CellFile, Measured, measured
from clinspan.ablation.plan import AUTO, Cell, Grid, Plan, Settings, over
from clinspan.ablation.plan_file import Corpus, Examples
from clinspan.calibrate import choose_opening
from clinspan.dictionary.store import Dictionary
from clinspan.document import Document, WindowState
from clinspan.errors import ClinspanError, ConfigError, LLMError, OutputError, PrivacyError
from clinspan.examples.selection import Strategy
from clinspan.examples.store import documents_of
from clinspan.labels import LabelSet
from clinspan.llms import spec
from clinspan.llms.base import LLM, SeesLogits, Wrapper, asking, closing
from clinspan.messages import Completion, Request
from clinspan.runs.answers import Answers
from clinspan.runs.ledger import Budget, Ledger
from clinspan.runs.recorded import Recorded
from clinspan.tagging import open as parts
from clinspan.tagging.read import Progress, Times
from clinspan.tagging.tagger import Tagger


class Metered(Wrapper):
    """Wraps an LLM.

    Args:
        llm: is asked what is not known.
        cache: answers of other runs, where they are wanted.
    """

    def __init__(self, llm: LLM, *, ledger: Ledger, cache: Answers | None, budget: Budget):
        super().__init__(llm)
        self._recorded = Recorded(llm, ledger=ledger, cache=cache, budget=budget, told=self._told)
        self._asked: dict[str, Asked] = {}
        self._known: set[int] = set()
        """The results that are on their way and were not asked for, by identity: two answers may be equal."""

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        """As the wrapped LLM answers.

        Raises:
            OutputError: when an answer cannot be kept.
        """
        whose: deque[str] = deque()

        def passed_on() -> Generator[Request, None, None]:
            for request in requests:
                whose.append(request.about.document if request.about is not None else "")
                yield request

        with asking(self._recorded, passed_on()) as answers:
            for answer in answers:
                self._count(whose.popleft(), answer)
                yield answer

    def take(self, document: str) -> Asked:
        """What was asked about a document since the last time that this was wanted."""
        return self._asked.pop(document, Asked())

    def _told(self, result: Completion | LLMError, *, known: bool) -> None:
        if known:
            self._known.add(id(result))

    def _count(self, document: str, answer: Completion | LLMError) -> None:
        known = id(answer) in self._known
        self._known.discard(id(answer))
        one = Asked(1, int(known))
        if isinstance(answer, Completion):
            one = Asked(1, int(known), answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens)
        self._asked[document] = self._asked.get(document, Asked()) + one


class Parts:
    """Makes the cells' taggers.

    Args:
        plan: names the parts.
        examples: the pool; None where there is none.
        allow_remote: whether notes may leave this machine for the addresses of the plan.
    """

    def __init__(self, plan: Plan, labels: LabelSet, examples: Examples | None, *, allow_remote: bool = False):
        self._plan = plan
        self._labels = labels
        self._examples = examples
        self._allow_remote = allow_remote
        self._llms: dict[tuple[str, str], LLM | None] = {}
        self._encoders: dict[str, LLM | None] = {}
        self._dictionaries: dict[str, Dictionary | None] = {}
        self._open = ExitStack()

    def llm(self, cell: Cell) -> LLM | None:
        """The LLM of a cell, as the plan has it.

        Raises:
            ClinspanError: when it cannot be had.
        """
        name, form = str(cell.settings["llm"]), str(cell.settings.get("format", "tanl"))
        wanted = self._plan.llm(name)
        # Which adapter comes along by itself depends on the format, and so does what an encoder can do.
        known = (name, form)
        if known not in self._llms:
            options = dict(wanted.options)
            if self._allow_remote and spec.takes(wanted.spec, "allow_remote"):
                options["allow_remote"] = True
            made = parts.llm(wanted.spec, self._labels, parts.form(form), adapter=wanted.adapter, **options)
            self._llms[known] = self._shared(made)
        return self._llms[known]

    def _shared(self, made: LLM | None) -> LLM | None:
        """One that was opened before under another format, if it is the same."""
        for other in self._llms.values():
            if made is not None and other is not None and other.name == made.name:
                with closing(made):
                    return other
        self._open.enter_context(closing(made))
        return made

    def tagger(self, cell: Cell, bias: float | None = None) -> Tagger:
        """The tagger of a cell.

        Args:
            bias: in place of `open-bias = "auto"`.

        Raises:
            ClinspanError: when a part cannot be had, or the settings ask for what the parts cannot give.
        """
        settings = dict(cell.settings)
        if settings.get("open-bias") == AUTO:
            settings["open-bias"] = 0.0 if bias is None else bias
        named = self._dictionary(str(settings.get("dictionary", "open")))
        tagger = Tagger.open(
            self.llm(cell),
            labels=self._labels,
            format=str(settings.get("format", "tanl")),
            dictionary=named,
            encoder=self._encoder(cell),
            calibration=_text(settings, "calibration"),
            fused="none",  # a grid compares what single sources decide
            taught=self._taught(),
            examples=self._examples.pool if self._examples is not None else None,
            select=Strategy.FIXED,  # unless the plan says otherwise
        )
        tagger = tagger.with_(settings=over(settings, tagger.settings))
        tagger.check()
        return tagger

    def _encoder(self, cell: Cell) -> LLM | None:
        name = _text(cell.settings, "encoder")
        if name is None:
            return None
        if name not in self._encoders:
            form = parts.form(str(cell.settings.get("format", "tanl")))
            self._encoders[name] = parts.encoder(name, self._labels, form, alone=self.llm(cell) is None)
            self._open.enter_context(closing(self._encoders[name]))
        return self._encoders[name]

    def close(self) -> None:
        """Closes the LLMs."""
        self._open.close()

    def _dictionary(self, name: str) -> Dictionary | None:
        if name not in self._dictionaries:
            self._dictionaries[name] = parts.dictionary(name)
        return self._dictionaries[name]

    def _taught(self) -> Sequence[Document]:
        if self._examples is None or not self._plan.teach:
            return ()
        return self._examples.documents or tuple(documents_of(self._examples.pool))


def _text(settings: Settings, key: str) -> str | None:
    return str(settings[key]) if key in settings else None


class Asking:
    """Lets taggers ask through one ledger.

    Args:
        cache: answers of other runs; None for none.
        use_cache: for all LLMs or none; None: for servers, whose answers cost money or the time of others.
    """

    def __init__(self, ledger: Ledger, cache: Answers | None, budget: Budget, *, use_cache: bool | None):
        self._ledger = ledger
        self._cache = cache
        self._budget = budget
        self._use_cache = use_cache
        self._metered: dict[str, Metered] = {}

    def of(self, llm: LLM) -> Metered:
        """The LLM, recorded and metered; the same for the same LLM."""
        if llm.name not in self._metered:
            wanted = llm.traits.kind == "served" if self._use_cache is None else self._use_cache
            cache = self._cache if wanted else None
            self._metered[llm.name] = Metered(llm, ledger=self._ledger, cache=cache, budget=self._budget)
        return self._metered[llm.name]


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
            sentences = self.examples.marked(self.labels, self.plan.opening, seed=self.plan.seed)
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
