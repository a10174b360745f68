"""`clinspan tag`: notes in, verified entities out."""

from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from clinspan.cli import selection
from clinspan.cli.engine import Engine, tagging
from clinspan.cli.estimate import estimate
from clinspan.cli.evaluate import say_recognised
from clinspan.cli.recording import Keep, arguments
from clinspan.cli.run import RunFiles, run
from clinspan.cli.status import opening
from clinspan.cluster.engine import ClusterSettings
from clinspan.corpora import catalogue
from clinspan.corpora import inputs as corpora
from clinspan.corpora.expected import expected
from clinspan.dictionary.facts import FactsMode
from clinspan.errors import ConfigError
from clinspan.llms import spec
from clinspan.llms.base import closing
from clinspan.llms.replay import Recorder
from clinspan.pipeline import parts
from clinspan.pipeline.example_choice import ExampleChoice
from clinspan.pipeline.profiles import profile_name
from clinspan.pipeline.recipe import Choice, TaggerRecipe
from clinspan.runs.folder import Description
from clinspan.runs.settings import settings_of

TAGGING = "How to tag"
MODEL = "The model"
LONG = "Long runs"
CLUSTER = "More than one process"


class Ask(StrEnum):
    """Which windows the LLM is asked about."""

    always = "always"
    candidates = "candidates"


class Candidates(StrEnum):
    """What the dictionary's proposals are to a constrained decoder."""

    off = "off"
    prefer = "prefer"
    only = "only"


class FactsFrom(StrEnum):
    """Whose terms the facts are about."""

    scan = "scan"
    propose = "propose"
    both = "both"


def tag(
    command: typer.Context,
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Files, folders, JSONL, CSV, or `-` for standard input.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="The JSONL file, a document a line, or NAME.parquet; `-` for standard output."
        ),
    ] = None,
    labels: Annotated[
        str, typer.Option(help="A label set (`clinspan labels list`) or the path of a labels.toml.")
    ] = "disease",
    llm: Annotated[
        str, typer.Option(help=f"What names the entities: {', '.join(spec.spec_forms())}.", rich_help_panel=MODEL)
    ] = "embedded",
    dictionary: Annotated[
        str,
        typer.Option(
            help="`open` (packaged vocabularies, built on first use), `none`, or a folder made by "
            "`clinspan dictionary build`."
        ),
    ] = "open",
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML page to read the result on.")] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", help=f"The inputs' format ({', '.join(catalogue.FORMATS)}); recognised if not given."),
    ] = None,
    text_column: Annotated[str, typer.Option(help="The column of CSV files that holds the text.")] = "text",
    id_column: Annotated[str | None, typer.Option(help="The column of CSV files that holds the id.")] = None,
    encoding: Annotated[str, typer.Option(help="The encoding of the inputs; it is never guessed.")] = "utf-8",
    force: Annotated[bool, typer.Option("--force", help="Replace outputs that exist.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what became of every document.")] = False,
    base_url: Annotated[
        str | None,
        typer.Option(help="The server's address: `http://HOST:PORT/v1` or `unix:/PATH`.", rich_help_panel=MODEL),
    ] = None,
    allow_remote: Annotated[
        bool,
        typer.Option("--allow-remote", help="Let notes leave this machine for that address.", rich_help_panel=MODEL),
    ] = False,
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Requests to a server under way at once, at most; how many it bears is tried out.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds that a server may take for one answer.", rich_help_panel=MODEL)
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(help="Tokens that fit into a request and its answer together.", rich_help_panel=MODEL),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of a model in this process.", rich_help_panel=MODEL)
    ] = None,
    grammar: Annotated[
        str | None,
        typer.Option(
            help="Hold a server to copies by a grammar: `llamacpp` or `vllm`, by what it is.", rich_help_panel=MODEL
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="A server's sampling; 0, the default, takes the likeliest answer.", rich_help_panel=MODEL),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of a server's sampling.", rich_help_panel=MODEL)] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            help="Write the LLM's answers to this file, for `--llm replay:FILE`. It holds text of the notes.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            help="An adapter's folder, or `none`; without it the one that comes with clinspan is used where "
            "its labels are asked for.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    examples: selection.Examples = None,
    renamed: selection.Rename = None,
    skip_wrong: selection.SkipWrong = False,
    select: selection.Select = None,
    k: selection.Count = None,
    examples_order: selection.ExamplesOrder = None,
    examples_tokens: selection.ExamplesTokens = None,
    examples_by: selection.ExamplesBy = None,
    examples_as: selection.ExamplesAs = None,
    select_seed: selection.SelectSeed = None,
    select_mentions: selection.SelectMentions = None,
    select_relevance: selection.SelectRelevance = None,
    teach: selection.Teach = True,
    calibration: Annotated[
        str | None,
        typer.Option(
            help="What `clinspan calibrate` learned, or `none`; without it what came with the adapter.",
            rich_help_panel=TAGGING,
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="How the LLM answers (docs: formats).", rich_help_panel=TAGGING)
    ] = "tanl",
    ask: Annotated[
        Ask | None,
        typer.Option(
            help="Ask about every window, or only where the dictionary proposes something.", rich_help_panel=TAGGING
        ),
    ] = None,
    candidates: Annotated[
        Candidates | None,
        typer.Option(
            help="What proposals are to the embedded model: nothing, a bonus, or the only entities possible.",
            rich_help_panel=TAGGING,
        ),
    ] = None,
    candidate_bias: Annotated[
        float | None,
        typer.Option(
            help="Added to the log-odds of an entity where the dictionary proposes one.", rich_help_panel=TAGGING
        ),
    ] = None,
    open_bias: Annotated[
        float | None,
        typer.Option(help="Added to the log-odds of an entity anywhere: the recall dial.", rich_help_panel=TAGGING),
    ] = None,
    facts: Annotated[
        FactsMode | None,
        typer.Option(help="What the prompt tells of terms that the dictionary knows.", rich_help_panel=TAGGING),
    ] = None,
    facts_budget: Annotated[
        int | None, typer.Option(min=0, help="Tokens that the facts of a prompt may take.", rich_help_panel=TAGGING)
    ] = None,
    facts_from: Annotated[
        FactsFrom | None,
        typer.Option(
            help="Terms that stand in the text, that the LLM lists first (a further call), or both.",
            rich_help_panel=TAGGING,
        ),
    ] = None,
    window_tokens: Annotated[
        int | None, typer.Option(min=4, help="The longest window, in tokens.", rich_help_panel=TAGGING)
    ] = None,
    run_folder: Annotated[
        Path | None,
        typer.Option(
            "--run",
            help="A folder that keeps every answer, so that the same command goes on where it was broken off.",
            rich_help_panel=LONG,
        ),
    ] = None,
    cache: Annotated[
        bool | None,
        typer.Option(
            "--cache/--no-cache",
            help="Take answers of earlier runs, and keep those of this one; on for servers if nothing is said.",
            rich_help_panel=LONG,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what it would take in requests, tokens and money.", rich_help_panel=LONG),
    ] = False,
    prices: Annotated[
        Path | None,
        typer.Option(envvar="CLINSPAN_PRICES", help="A TOML file of prices per million tokens.", rich_help_panel=LONG),
    ] = None,
    max_tokens_total: Annotated[
        int | None, typer.Option(min=0, help="Stop before more tokens than this are used.", rich_help_panel=LONG)
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Stop before it costs more than this.", rich_help_panel=LONG)
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Append what happens as JSON lines, without a word of any note.", rich_help_panel=LONG),
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option(
            help="Tag in this process, or on Ray: the same results in the same order.", rich_help_panel=CLUSTER
        ),
    ] = Engine.local,
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT of a Ray cluster that this machine belongs to; without it one is started on this machine "
            "alone.",
            rich_help_panel=CLUSTER,
        ),
    ] = None,
    ray_workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that each hold model and dictionary; one for each processor if not given.",
            rich_help_panel=CLUSTER,
        ),
    ] = None,
) -> None:
    """Finds the entities in notes and writes those that the text bears out.

    Exit status: 0 when every part of every note was read, 3 when something was not (the summary names it),
    4 when the budget was spent before the end, 2 when the run could not be made, 130 after Ctrl-C (what was done is
    written).

    Example: `clinspan tag notes/ -o entities.jsonl --labels problem-treatment-test --report report.html`

    Example: `clinspan tag notes.csv --text-column note --id-column row -o entities.jsonl --llm none`

    Example: `clinspan tag notes.jsonl -o entities.jsonl --llm openai:llama3.1 --base-url http://localhost:11434/v1`

    Example: `clinspan tag notes/ -o entities.jsonl --llm openai:qwen --base-url http://localhost:8000/v1 --run run-1`

    Example: `clinspan tag notes.parquet -o entities.parquet --llm none --engine ray --ray-workers 4`
    """
    if output is None and not dry_run:
        raise ConfigError("--output is missing", expected="-o FILE, or -o - for standard output")
    keep = Keep(
        folder=run_folder,
        # What the cache knows is not asked, and would be missing in a recording.
        cache=cache if record is None else False,
        log=log,
        prices=prices,
        max_tokens=max_tokens_total,
        max_cost=max_cost,
        outputs=tuple(path for path in (output, report) if path is not None),
        record=record,
        elsewhere=engine is Engine.ray,
    )
    files = RunFiles(output=output or Path("-"), report=report, force=force or keep.owns_outputs())
    files.check()
    options: dict[str, object] = {
        "base_url": base_url,
        # The word may be for the cluster alone.
        "allow_remote": allow_remote and (engine is Engine.local or spec.takes(llm, "allow_remote")),
        "concurrency": concurrency,
        "timeout": timeout,
        "context": context,
        "threads": threads,
        "grammar": grammar,
        "temperature": temperature,
        "seed": seed,
    }
    choice = Choice(
        ask=ask.value if ask else None,
        candidates=candidates.value if candidates else None,
        candidate_bias=candidate_bias,
        open_bias=open_bias,
        facts=facts,
        facts_budget=facts_budget,
        facts_from=facts_from.value if facts_from else None,
        window_tokens=window_tokens,
        examples=ExampleChoice(
            strategy=select,
            k=k,
            order=examples_order,
            tokens=examples_tokens,
            retriever=examples_by,
            layout=examples_as,
            seed=select_seed,
            mentions=select_mentions,
            relevance=select_relevance,
        ),
    )
    selection.check(choice.examples, examples, renamed=renamed or (), skip_wrong=skip_wrong)
    wanted = parts.labels(labels)
    pool = selection.documents(examples, wanted, renamed or (), skip_wrong=skip_wrong, quiet=quiet)
    with opening(quiet):
        recipe = TaggerRecipe(
            llm=llm,
            labels=wanted,
            options=options,
            adapter=adapter,
            form=form,
            dictionary=dictionary,
            calibration=calibration,
            pool=pool,
            examples=selection.pool(examples),
            teach=teach,
            choice=choice,
        )
        tagger = recipe.make()
        tagger.check()
    if record is not None:
        if tagger.llm is None:
            raise ConfigError("--record has nothing to record", expected="an LLM", fix="Leave out --llm none.")
        tagger.llm = Recorder(tagger.llm, record, profile=profile_name(tagger.llm))
    documents = corpora.read(
        inputs,
        format=source,
        text_column=text_column,
        id_column=id_column,
        encoding=encoding,
        told=None if quiet else say_recognised,
    )
    cluster = ClusterSettings(address=ray_address, allow_remote=allow_remote, workers=ray_workers)
    paths = [path if path == corpora.STDIN else str(Path(path).absolute()) for path in inputs]
    told = {"paths": paths, "from": source, "text column": text_column, "id column": id_column, "encoding": encoding}
    description = Description(
        settings_of(tagger, recipe), told, arguments(command), str(Path.cwd()), keep.output_names()
    )
    with ExitStack() as stack:
        stack.enter_context(closing(tagger.llm))
        if dry_run:
            estimate(tagger, documents, keep)
            return
        tag_many = stack.enter_context(tagging(engine, tagger, recipe, cluster))
        session = keep.open(tagger, description, stack)
        files = replace(files, owner=session.owner)
        total = None if quiet else expected(inputs, format=source)
        raise typer.Exit(
            run(tagger, documents, files, tag_many=tag_many, session=session, total=total, quiet=quiet, verbose=verbose)
        )
