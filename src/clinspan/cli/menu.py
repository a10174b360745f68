"""The menu of commands. A command's module is imported when the command is used, so that the menu shows at once."""

from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

SETTINGS: Mapping[str, Any] = {
    "no_args_is_help": True,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "markdown",
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""What all commands have in common, as typer takes it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that was not used yet.

    Attributes:
        place: its function, or a `typer.Typer` of several commands, as module:name.
        about: the first sentence of its help.
        panel: the heading that it stands under.
    """

    place: str
    about: str
    panel: str

    def load(self, name: str) -> Any:
        """The command itself."""
        found = resolve_name(self.place)
        # The callback makes a group of it, where a command alone would take the group's place.
        holder = typer.Typer(callback=lambda: None, add_completion=False, **SETTINGS)
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=name)
        else:
            holder.command(name)(found)
        return get_command(holder).commands[name]  # type: ignore[attr-defined]


class _Commands(UserDict[str, Any]):
    """Commands by name; an entry is replaced by its command when that is asked for."""

    def __getitem__(self, name: str) -> Any:
        found = self.data[name]
        if isinstance(found, Entry):
            found = self.data[name] = found.load(name)
        return found


def menu(entries: Mapping[str, Entry]) -> type[TyperGroup]:
    """A group of these commands, which typer makes with the options of its own."""

    class Menu(TyperGroup):
        """Loads no command to list them."""

        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.commands = _Commands(entries)

        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (as click calls it)
            """The names, in the menu's order."""
            return list(entries)

        def format_help(self, ctx: Any, formatter: Any) -> None:
            """Shows the options and each entry's first sentence."""
            outline = TyperGroup(
                name=self.name,
                params=self.params,
                help=self.help,
                rich_markup_mode=self.rich_markup_mode,
                commands={
                    name: TyperCommand(name, help=entry.about, rich_help_panel=entry.panel)
                    for name, entry in entries.items()
                },
            )
            outline.format_help(ctx, formatter)

    return Menu
