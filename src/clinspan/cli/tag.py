"""`clinspan tag`: notes in, verified entities out. `clinspan demo`: the same for the samples."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import typer

from clinspan import samples
from clinspan.cli.evaluate import say_recognised
from clinspan.cli.machine import fetch_missing
from clinspan.cli.opening import check_engine, check_examples, gold_of, opening, pool_of, tagging
from clinspan.cli.recording import Keep, arguments, estimate, recorded
from clinspan.cli.run import RunFiles, run
from clinspan.corpora import catalogue, inputs
from clinspan.errors import ConfigError, InputError, OutputError
from clinspan.llms import spec
from clinspan.runs.cluster import ClusterSettings
from clinspan.runs.folder import Description, TaggerRecipe, settings_of
from clinspan.settings import DEFAULT_LABELS, SETTINGS, TAGGING_SETTINGS, Of, Setting
from clinspan.tagging import open as parts
from clinspan.tagging.names import missing_models
from clinspan.tagging.tagger import Tagger

Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="INPUT", help="One or more files, folders, JSONL, CSV, Parquet, or `-` for standard input."),
]

_NOTHING = "Name a file or folder: clinspan tag note.txt. To try samples: clinspan demo"


def declared(settings: Iterable[Setting]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command an option for each setting, in place of its `**given`."""

    def declare(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command)
        named = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        made = [
            inspect.Parameter(each.key, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=option(each))
            for each in settings
        ]
        command.__signature__ = own.replace(parameters=[*named, *made])  # type: ignore[attr-defined]
        return command

    return declare


def option(setting: Setting) -> Any:
    """The annotation that typer makes the setting's option of."""
    kind: Any = list[str] if setting.many else setting.type
    kind = kind if setting.default is not None else kind | None
    names = [setting.short] if setting.short else []
    if setting.short != f"-{setting.name}":
        names.append(f"--{setting.name}/--no-{setting.name}" if setting.switch else f"--{setting.name}")
    bounds: Any = {"min": setting.least, "max": setting.most} if setting.type in (int, float) else {}
    return Annotated[
        kind,
        typer.Option(
            *names,
            help=setting.help,
            rich_help_panel=setting.group,
            envvar=setting.envvar,
            autocompletion=_completing(setting.values) if setting.values is not None else None,
            **bounds,
        ),
    ]


def _completing(values: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [value for value in values() if value.startswith(incomplete)]

    return complete


@declared(SETTINGS.values())
def tag(command: typer.Context, paths: Inputs = None, **given: Any) -> None:
    """Finds the entities in notes, verifies each against the text, and writes them.

    Exit status: 0 when every part of every note was read, 3 when something was not (the summary names it),
    4 when the budget was spent before the end, 2 when the run could not be made, 130 after Ctrl-C or SIGTERM (what was
    done is written).

    Example: `clinspan tag notes/ -o entities.jsonl --labels problem-treatment-test --report report.html`

    Example: `clinspan tag notes.csv --text-column note --id-column row -o entities.jsonl --llm none`

    Example: `clinspan tag notes.jsonl -o entities.jsonl --llm openai:llama3.1 --base-url http://localhost:11434/v1`

    Example: `clinspan tag notes/ -o entities.jsonl --llm openai:qwen --base-url http://localhost:8000/v1 --run run-1`

    Example: `clinspan tag notes.parquet -o entities.parquet --llm none --engine ray --ray-workers 4`
    """
    if not paths:
        raise InputError("nothing to tag is named", fix=_NOTHING)
    asked = SimpleNamespace(**given)
    keep = Keep.asked(asked)
    if asked.output is None and keep.folder is not None:
        raise ConfigError("--output is missing, and a run keeps its results", expected="-o FILE")
    files = RunFiles(asked.output, asked.report, force=asked.force or keep.owns_outputs())
    files.check()
    cluster = ClusterSettings(address=asked.ray_address, allow_remote=asked.allow_remote, workers=asked.ray_workers)
    check_engine(asked.engine, cluster)
    recipe = recipe_of(asked)
    fetch_missing(missing_models(recipe.llm), yes=asked.yes, quiet=asked.quiet)
    with ExitStack() as stack:
        with opening(asked.quiet):
            made = recipe.make()
            # After the model, which may refuse to send notes away, and before anything is written.
            _check_inputs(paths, asked.source)
            tagger = stack.enter_context(recorded(made, asked.record))
            tagger.check()
            tagger.check_labels()
        documents = inputs.read(
            paths,
            format=asked.source,
            text_column=asked.text_column,
            id_column=asked.id_column,
            encoding=asked.encoding,
            told=None if asked.quiet else say_recognised,
        )
        if asked.dry_run:
            estimate(tagger, documents, keep)
            return
        description = _description(command, paths, asked, keep, tagger, recipe)
        session = keep.open(tagger, description, stack)
        tagger = session.over(tagger)
        tag_many = stack.enter_context(tagging(asked.engine, tagger, recipe, cluster))
        files = replace(files, owner=session.owner)
        total = None if asked.quiet else inputs.expected(paths, format=asked.source)
        told = {"quiet": asked.quiet, "verbose": asked.verbose}
        raise typer.Exit(run(tagger, documents, files, tag_many=tag_many, session=session, total=total, **told))


def _check_inputs(paths: Sequence[str], format: str | None) -> None:
    """Finds a wrong name before an output is made, which the corrected command would be refused for.

    Raises:
        ConfigError: when there is no such format.
        InputError: when there is no such file.
    """
    if format is not None:
        catalogue.by_name(format)
    for path in paths:
        if path != inputs.STDIN and not Path(path).exists():
            raise InputError("there is no such file or folder", where=path)


def recipe_of(asked: SimpleNamespace) -> TaggerRecipe:
    """What makes the tagger, here or in another process."""
    check_examples(asked)
    wanted = parts.labels(asked.labels)
    of_llm = {setting.key: getattr(asked, setting.key) for setting in SETTINGS.values() if setting.of is Of.LLM}
    # The word may be for the cluster alone.
    llm, encoder = parts.chosen(
        asked.llm, asked.encoder, wanted, parts.form(asked.format), adapter=asked.adapter, effort=asked.effort
    )
    of_llm["allow_remote"] &= asked.engine == "local" or spec.takes(str(llm), "allow_remote")
    return TaggerRecipe(
        llm=str(llm),
        labels=wanted,
        options=of_llm | {key: getattr(asked, key) for key in TAGGING_SETTINGS},
        adapter=asked.adapter,
        format=asked.format,
        dictionary=asked.dictionary,
        calibration=asked.calibration,
        fused=asked.fused,
        effort=asked.effort,
        explain=asked.explain,
        encoder=encoder if encoder is None else Path(str(encoder)),
        pool=gold_of(asked, wanted),
        examples=pool_of(asked.examples),
        teach=asked.teach,
    )


def _description(
    command: typer.Context,
    paths: Sequence[str],
    asked: SimpleNamespace,
    keep: Keep,
    tagger: Tagger,
    recipe: TaggerRecipe,
) -> Description:
    told = {
        "paths": [path if path == inputs.STDIN else str(Path(path).absolute()) for path in paths],
        "from": asked.source,
        "text column": asked.text_column,
        "id column": asked.id_column,
        "encoding": asked.encoding,
    }
    return Description(settings_of(tagger, recipe), told, arguments(command), str(Path.cwd()), keep.output_names())


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder for the results.")] = Path("demo-out"),
    labels: Annotated[str, typer.Option(help="The label set to ask for.")] = DEFAULT_LABELS,
    llm: Annotated[str, typer.Option(help="As for `clinspan tag`.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace results that exist.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Fetch a model that is missing without asking.")] = False,
) -> None:
    """Tags the notes that come with clinspan and writes entities.jsonl and report.html.

    Example: `clinspan demo -o demo-out`
    """
    files = RunFiles(output=output / "entities.jsonl", report=output / "report.html", force=force)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fix = "Name a folder that you may write to: clinspan demo -o FOLDER"
        raise OutputError(f"cannot be made: {error.strerror}", where=str(output), fix=fix) from error
    files.check()
    wanted = parts.labels(labels)
    decides, _ = parts.chosen(llm, None, wanted, parts.form("tanl"))
    fetch_missing(missing_models(decides), yes=yes)
    with opening(quiet=False):
        tagger = Tagger.open(llm, labels=wanted)
        tagger.check_labels()
    raise typer.Exit(run(tagger, samples.load(), files))
