"""What `clinspan tag` keeps beside its results, and what `--dry-run` says that it would take."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clinspan.dictionary.facts import FactsMode
from clinspan.document import Document
from clinspan.errors import ConfigError, InputError, did_you_mean
from clinspan.llms.base import LLM
from clinspan.llms.replay import Recorder
from clinspan.runs.answers import Answers, Cache, cache_path
from clinspan.runs.folder import DESCRIPTION, Description, RunFolder, read_description
from clinspan.runs.ledger import Limits, Price, price_of, read_prices
from clinspan.runs.recorded import Estimator
from clinspan.runs.session import RunLog, Session
from clinspan.tagging.tagger import Tagger


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What the user wants kept, and what may be spent."""

    folder: Path | None
    cache: bool | None
    log: Path | None
    prices: Path | None
    max_tokens: int | None
    max_cost: float | None
    outputs: Sequence[Path]
    record: Path | None = None
    elsewhere: bool = False
    """Whether other processes ask the LLM, so that what it says cannot be kept, and what it costs not be held."""

    @classmethod
    def asked(cls, asked: SimpleNamespace) -> Self:
        """What the options of `clinspan tag` say."""
        return cls(
            folder=asked.run,
            # What the cache knows is not asked, and would be missing in a recording.
            cache=asked.cache if asked.record is None else False,
            log=asked.log,
            prices=asked.prices,
            max_tokens=asked.max_tokens_total,
            max_cost=asked.max_cost,
            outputs=tuple(path for path in (asked.output, asked.report) if path is not None),
            record=asked.record,
            elsewhere=asked.engine == "ray",
        )

    def __post_init__(self) -> None:
        asked = {
            "--run": self.folder,
            "--record": self.record,
            "--cache": self.cache or None,
            "--max-tokens-total": self.max_tokens,
            "--max-cost": self.max_cost,
        }
        for option, value in asked.items() if self.elsewhere else ():
            if value is not None:
                fix = "Cut a large corpus into files, one command each: what is done is done."
                raise ConfigError(f"{option} has no use with --engine ray", fix=fix)

    def output_names(self) -> list[str]:
        """The outputs, wherever the next command is given."""
        return [str(path) if str(path) == "-" else str(path.absolute()) for path in self.outputs]

    def owns_outputs(self) -> bool:
        """Whether the outputs are those of a run that is taken up again, and so may be replaced."""
        if self.folder is None or not (self.folder / DESCRIPTION).exists():
            return False
        return list(read_description(self.folder).outputs) == self.output_names()

    def price(self, llm: LLM | None) -> Price | None:
        """What the LLM's tokens cost, where the user has told.

        Raises:
            ConfigError: when the table cannot be read; or a cost is limited, and it does not name the model.
        """
        if llm is None or self.prices is None:
            return None
        table = read_prices(self.prices)
        price = price_of(table, llm.name)
        if price is None and self.max_cost is not None:
            model = llm.name.partition(":")[2].partition("@")[0]
            fix = did_you_mean(model, table)
            raise ConfigError(f"there is no price for {llm.name}", where=str(self.prices), fix=fix)
        return price

    def uses_cache(self, llm: LLM | None) -> bool:
        """Whether answers are taken from the cache: where nothing is said, those of servers, which cost money or the
        time of others; a model in this process costs neither, and its answers are kept by the run that needs them."""
        if llm is None:
            return False
        return llm.traits.kind == "served" if self.cache is None else self.cache

    def open(self, tagger: Tagger, description: Description, stack: ExitStack) -> Session:
        """Begins or takes up the run.

        Args:
            tagger: asks through the session's LLM, see `Session.over`.
            description: of the run.
            stack: closes all that is opened.

        Raises:
            ConfigError: when the run was begun differently.
            OutputError: when something cannot be written, or another process is at work on the run.
        """
        llm = None if self.elsewhere else tagger.model
        limits = Limits(tokens=self.max_tokens, cost=self.max_cost, price=self.price(llm))
        folder = None
        if self.folder is not None:
            folder = stack.enter_context(RunFolder(self.folder))
            folder.describe(description)
        cache = stack.enter_context(Cache()) if self.uses_cache(llm) else None
        log = stack.enter_context(RunLog(self.log)) if self.log is not None else None
        return Session(llm, folder=folder, cache=cache, limits=limits, log=log)


def recorded(tagger: Tagger, path: Path | None) -> Tagger:
    """The tagger with an LLM that writes its answers to a file, before anything counts tokens with it.

    Raises:
        ConfigError: when there is no LLM.
        OutputError: when the file cannot be made.
    """
    if path is None:
        return tagger
    if tagger.model is None:
        raise ConfigError("--record has nothing to record", expected="an LLM", fix="Leave out --llm none.")
    return tagger.with_model(Recorder(tagger.model, path))


def arguments(context: typer.Context) -> list[str]:
    """The command's arguments as they were given, environment included, in an order of their own."""
    given: list[str] = []
    inputs: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is None or source.name not in ("COMMANDLINE", "ENVIRONMENT"):
            continue
        value = context.params[name]
        values = value if isinstance(value, list | tuple) else [value]
        if parameter.param_type_name == "argument":
            inputs += [str(item) for item in values]
        elif isinstance(value, bool):
            given.append((parameter.opts if value else parameter.secondary_opts)[-1])
        else:
            for item in values:
                given += [parameter.opts[-1], str(item.value if isinstance(item, Enum) else item)]
    return [*given, "--", *inputs]


def estimate(tagger: Tagger, inputs: Iterable[Document | InputError], keep: Keep) -> None:
    """Shows requests, tokens and money on standard output; no LLM is asked, and nothing is written.

    Raises:
        ConfigError: when the table of prices cannot be read.
        OutputError: when the run or the cache cannot be read.
    """
    problems: list[InputError] = []
    documents = windows = 0
    with ExitStack() as stack:
        estimator = None
        if tagger.model is not None:
            estimator = Estimator(tagger.model, _known(tagger.model, keep, stack))
            tagger = tagger.with_model(estimator)
        for document in tagger.tag_many(_readable(inputs, problems)):
            documents += 1
            windows += len(document.windows)
    rows = {"documents": f"{documents:,}", "windows": f"{windows:,}"}
    if problems:
        rows["inputs not read"] = f"{len(problems)}, first: {problems[0]}"
    rows |= {"requests": "none: the dictionary decides alone"} if estimator is None else _requests(tagger, estimator)
    if estimator is not None and keep.prices is not None:
        price = keep.price(estimator)
        rows["cost"] = (
            f"{keep.prices} has no price for {estimator.name}"
            if price is None
            else f"about {price.show(price.of(estimator.tokens))}"
        )
    _show(rows)


def _known(llm: LLM, keep: Keep, stack: ExitStack) -> Iterator[Answers]:
    """What is there already; a run or a cache that is not there is not made."""
    if keep.folder is not None and (keep.folder / DESCRIPTION).exists():
        yield stack.enter_context(RunFolder(keep.folder)).ledger.answers
    if keep.uses_cache(llm) and cache_path().exists():
        yield stack.enter_context(Cache())


def _readable(inputs: Iterable[Document | InputError], problems: list[InputError]) -> Iterator[Document]:
    for found in inputs:
        if isinstance(found, InputError):
            problems.append(found)
        else:
            yield found


def _requests(tagger: Tagger, estimator: Estimator) -> dict[str, str]:
    facts = tagger.settings.facts
    # What the LLM would list, and so which facts its prompts would hold, is not known without asking.
    lists = tagger.dictionary is not None and facts.mode is not FactsMode.NONE and facts.source != "scan"
    return {
        "model": estimator.name,
        "requests": f"{estimator.requests:,}" + (f", and {estimator.known:,} known already" if estimator.known else ""),
        "tokens in": f"{'at least ' if lists else ''}{estimator.tokens.prompt:,}",
        "tokens out": f"about {estimator.tokens.completion:,}",
    }


def _show(rows: dict[str, str]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, escape(value))
    Console(highlight=False).print(table)
