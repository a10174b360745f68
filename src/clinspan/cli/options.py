"""Options of the command line, made from the table of settings."""

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer

from clinspan.settings import Setting

Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT...", help="Files, folders, JSONL, CSV, Parquet, or `-` for standard input."),
]


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
