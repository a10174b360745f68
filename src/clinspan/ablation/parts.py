"""The parts that the cells of a plan share: LLMs that ask nothing twice, dictionaries and the pool, opened once."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack

from clinspan.ablation.folder import Asked
from clinspan.ablation.plan import AUTO, Cell, Plan, Settings, over
from clinspan.ablation.plan_file import Examples
from clinspan.dictionary.store import Dictionary
from clinspan.document import Document
from clinspan.errors import LLMError
from clinspan.examples.selection import Strategy
from clinspan.examples.store import documents_of
from clinspan.labels import LabelSet
from clinspan.llms import spec
from clinspan.llms.base import LLM, Wrapper, asking, closing
from clinspan.messages import Completion, Request
from clinspan.runs.answers import Answers
from clinspan.runs.ledger import Budget, Ledger
from clinspan.runs.recorded import Recorded
from clinspan.tagging import open as parts
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
