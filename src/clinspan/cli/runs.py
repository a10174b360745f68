"""`clinspan ablate`: what prompt, examples and knowledge bring, over a grid of settings, as a run that can be taken up.

`clinspan runs`: look at a run, ask it again, delete it. `clinspan cache`: the answers that runs share.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clinspan.ablation.folder import AblationFolder, description
from clinspan.ablation.plan import Grid, Plan, grid
from clinspan.ablation.plan_file import read_corpus, read_plan, read_pool
from clinspan.ablation.report import Report, signature, tables, write_report
from clinspan.ablation.results import Results
from clinspan.ablation.run import Ablation, Asking, Parts
from clinspan.cli import tag
from clinspan.cli.main import STOPPED
from clinspan.cli.meter import Meter
from clinspan.cli.recording import arguments
from clinspan.cli.run import BUDGET_SPENT
from clinspan.document import READ_STATES
from clinspan.errors import InputError
from clinspan.evaluation.match import Rule
from clinspan.labels import LabelSet
from clinspan.runs.answers import Cache, cache_path
from clinspan.runs.folder import RunFolder, read_description
from clinspan.runs.ledger import Budget, Limits, Price, price_of, read_prices

_Limit = Annotated[
    int | None, typer.Option(min=1, help="So many documents, drawn by the plan's seed; more can follow later.")
]
_Cache = Annotated[
    bool | None, typer.Option("--cache/--no-cache", help="As for `clinspan tag`: on for servers if nothing is said.")
]
_Prices = Annotated[
    Path | None, typer.Option(envvar="CLINSPAN_PRICES", help="A TOML file of prices per million tokens.")
]


def ablate(
    command: typer.Context,
    plan: Annotated[Path, typer.Argument(help="The TOML file that says what is varied (docs: ablation).")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A folder for all that is measured, and the report on it.")
    ],
    limit: _Limit = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let documents leave this machine for the plan's addresses.")
    ] = False,
    cache: _Cache = None,
    max_tokens_total: Annotated[
        int | None, typer.Option(min=0, help="Stop before more tokens than this are used.")
    ] = None,
    prices: _Prices = None,
    force: Annotated[bool, typer.Option("--force", help="Begin anew where the folder has an ablation.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Runs every cell of a grid over gold documents and reports what prompt, examples and knowledge bring.

    Repeated, the command goes on where it was stopped, however that came about: what is answered is not asked again. A
    cell that cannot be run is named with the reason, and the others go on. Exit status as for `clinspan tag`.

    Example: `clinspan ablate experiments/embedded.toml -o ablation --limit 20`
    """
    console = Console(stderr=True, quiet=quiet, highlight=False)
    chosen = read_plan(plan)
    cells = grid(chosen)
    priced = read_prices(prices) if prices is not None else {}
    labels = LabelSet.load(chosen.labels)
    problems: list[InputError] = []
    corpus = read_corpus(chosen, labels, limit)
    with ExitStack() as stack:
        folder = _opened(output, stack, force=force)
        examples = read_pool(chosen.pool, labels, problems) if chosen.pool is not None else None
        folder.describe(description(chosen, labels, corpus, examples, command=arguments(command), output=output))
        _tell(console, chosen, cells, (*corpus.problems, *problems))
        budget = Budget(Limits(tokens=max_tokens_total), folder.ledger.spent())
        held = stack.enter_context(Cache()) if cache is not False else None
        parts = Parts(chosen, labels, examples, allow_remote=allow_remote)
        stack.callback(parts.close)
        ablation = Ablation(
            plan=chosen,
            grid=cells,
            labels=labels,
            corpus=corpus,
            examples=examples,
            parts=parts,
            asking=Asking(folder.ledger, held, budget, use_cache=cache),
            ledger=folder.ledger,
            folder=AblationFolder(output, chosen),
            budget=budget,
        )
        stopped = _run(ablation, console)
        _say_failed(ablation.failed)
        _report(ablation, priced, output, console)
        left = ablation.pending()
        status = STOPPED if stopped else BUDGET_SPENT if budget.exhausted else 3 if left or ablation.failed else 0
        raise typer.Exit(status)


def _opened(output: Path, stack: ExitStack, *, force: bool) -> RunFolder:
    if force and output.exists():
        AblationFolder.forget(output)
    return stack.enter_context(RunFolder(output))


def _tell(console: Console, plan: Plan, cells: Grid, problems: tuple[InputError, ...]) -> None:
    for problem in problems:
        console.print("[yellow]left out:[/]", escape(str(problem)), soft_wrap=True)
    for one in cells.skipped:
        console.print("skipped:", escape(f"{one.name}: {one.reason}"), soft_wrap=True)
    console.print(escape(f"{plan.title}: {len(cells.cells)} cells"))


def _say_failed(failed: Mapping[str, str]) -> None:
    # Said even when the user asked for quiet: what is not measured is never silent.
    console = Console(stderr=True, highlight=False)
    for name, reason in failed.items():
        console.print("[bold red]failed:[/]", escape(f"{name}: {reason}"), soft_wrap=True)


def _report(ablation: Ablation, prices: Mapping[str, Price], output: Path, console: Console) -> None:
    plan, corpus = ablation.plan, ablation.corpus
    results = Results(ablation.known(), corpus, ablation.labels.names, seed=plan.seed)
    drawn = f"{results.documents} of {corpus.of} {plan.unit}s, drawn by the seed {plan.seed}"
    about = {
        "gold": f"{plan.gold.path.name}, {drawn}, checksum {corpus.checksum[:12]}",
        "labels": ", ".join(results.labels),
    }
    report = Report(
        plan.title,
        about,
        signature(plan, corpus, results),
        tuple(tables(plan, ablation.grid, results, ablation.failed, prices)),
    )
    for one in results.cells:
        sure = one.intervals[Rule.STRICT].micro.f1
        console.print(escape(f"{one.f1:.3f} ({sure.low:.3f}-{sure.high:.3f})  {one.cell.name}"), soft_wrap=True)
    for path in write_report(output, report, results, plan=plan, prices=prices):
        console.print(f"written: {escape(str(path))}", soft_wrap=True)


def _run(ablation: Ablation, console: Console) -> bool:
    """Whether it was stopped by Ctrl-C."""
    try:
        with Meter(console, total=ablation.pending()) as meter:
            ablation.progress, ablation.done = meter.window, meter.document
            ablation.run()
    except KeyboardInterrupt:
        return True
    return False


app = typer.Typer(help="Look at runs, ask again what was not read, and delete what they keep.", no_args_is_help=True)

Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="The folder given to `clinspan tag --run`, or of `clinspan ablate`.")
]
_PROGRAMS: dict[str, tuple[Callable[..., None], str]] = {
    "tag": (tag.tag, "--run"),
    "ablate": (ablate, "--output"),
}
"""What a run is repeated with, and the option that names its folder."""


@app.command()
def show(
    run: Run,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
    prices: Annotated[
        Path | None, typer.Option(envvar="CLINSPAN_PRICES", help="A TOML file of prices per million tokens.")
    ] = None,
) -> None:
    """Shows the windows by state, why some were not read, tokens, cost and settings of a run.

    Example: `clinspan runs show run-1`
    """
    found = _told(run, prices)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in found.items():
        table.add_row(name, escape(_words(value)))
    Console(highlight=False).print(table)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_words(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, list):
        return "\n".join(map(_words, value))
    return f"{value:,}" if isinstance(value, int) else "none" if value is None else str(value)


def _told(run: Path, prices: Path | None) -> dict[str, Any]:
    description = read_description(run)
    with RunFolder(run) as folder:
        ledger = folder.ledger
        states, spent = ledger.states(), ledger.spent()
        told: dict[str, Any] = {
            "run": str(run),
            "documents": ledger.documents(),
            "windows": {state.value: count for state, count in sorted(states.items())},
            "not read": sum(count for state, count in states.items() if state not in READ_STATES),
            "why": dict(ledger.failures().most_common()),
            "requests": dict(ledger.requests()),
            "tokens": {"in": spent.prompt, "of these evaluated before": spent.cached, "out": spent.completion},
        }
    if prices is not None:
        price = price_of(read_prices(prices), description.settings["model"])
        told["cost"] = price.show(price.of(spent)) if price is not None else "no price for this model"
    settings = {"clinspan": description.clinspan, **description.settings}
    return {**told, "inputs": dict(description.inputs), "outputs": list(description.outputs), "settings": settings}


@app.command()
def retry(run: Run) -> None:
    """Asks again about the windows of a run that were not read, and writes its outputs anew.

    It is the run's own command in the folder that it was given in: inputs are read again, and what was answered is
    taken from the ledger. Exit status as for `clinspan tag`.

    Example: `clinspan runs retry run-1`
    """
    description = read_description(run)
    with RunFolder(run) as folder:
        windows = folder.ledger.ask_again()
    console = Console(stderr=True, highlight=False)
    if not windows:
        console.print("every window was read: there is nothing to ask again")
        return
    console.print(f"asking again about {windows} windows")
    here = str(run.absolute())
    os.chdir(description.directory)
    alone = typer.Typer(add_completion=False)
    program, option = _PROGRAMS[description.program]
    alone.command()(program)
    # The folder may have been moved since.
    arguments = [option, here, *_without(description.command, option)]
    name = f"clinspan {description.program}"
    raise typer.Exit(typer.main.get_command(alone).main(arguments, prog_name=name, standalone_mode=False))


def _without(arguments: Sequence[str], option: str) -> list[str]:
    at = list(arguments).index(option)
    return [*arguments[:at], *arguments[at + 2 :]]


@app.command()
def forget(run: Run) -> None:
    """Deletes what a run keeps: its ledger, and its answers in the cache. Outputs stay.

    Example: `clinspan runs forget run-1`
    """
    read_description(run)
    folder = RunFolder(run)
    if cache_path().exists():
        with Cache() as cache:
            cache.forget(folder.ledger.answers.keys())
    folder.forget()


cache = typer.Typer(help="Look at the answers that runs share, and delete them.", no_args_is_help=True)


@cache.command("show")
def show_cache() -> None:
    """Shows where the answers lie, how many there are and what room they take.

    Example: `clinspan cache show`
    """
    console = Console(highlight=False, soft_wrap=True)
    path = cache_path()
    if not path.exists():
        console.print(f"{escape(str(path))}: nothing is kept")
        return
    with Cache() as kept:
        console.print(f"{escape(str(path))}: {len(kept):,} answers, {path.stat().st_size / 1e6:.1f} MB")


@cache.command("clear")
def clear_cache() -> None:
    """Deletes all answers that runs share. What runs keep in their own folders stays.

    Example: `clinspan cache clear`
    """
    path = cache_path()
    gone = 0
    if path.exists():
        with Cache() as kept:
            gone = kept.clear()
    Console(highlight=False, soft_wrap=True).print(f"deleted {gone:,} answers")
