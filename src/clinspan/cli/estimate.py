"""`clinspan tag --dry-run`: what it would take."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clinspan.cli.recording import Keep
from clinspan.dictionary.facts import FactsMode
from clinspan.document import Document
from clinspan.errors import InputError
from clinspan.llms.base import LLM
from clinspan.runs.answers import Answers, Cache, cache_path
from clinspan.runs.folder import DESCRIPTION, RunFolder
from clinspan.runs.recorded import Estimator
from clinspan.tagging.tagger import Tagger


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
