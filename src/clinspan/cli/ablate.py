"""`clinspan ablate`: what prompt, examples and knowledge bring, over a grid of settings."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from clinspan.ablation.corpus import read_corpus, read_pool
from clinspan.ablation.folder import AblationFolder, description
from clinspan.ablation.parts import Asking, Parts
from clinspan.ablation.plan import Grid, Plan, grid
from clinspan.ablation.plan_file import read_plan
from clinspan.ablation.report import Report, signature, tables, write_report
from clinspan.ablation.results import Results
from clinspan.ablation.run import Ablation
from clinspan.cli.meter import Meter
from clinspan.cli.recording import arguments
from clinspan.cli.run import BUDGET_SPENT, STOPPED
from clinspan.errors import InputError
from clinspan.evaluation.match import Rule
from clinspan.labels import LabelSet
from clinspan.runs.answers import Cache
from clinspan.runs.budget import Budget, Limits, Price, read_prices
from clinspan.runs.folder import RunFolder


def ablate(
    command: typer.Context,
    plan: Annotated[Path, typer.Argument(help="The TOML file that says what is varied (docs: ablation).")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A folder for all that is measured, and the report on it.")
    ],
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many documents, drawn by the plan's seed; more can follow later.")
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let documents leave this machine for the plan's addresses.")
    ] = False,
    cache: Annotated[
        bool | None,
        typer.Option("--cache/--no-cache", help="As for `clinspan tag`: on for servers if nothing is said."),
    ] = None,
    max_tokens_total: Annotated[
        int | None, typer.Option(min=0, help="Stop before more tokens than this are used.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(envvar="CLINSPAN_PRICES", help="A TOML file of prices per million tokens.")
    ] = None,
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
