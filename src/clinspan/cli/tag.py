"""`clinspan tag`: notes in, verified entities out."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import typer

from clinspan.cli import options, selection
from clinspan.cli.engine import Engine, tagging
from clinspan.cli.estimate import estimate
from clinspan.cli.evaluate import say_recognised
from clinspan.cli.recording import Keep, arguments
from clinspan.cli.run import RunFiles, run
from clinspan.cli.status import opening
from clinspan.corpora import inputs as corpora
from clinspan.errors import ConfigError
from clinspan.llms import spec
from clinspan.llms.base import closing
from clinspan.llms.replay import Recorder
from clinspan.runs.cluster import ClusterSettings
from clinspan.runs.folder import Description, settings_of
from clinspan.tagging import open as parts
from clinspan.tagging.recipe import Choice, TaggerRecipe
from clinspan.tagging.settings import ExampleChoice, profile_name


def tag(
    command: typer.Context,
    inputs: options.Inputs,
    output: options.Output = None,
    labels: options.Labels = "disease",
    llm: options.LLM = "embedded",
    dictionary: options.Dictionary = "open",
    report: options.Report = None,
    source: options.Source = None,
    text_column: options.TextColumn = "text",
    id_column: options.IdColumn = None,
    encoding: options.Encoding = "utf-8",
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    base_url: options.BaseUrl = None,
    allow_remote: options.AllowRemote = False,
    concurrency: options.Concurrency = None,
    timeout: options.Timeout = None,
    context: options.Context = None,
    threads: options.Threads = None,
    grammar: options.Grammar = None,
    temperature: options.Temperature = None,
    seed: options.Seed = None,
    record: options.Record = None,
    adapter: options.Adapter = None,
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
    calibration: options.Calibration = None,
    form: options.Form = "tanl",
    ask: options.WhenAsked = None,
    candidates: options.Proposals = None,
    candidate_bias: options.CandidateBias = None,
    open_bias: options.OpenBias = None,
    facts: options.Facts = None,
    facts_budget: options.FactsBudget = None,
    facts_from: options.FactsSource = None,
    window_tokens: options.WindowTokens = None,
    run_folder: options.Run = None,
    cache: options.Cache = None,
    dry_run: options.DryRun = False,
    prices: options.Prices = None,
    max_tokens_total: options.MaxTokensTotal = None,
    max_cost: options.MaxCost = None,
    log: options.Log = None,
    engine: options.Where = Engine.local,
    ray_address: options.RayAddress = None,
    ray_workers: options.RayWorkers = None,
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
    asked: dict[str, object] = {
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
            options=asked,
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
        total = None if quiet else corpora.expected(inputs, format=source)
        raise typer.Exit(
            run(tagger, documents, files, tag_many=tag_many, session=session, total=total, quiet=quiet, verbose=verbose)
        )
