"""Entities on the terminal, for people who look at a note or two."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clinspan.document import OF, Document, Entity
from clinspan.labels import LabelSet

_WIDEST = 60
_SHORTER = {"associated-with-someone-else": "somebody else's"}
"""Values that would not fit into their column."""


class Screen:
    """Shows each document's entities as a table on standard output.

    Args:
        labels: say which value of an attribute goes without saying.
        console: where to; standard output when None.
    """

    def __init__(self, labels: LabelSet, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._usual = {
            (label.name, attribute.name): attribute.default for label in labels.labels for attribute in label.attributes
        }

    def write(self, document: Document) -> None:
        """Shows one document."""
        count = len(document.entities)
        self._console.print(f"[bold]{escape(document.id)}[/]: {count or 'no'} {'entity' if count == 1 else 'entities'}")
        if not count:
            return
        by_id = {entity.id: entity for entity in document.entities if entity.id}
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for _ in range(4):
            table.add_column(overflow="fold")
        for entity in document.entities:
            table.add_row(*map(escape, self._row(entity, by_id)))
        self._console.print(table)

    def _row(self, entity: Entity, by_id: dict[str, Entity]) -> tuple[str, str, str, str]:
        said = [
            by_id[value].text if name == OF and value in by_id else _SHORTER.get(value, value)
            for name, value in entity.attributes.items()
            if value != self._usual.get((entity.label, name))
        ]
        known = next((f"{concept.id} {concept.name}" for concept in entity.concepts), "")
        text = " ".join(entity.text.split())
        shown = text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
        return f"  {entity.label}", shown, ", ".join(said), known

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is kept open."""
