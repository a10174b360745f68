"""`clinspan doctor`: what is installed, which models and dictionaries are here, and whether they work."""

import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape

from clinspan.dictionary.build import default_path
from clinspan.dictionary.store import Dictionary
from clinspan.errors import ClinspanError, LLMError
from clinspan.files import CACHE_VARIABLE, cache_folder
from clinspan.llms.base import LLM
from clinspan.llms.spec import KINDS, load
from clinspan.messages import CopyConstraint, Message, Request
from clinspan.models.registry import Model, entries

EMBEDDED = KINDS["embedded"].default
"""The model without which clinspan has no LLM of its own."""

SENTENCE = "The patient has type 2 diabetes mellitus and chronic kidney disease."


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `good` is None for what is neither right nor wrong."""

    what: str
    detail: str
    good: bool | None = None


def doctor(
    trial: Annotated[bool, typer.Option(help="Try each model and dictionary on one sentence.")] = True,
) -> None:
    """Says what is installed and found, and tries each model and dictionary on one sentence. Uses no network.

    The exit status is 0 when the embedded model works, and 1 when it does not.

    Example: `clinspan doctor`
    """
    console = Console(highlight=False, soft_wrap=True)
    embedded_works = False
    sections = {
        "Installed": _installed(),
        "Cache": _cache(),
        "Models": (_model(model, trial) for model in entries().values()),
        "Dictionaries": _dictionaries(trial),
    }
    for title, findings in sections.items():
        console.print(f"[bold]{title}[/]")
        for finding in findings:
            mark = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[dim]·[/]"}[finding.good]
            console.print(f"  {mark} {escape(finding.what)}: {escape(finding.detail)}")
            embedded_works |= finding.what == EMBEDDED and finding.good is True
    if not embedded_works:
        console.print("\n[bold red]The embedded model does not work[/]; see the lines marked ✗ above.")
        console.print("Labels that an encoder decides, such as problem-treatment-test, do not need it.")
        raise typer.Exit(1)
    console.print("\n[bold green]The embedded model works.[/]")


def _installed() -> Iterator[Finding]:
    yield Finding("clinspan", f"{version('clinspan')}, Python {platform.python_version()} on {platform.platform()}")
    extras: dict[str, list[str]] = {}
    for requirement in requires("clinspan") or ():
        named = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        package = re.match(r"[\w.-]+", requirement)
        if named and package and named[1] != "dev":
            extras.setdefault(named[1], []).append(package[0])
    for extra, packages in extras.items():
        found = {package: _version(package) for package in packages}
        here = ", ".join(f"{package} {number}" for package, number in found.items() if number)
        lacking = [package for package, number in found.items() if not number]
        if lacking:
            yield Finding(f"extra {extra}", f"lacks {', '.join(lacking)} (pip install 'clinspan[{extra}]')")
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


def _model(model: Model, trial: bool) -> Finding:
    needed = model.name == EMBEDDED
    command = f"clinspan models pull {model.name}"
    if model.missing():
        return Finding(model.name, f"not pulled ({command})", good=False if needed else None)
    if model.damaged():
        return Finding(model.name, f"damaged; fetch it again with: {command}", good=False)
    if not needed or not trial:
        return Finding(model.name, f"here, hash right: {model.folder}", good=True)
    return _tried(model.name, _try_embedded)


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
